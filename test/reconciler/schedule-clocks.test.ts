// test-timeout: 300s
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { latestInstant, nextInstant } from '../../src/reconciler/schedule/instants.ts';
import { cronOf, fieldsOf, HOUR, instantsAmong, MINUTE, settings, watch, type Fields } from './schedule-clock.ts';

const FROM = Date.UTC(2010, 0, 1);
const TO = Date.UTC(2030, 0, 1);

const ZONES = [
  'UTC',
  'Europe/Zurich',
  'America/New_York',
  'America/St_Johns', // 00:01 until 2011
  'America/Sao_Paulo', // midnight is left out
  'Africa/Casablanca', // twice a year more in Ramadan
  'Africa/Cairo',
  'Asia/Tehran', // half an hour off, and no more summer time
  'Asia/Gaza',
  'Asia/Pyongyang', // half an hour, there and back
  'Australia/Lord_Howe', // by half an hour
  'Pacific/Chatham',
  'Pacific/Apia', // without 30 December 2011
  'Antarctica/Troll', // by two hours
  'Europe/Istanbul',
  'America/Caracas',
];

/** All instants of a schedule after a moment and up to another, asked for one by one. */
function forwards(cron: string, timeZone: string, from: number, to: number): readonly number[] {
  const found: number[] = [];
  for (let at = nextInstant({ cron, timeZone }, new Date(from)); at && at.getTime() <= to;) {
    found.push(at.getTime());
    at = nextInstant({ cron, timeZone }, at);
  }
  return found;
}

function backwards(cron: string, timeZone: string, from: number, to: number): readonly number[] {
  const found: number[] = [];
  for (let at = latestInstant({ cron, timeZone }, new Date(to)); at && at.getTime() > from;) {
    found.unshift(at.getTime());
    at = latestInstant({ cron, timeZone }, new Date(at.getTime() - 1));
  }
  return found;
}

const texts = (instants: readonly number[]): readonly string[] => instants.map((at) => new Date(at).toISOString());

function sameAsWatched(fields: Fields, timeZone: string, minutes: ReturnType<typeof watch>): void {
  const [from, to] = [minutes[0]?.at ?? 0, minutes.at(-1)?.at ?? 0];
  const cron = cronOf(fields);
  const watched = texts(instantsAmong(minutes, fields));
  const label = `${cron} in ${timeZone} from ${new Date(from).toISOString()}`;
  assert.equal(texts(forwards(cron, timeZone, from, to)), watched, label);
  assert.equal(texts(backwards(cron, timeZone, from, to)), watched, `${label}, backwards`);
}

const someOf = (least: number, most: number, size = 3) =>
  fc.uniqueArray(fc.integer({ min: least, max: most }), { minLength: 1, maxLength: size });
const star = fc.constant('*' as const);
const anyFields: fc.Arbitrary<Fields> = fc.record({
  minute: fc.oneof(someOf(0, 59, 4), fc.constantFrom([0], [30], [59], [1])),
  hour: fc.oneof(star, someOf(0, 4), someOf(0, 23, 6), someOf(22, 23)),
  day: fc.oneof({ weight: 4, arbitrary: star }, { weight: 1, arbitrary: someOf(1, 31, 20) }),
  month: fc.oneof({ weight: 4, arbitrary: star }, { weight: 1, arbitrary: someOf(1, 12, 8) }),
  weekday: fc.oneof({ weight: 4, arbitrary: star }, { weight: 1, arbitrary: someOf(0, 6, 5) }),
});

const it = suite('schedules against a clock by brute force');

const EVERYWHERE = ['0,20,40 * * * *', '0,15,30,45 0,1,2,3,4,22,23 * * *', '30 2 * * *', '1 0 * * *'];

it('has the same instants, minute by minute, wherever the clocks of a zone are set in twenty years', () => {
  let clocksSet = 0;
  for (const timeZone of ZONES) {
    for (const at of settings(timeZone, FROM, TO)) {
      const minutes = watch(timeZone, at - 5 * HOUR, at + 10 * HOUR);
      for (const cron of EVERYWHERE) sameAsWatched(fieldsOf(cron), timeZone, minutes);
      fc.assert(
        fc.property(anyFields, (fields) => sameAsWatched(fields, timeZone, minutes)),
        { numRuns: 6 },
      );
      clocksSet += 1;
    }
  }
  assert.ok(clocksSet > 300, `clocks were set ${clocksSet} times`);
});

it('has the same instants on any day of any zone', () => {
  const day = fc.integer({ min: FROM / MINUTE, max: TO / MINUTE - 2 * 24 * 60 });
  fc.assert(
    fc.property(
      fc.constantFrom(...ZONES),
      day,
      fc.array(anyFields, { minLength: 4, maxLength: 4 }),
      (zone, from, all) => {
        const minutes = watch(zone, from * MINUTE, from * MINUTE + 30 * HOUR);
        // The clock must not start in an hour that comes twice: nobody would know what it has shown.
        if (settings(zone, (from - 25 * 60) * MINUTE, from * MINUTE).length > 0) return;
        for (const fields of all) sameAsWatched(fields, zone, minutes);
      },
    ),
    { numRuns: 200 },
  );
});

it('has the same instants over twenty years without a break', () => {
  const zones = [
    'Europe/Zurich',
    'America/Sao_Paulo',
    'Africa/Casablanca',
    'Asia/Tehran',
    'Australia/Lord_Howe',
    'Pacific/Apia',
  ];
  for (const timeZone of zones) {
    const halfHours = watch(timeZone, FROM, TO, 30 * MINUTE);
    for (const cron of ['30 2 * * *', '0 0 29 2 *', '0,30 0,1,2,3 1 * 0', '30 * 30,31 3,10,12 *'])
      sameAsWatched(fieldsOf(cron), timeZone, halfHours);
  }
});

it('finds the same instant whatever it was asked before', () => {
  const moment = fc.integer({ min: FROM, max: TO });
  fc.assert(
    fc.property(
      fc.constantFrom(...ZONES),
      anyFields,
      fc.array(moment, { minLength: 2, maxLength: 6 }),
      (zone, fields, moments) => {
        const schedule = { cron: cronOf(fields), timeZone: zone };
        for (const at of moments) {
          const next = nextInstant(schedule, new Date(at));
          const latest = latestInstant(schedule, new Date(at));
          if (next) {
            assert.ok(next.getTime() > at);
            assert.equal(latestInstant(schedule, next), next);
            assert.equal(latestInstant(schedule, new Date(next.getTime() - 1)), latest);
          }
          if (latest) {
            assert.ok(latest.getTime() <= at);
            assert.equal(nextInstant(schedule, new Date(latest.getTime() - 1)), latest);
            assert.equal(nextInstant(schedule, latest), next);
          }
        }
      },
    ),
    { numRuns: 500 },
  );
});

it.run();
