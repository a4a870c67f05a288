import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { describeSchedules, instantInZone, instantText, nextOf } from '../../src/reconciler/schedule/describe.ts';
import { dueInstants, MISSED_COUNTED, schedulesOf, watermarkOf } from '../../src/reconciler/schedule/due.ts';
import { latestInstant, nextInstant } from '../../src/reconciler/schedule/instants.ts';
import type { Schedule } from '../../src/schemas/index.ts';

const moment = (text: string): Date => new Date(text);
const short = (instant: Date | undefined): string => instant?.toISOString().slice(0, 16) ?? 'never';

const clocks = suite('instants where clocks are set');

/** Zone, cron, from when on, and the instants that come next, in UTC. */
const KNOWN: readonly (readonly [string, string, string, readonly string[]])[] = [
  // 02:00 to 03:00 is left out on 29 March 2026.
  ['Europe/Zurich', '30 2 * * *', '2026-03-28T12:00Z', ['2026-03-29T01:00', '2026-03-30T00:30']],
  ['Europe/Zurich', '0,15,30 2 * * *', '2026-03-28T12:00Z', ['2026-03-29T01:00', '2026-03-30T00:00']],
  ['Europe/Zurich', '30 2,3 * * *', '2026-03-28T12:00Z', ['2026-03-29T01:00', '2026-03-29T01:30', '2026-03-30T00:30']],
  ['Europe/Zurich', '0 2,3 * * *', '2026-03-28T12:00Z', ['2026-03-29T01:00', '2026-03-30T00:00']],
  ['Europe/Zurich', '30 * * * *', '2026-03-28T23:40Z', ['2026-03-29T00:30', '2026-03-29T01:00', '2026-03-29T01:30']],
  // 02:00 to 03:00 comes twice on 25 October 2026: once for who names the hour.
  ['Europe/Zurich', '30 2 * * *', '2026-10-24T12:00Z', ['2026-10-25T00:30', '2026-10-26T01:30']],
  [
    'Europe/Zurich',
    '0,30 2,3 * * *',
    '2026-10-24T12:00Z',
    ['2026-10-25T00:00', '2026-10-25T00:30', '2026-10-25T02:00'],
  ],
  ['Europe/Zurich', '0 * * * *', '2026-10-24T23:30Z', ['2026-10-25T00:00', '2026-10-25T01:00', '2026-10-25T02:00']],
  ['Europe/Zurich', '@hourly', '2026-10-25T00:00Z', ['2026-10-25T01:00', '2026-10-25T02:00']],
  ['Europe/Zurich', '@daily', '2026-10-24T12:00Z', ['2026-10-24T22:00', '2026-10-25T23:00']],
  ['America/New_York', '30 2 * * *', '2026-03-07T12:00Z', ['2026-03-08T07:00', '2026-03-09T06:30']],
  ['America/New_York', '30 1 * * *', '2026-10-31T12:00Z', ['2026-11-01T05:30', '2026-11-02T06:30']],
  // Half an hour, 02:00 to 02:30.
  ['Australia/Lord_Howe', '15 2 * * *', '2026-10-03T00:00Z', ['2026-10-03T15:30', '2026-10-04T15:15']],
  ['Australia/Lord_Howe', '45 1 * * *', '2026-04-03T20:00Z', ['2026-04-04T14:45', '2026-04-05T15:15']],
  // Midnight itself is left out.
  ['America/Sao_Paulo', '0 0 * * *', '2018-11-03T12:00Z', ['2018-11-04T03:00', '2018-11-05T02:00']],
  ['America/Sao_Paulo', '30 23 * * 6', '2018-02-17T12:00Z', ['2018-02-18T01:30', '2018-02-25T02:30']],
  [
    'America/Sao_Paulo',
    '30 * * * 6',
    '2018-02-18T01:00Z',
    ['2018-02-18T01:30', '2018-02-18T02:30', '2018-02-24T03:30'],
  ],
  ['America/Sao_Paulo', '0 0 * * *', '2025-11-03T12:00Z', ['2025-11-04T03:00', '2025-11-05T03:00']],
  // Ramadan of 2026.
  ['Africa/Casablanca', '30 2 * * *', '2026-02-14T12:00Z', ['2026-02-15T01:30', '2026-02-16T02:30']],
  ['Africa/Casablanca', '30 2 * * *', '2026-03-21T12:00Z', ['2026-03-22T02:00', '2026-03-23T01:30']],
  // The last summer time of Iran.
  ['Asia/Tehran', '30 0 * * *', '2022-03-21T12:00Z', ['2022-03-21T20:30', '2022-03-22T20:00']],
  ['Asia/Tehran', '30 0 * * *', '2023-03-21T12:00Z', ['2023-03-21T21:00', '2023-03-22T21:00']],
  // 30 December 2011 never was: the day's instants come at midnight, all at once.
  ['Pacific/Apia', '0 9 * * *', '2011-12-29T12:00Z', ['2011-12-29T19:00', '2011-12-30T10:00', '2011-12-30T19:00']],
  ['Pacific/Apia', '0 9,17 30 12 *', '2011-12-29T12:00Z', ['2011-12-30T10:00', '2012-12-29T19:00']],
  ['UTC', '0 0 29 2 *', '2096-02-29T00:00Z', ['2104-02-29T00:00']],
  ['UTC', '0 0 13 * 5', '2026-11-01T00:00Z', ['2026-11-06T00:00', '2026-11-13T00:00', '2026-11-20T00:00']],
];

for (const [timeZone, cron, from, expected] of KNOWN)
  clocks(`${cron} in ${timeZone} after ${from}`, () => {
    const found: string[] = [];
    let at: Date | undefined = moment(from);
    while (at && found.length < expected.length) found.push(short((at = nextInstant({ cron, timeZone }, at))));
    assert.equal(found, expected);
    for (const text of expected.toReversed()) {
      at = latestInstant({ cron, timeZone }, at ?? moment(from));
      assert.is(short(at), text);
      at = at && new Date(at.getTime() - 1);
    }
  });

clocks('an instant is not its own successor, and comes to the millisecond', () => {
  const schedule = { cron: '30 2 * * *' };
  assert.is(short(nextInstant(schedule, moment('2026-01-01T02:29:59.999Z'))), '2026-01-01T02:30');
  assert.is(short(nextInstant(schedule, moment('2026-01-01T02:30:00.000Z'))), '2026-01-02T02:30');
  assert.is(short(nextInstant(schedule, moment('2026-01-01T02:30:00.500Z'))), '2026-01-02T02:30');
  assert.is(short(latestInstant(schedule, moment('2026-01-01T02:29:59.999Z'))), '2025-12-31T02:30');
  assert.is(short(latestInstant(schedule, moment('2026-01-01T02:30:00.000Z'))), '2026-01-01T02:30');
});

clocks('what never comes gives nothing', () => {
  assert.is(nextInstant({ cron: '0 0 30 2 *' }, moment('2026-01-01T00:00Z')), undefined);
  assert.is(latestInstant({ cron: '0 0 30 2 *' }, moment('2026-01-01T00:00Z')), undefined);
});

clocks.run();

const due = suite('what is due');

interface Look {
  readonly schedules: Schedule | readonly Schedule[];
  readonly watermark: string;
  readonly now: string;
}

function look({ schedules, watermark, now }: Look) {
  const found = dueInstants({
    schedules: schedulesOf({ schedule: schedules }),
    watermark: moment(watermark),
    now: moment(now),
  });
  return {
    due: found.due.map(short),
    missed: found.missed.map(
      ({ oldest, newest, count, more }) => `${count}${more ? '+' : ''} ${short(oldest)} ${short(newest)}`,
    ),
    watermark: short(found.watermark),
    messages: found.missed.map(({ message }) => message),
  };
}

const DAILY: Schedule = { cron: '30 2 * * *' };
const OUTAGE = { watermark: '2026-11-17T02:30Z', now: '2026-11-20T03:00:10Z' };

due('nothing before the instant, the instant when it comes, and nothing after it was taken', () => {
  const before = look({ schedules: DAILY, watermark: '2026-11-19T02:30Z', now: '2026-11-20T02:29:59.999Z' });
  assert.equal(before, { due: [], missed: [], watermark: '2026-11-19T02:30', messages: [] });
  const then = look({ schedules: DAILY, watermark: '2026-11-19T02:30Z', now: '2026-11-20T02:30Z' });
  assert.equal(then, { due: ['2026-11-20T02:30'], missed: [], watermark: '2026-11-20T02:30', messages: [] });
  const after = look({ schedules: DAILY, watermark: '2026-11-20T02:30Z', now: '2026-11-20T02:30:01Z' });
  assert.equal(after, { due: [], missed: [], watermark: '2026-11-20T02:30', messages: [] });
});

due('latest, the default, makes up for the newest instant alone', () => {
  const found = look({ schedules: DAILY, ...OUTAGE });
  assert.equal(found.due, ['2026-11-20T02:30']);
  assert.equal(found.missed, ['2 2026-11-18T02:30 2026-11-19T02:30']);
  assert.equal(found.messages, [
    'missed 2 instants, 2026-11-18T02:30Z (UTC) to 2026-11-19T02:30Z (UTC): with catchUp latest, only the newest one is made up for',
  ]);
});

due('latest with a deadline makes up for nothing that is too late', () => {
  const inTime = look({ schedules: { ...DAILY, deadline: '31m' }, ...OUTAGE });
  assert.equal(inTime.due, ['2026-11-20T02:30']);
  const late = look({ schedules: { ...DAILY, deadline: '30m' }, ...OUTAGE });
  assert.equal(late.due, []);
  assert.equal(late.missed, ['3 2026-11-18T02:30 2026-11-20T02:30']);
  assert.is(late.watermark, '2026-11-20T02:30');
});

due('none takes what is up to a minute late, or up to its deadline', () => {
  const schedules: Schedule = { ...DAILY, catchUp: 'none' };
  const at = (now: string) => look({ schedules, watermark: '2026-11-19T02:30Z', now });
  assert.equal(at('2026-11-20T02:31:00Z').due, ['2026-11-20T02:30']);
  assert.equal(at('2026-11-20T02:31:00.001Z').due, []);
  assert.equal(at('2026-11-20T02:31:00.001Z').messages, [
    'missed the instant 2026-11-20T02:30Z (UTC): with catchUp none, only what is at most 1m late runs',
  ]);
  assert.equal(look({ schedules: { ...schedules, deadline: '1h' }, ...OUTAGE }).due, ['2026-11-20T02:30']);
});

due('all takes the newest maxCatchUp instants, oldest first', () => {
  const schedules: Schedule = { cron: '@daily', catchUp: 'all' };
  const outage = { watermark: '2026-11-01T12:00Z', now: '2026-11-20T12:00Z' };
  const ten = look({ schedules, ...outage });
  assert.is(ten.due.length, 10);
  assert.is(ten.due[0], '2026-11-11T00:00');
  assert.is(ten.due.at(-1), '2026-11-20T00:00');
  assert.equal(ten.missed, ['9 2026-11-02T00:00 2026-11-10T00:00']);
  const two = look({ schedules: { ...schedules, maxCatchUp: 2 }, ...outage });
  assert.equal(two.due, ['2026-11-19T00:00', '2026-11-20T00:00']);
  assert.equal(two.missed, [`${MISSED_COUNTED}+ 2026-11-02T00:00 2026-11-18T00:00`]);
  const young = look({ schedules: { ...schedules, deadline: '36h' }, ...outage });
  assert.equal(young.due, ['2026-11-19T00:00', '2026-11-20T00:00']);
});

due('a catch-up that is cut off goes on with what is left', () => {
  const schedules: Schedule = { cron: '@daily', catchUp: 'all', maxCatchUp: 3 };
  const first = look({ schedules, watermark: '2026-11-01T12:00Z', now: '2026-11-20T12:00Z' });
  assert.equal(first.due, ['2026-11-18T00:00', '2026-11-19T00:00', '2026-11-20T00:00']);
  const later = look({ schedules, watermark: `${first.due[0]}Z`, now: '2026-11-20T12:00:05Z' });
  assert.equal(later.due, ['2026-11-19T00:00', '2026-11-20T00:00']);
  assert.equal(later.missed, []);
});

due('schedules that share an instant share its run', () => {
  const schedules: readonly Schedule[] = [
    { cron: '0 12 * * *' },
    { cron: '0 13 * * 1-5', timeZone: 'Europe/Zurich', catchUp: 'none' },
    { cron: '0 0 * * *', catchUp: 'all' },
  ];
  const noon = look({ schedules, watermark: '2026-11-20T00:00Z', now: '2026-11-20T12:00:01Z' });
  assert.equal(noon.due, ['2026-11-20T12:00']);
  assert.equal(noon.missed, []);
  const later = look({ schedules, watermark: '2026-11-19T00:00Z', now: '2026-11-20T13:00Z' });
  assert.equal(later.due, ['2026-11-20T00:00', '2026-11-20T12:00']);
  // The noon of the 20th is late for the second schedule, but the first one brings it.
  assert.equal(later.missed, ['1 2026-11-19T12:00 2026-11-19T12:00', '1 2026-11-19T12:00 2026-11-19T12:00']);
});

due('a gap gives two schedules one run', () => {
  const timeZone = 'Europe/Zurich';
  const schedules: readonly Schedule[] = [
    { cron: '30 2 * * *', timeZone },
    { cron: '0 3 * * *', timeZone },
  ];
  const found = look({ schedules, watermark: '2026-03-28T12:00Z', now: '2026-03-29T09:00Z' });
  assert.equal(found.due, ['2026-03-29T01:00']);
  assert.equal(found.missed, []);
});

due('a clock that is set back runs nothing twice', () => {
  const back = look({ schedules: DAILY, watermark: '2026-11-20T02:30Z', now: '2026-11-20T02:10Z' });
  assert.equal(back, { due: [], missed: [], watermark: '2026-11-20T02:30', messages: [] });
  const again = look({ schedules: DAILY, watermark: '2026-11-20T02:30Z', now: '2026-11-20T02:30Z' });
  assert.equal(again.due, []);
});

due('the watermark is the latest of what is known', () => {
  const since = moment('2026-11-20T01:00Z');
  assert.is(short(watermarkOf({ since })), '2026-11-20T01:00');
  assert.is(short(watermarkOf({ since, lastInstant: moment('2026-11-19T02:30Z') })), '2026-11-20T01:00');
  assert.is(short(watermarkOf({ since, lastInstant: moment('2026-11-20T02:30Z') })), '2026-11-20T02:30');
  const live = [moment('2026-11-21T02:30Z'), moment('2026-11-20T02:30Z')];
  assert.is(short(watermarkOf({ since, lastInstant: moment('2026-11-20T02:30Z'), live })), '2026-11-21T02:30');
});

due('instants before the commit that brought the schedule, or lifted suspend, are nobody’s', () => {
  const since = watermarkOf({ since: moment('2026-11-20T02:45Z'), lastInstant: moment('2026-11-10T02:30Z') });
  const found = look({ schedules: DAILY, watermark: since.toISOString(), now: '2026-11-20T03:00Z' });
  assert.equal(found, { due: [], missed: [], watermark: '2026-11-20T02:45', messages: [] });
});

due('a minute’s schedule after ten years takes as few steps as after an hour', () => {
  for (const catchUp of ['none', 'latest', 'all'] as const) {
    const found = look({
      schedules: { cron: '* * * * *', catchUp },
      watermark: '2016-01-01T00:00Z',
      now: '2026-01-01T00:00:30Z',
    });
    assert.is(found.due.length, catchUp === 'all' ? 10 : 1);
    assert.is(found.due.at(-1), '2026-01-01T00:00');
    const newest = catchUp === 'all' ? '2025-12-31T23:50' : '2025-12-31T23:59';
    assert.equal(found.missed, [`10+ 2016-01-01T00:01 ${newest}`]);
  }
});

const schedule: fc.Arbitrary<Schedule> = fc.record(
  {
    cron: fc.constantFrom('*/7 * * * *', '30 2 * * *', '0,30 1,2,3 * * *', '@hourly', '0 0 * * 1', '15 2 1 * *'),
    timeZone: fc.constantFrom('Europe/Zurich', 'Australia/Lord_Howe', 'Africa/Casablanca', 'UTC'),
    catchUp: fc.constantFrom('none', 'latest', 'all'),
    maxCatchUp: fc.integer({ min: 1, max: 5 }),
    deadline: fc.constantFrom('1m', '2h', '3d'),
  },
  { requiredKeys: ['cron'] },
);

due('whatever clocks, passes and restarts do, no instant comes twice and each is one of the schedule', () => {
  const start = Date.UTC(2026, 2, 28);
  const passes = fc.array(fc.record({ step: fc.integer({ min: -7_200, max: 90_000 }), crash: fc.nat(3) }), {
    maxLength: 40,
  });
  fc.assert(
    fc.property(fc.array(schedule, { minLength: 1, maxLength: 3 }), passes, (schedules, passes) => {
      const taken: number[] = [];
      let now = start;
      for (const { step, crash } of passes) {
        now += step * 1_000;
        const live = taken.map((at) => new Date(at));
        const watermark = watermarkOf({ since: new Date(start), live });
        const found = dueInstants({ schedules, watermark, now: new Date(now) });
        // Some passes end after a few claims.
        for (const instant of crash === 0 ? found.due.slice(0, 1) : found.due) {
          assert.ok(instant.getTime() <= now && instant > watermark);
          const own = (one: Schedule): boolean => latestInstant(one, instant)?.getTime() === instant.getTime();
          assert.ok(schedules.some(own));
          taken.push(instant.getTime());
        }
        assert.ok(found.watermark >= watermark);
      }
      assert.equal(
        taken,
        [...new Set(taken)].sort((a, b) => a - b),
      );
    }),
    { numRuns: 300 },
  );
});

due('every instant that has passed is either due or missed, when they are few', () => {
  fc.assert(
    fc.property(
      schedule,
      fc.integer({ min: 0, max: 200 * 24 }),
      fc.integer({ min: 1, max: 30 }),
      (one, from, hours) => {
        const watermark = new Date(Date.UTC(2026, 0, 1) + from * 3_600_000);
        const now = new Date(watermark.getTime() + hours * 3_600_000);
        const passed: string[] = [];
        for (let at = nextInstant(one, watermark); at && at <= now; at = nextInstant(one, at)) passed.push(short(at));
        const found = dueInstants({ schedules: [one], watermark, now });
        const [missed] = found.missed;
        assert.is(short(found.watermark), passed.at(-1) ?? short(watermark));
        if (missed?.more) assert.ok(passed.length > found.due.length + MISSED_COUNTED);
        else assert.is(passed.length, found.due.length + (missed?.count ?? 0));
        if (found.due.length > 0) assert.equal(found.due.map(short), passed.slice(-found.due.length));
        if (missed)
          assert.equal([short(missed.oldest), short(missed.newest)], [passed[0], passed.at(-1 - found.due.length)]);
      },
    ),
    { numRuns: 300 },
  );
});

due.run();

const words = suite('what comes next, in words');

words('the next instants of all schedules, each once', () => {
  const schedules: readonly Schedule[] = [{ cron: '30 2 * * 1-5', timeZone: 'Europe/Zurich' }, { cron: '30 1 * * 1' }];
  const after = moment('2026-11-20T12:00Z');
  assert.equal(describeSchedules({ schedules, after }), {
    next: ['2026-11-23T01:30:00Z', '2026-11-24T01:30:00Z', '2026-11-25T01:30:00Z'],
    phrase: 'next 2026-11-23T02:30+01:00 (Europe/Zurich)',
  });
  assert.is(short(nextOf(schedules, after)), '2026-11-23T01:30');
});

words('a job without schedules has nothing to come', () => {
  const nothing = { schedules: schedulesOf(undefined), after: moment('2026-11-20T12:00Z') };
  assert.equal(describeSchedules(nothing), { next: [], phrase: 'no further instant' });
  assert.is(nextOf([], nothing.after), undefined);
});

words('instants are shown with the offset of their day', () => {
  const summer = moment('2026-07-01T00:00Z');
  assert.is(instantInZone({ timeZone: 'America/St_Johns' }, summer), '2026-06-30T21:30-02:30 (America/St_Johns)');
  assert.is(instantInZone({ timeZone: 'Asia/Kathmandu' }, summer), '2026-07-01T05:45+05:45 (Asia/Kathmandu)');
  assert.is(instantInZone({}, summer), '2026-07-01T00:00Z (UTC)');
  assert.is(instantText(summer), '2026-07-01T00:00:00Z');
});

words.run();
