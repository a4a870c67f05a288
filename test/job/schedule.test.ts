import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { saidOfSpec } from './world.ts';

/** What is said about a list of schedules; the first one stands on line 9, its text from column 9 on. */
const saidOfSchedules = (...schedules: readonly string[]): readonly string[] =>
  saidOfSpec('run: x', 'on:', '  schedule:', ...schedules.map((schedule) => `    - ${schedule}`));

const it = suite('schedules that are refused');

const FIVE = 'write five fields (none for seconds) such as "30 2 * * 1-5", or @daily';

const CRONS: readonly (readonly [string, string])[] = [
  ['0 30 2 * * *', `"0 30 2 * * *" is not a cron expression; ${FIVE}`],
  ['30 2 * *', `"30 2 * *" is not a cron expression; ${FIVE}`],
  ['@reboot', `"@reboot" is not a cron expression; ${FIVE}`],
  ['60 * * * *', '"60 * * * *": "60" is no minute, 0 to 59'],
  ['0 24 * * *', '"0 24 * * *": "24" is no hour, 0 to 23'],
  ['0 0 0 * *', '"0 0 0 * *": "0" is no day of the month, 1 to 31'],
  ['0 0 * 13 *', '"0 0 * 13 *": "13" is no month, 1 to 12 or JAN to DEC'],
  ['0 0 * * 8', '"0 0 * * 8": "8" is no day of the week, 0 to 7 or SUN to SAT'],
  ['0 0 * * monday', '"0 0 * * monday": "monday" is no day of the week, 0 to 7 or SUN to SAT'],
  ['*/90 * * * *', '"*/90 * * * *": "*/90" is no minute, 0 to 59'],
  ['*/0 * * * *', '"*/0 * * * *": "*/0" is no minute, 0 to 59'],
  ['5/10 * * * *', '"5/10 * * * *": "5/10" is no minute, 0 to 59'],
  ['1.5 * * * *', '"1.5 * * * *": "1.5" is no minute, 0 to 59'],
  ['0 22-2 * * *', '"0 22-2 * * *": "22-2" is no hour, 0 to 23; a range goes upwards'],
  ['0 0 * * FRI-MON', '"0 0 * * FRI-MON": "FRI-MON" is no day of the week, 0 to 7 or SUN to SAT; a range goes upwards'],
  ['0 0 30 2 *', '"0 0 30 2 *" never comes: no such month has a day 30'],
  ['0 0 31 4,6 *', '"0 0 31 4,6 *" never comes: no such month has a day 31'],
  ['0 0 30 2 1', '"0 0 30 2 1": no such month has a day 30'],
];

for (const [cron, message] of CRONS)
  it(`cron ${cron}`, () =>
    assert.equal(saidOfSchedules(`{ cron: "${cron}" }`), [`9:17: spec.on.schedule[0].cron: ${message}`]));

it('a very long cron expression', () => {
  const said = saidOfSchedules(`{ cron: "${Array.from({ length: 100 }, () => '30').join(',')} * * * *" }`);
  assert.is(said.length, 1);
  assert.match(said[0] ?? '', /^9:17: spec\.on\.schedule\[0\]\.cron: ".*…" is too long for a cron expression$/);
});

const ZONES: readonly (readonly [string, string])[] = [
  ['Europe/Zurch', '"Europe/Zurch" is not a time zone; did you mean "Europe/Zurich"?'],
  ['zurich', '"zurich" is not a time zone; did you mean "Europe/Zurich"?'],
  ['GMT+1', '"GMT+1" is not a time zone'],
  ['"+01:00"', '"+01:00" is not a time zone; write UTC or a name such as Europe/Zurich'],
];

for (const [timeZone, message] of ZONES)
  it(`time zone ${timeZone}`, () =>
    assert.equal(saidOfSchedules(`{ cron: "@daily", timeZone: ${timeZone} }`), [
      `9:37: spec.on.schedule[0].timeZone: ${message}`,
    ]));

it('each schedule of a list, at its own place', () => {
  assert.equal(
    saidOfSchedules(
      '{ cron: "@daily", catchUp: newest }',
      '{ cron: "@daily", catchUp: all, maxCatchUp: 0 }',
      '{ cron: "@daily", catchUp: all, maxCatchUp: 1001 }',
      '{ cron: "@daily", deadline: 5 minutes }',
      '{ timeZone: UTC }',
    ),
    [
      '9:36: spec.on.schedule[0].catchUp: "newest" is not one of none, latest and all',
      '10:53: spec.on.schedule[1].maxCatchUp: 0 is too small; the least is 1',
      '11:53: spec.on.schedule[2].maxCatchUp: 1001 is too large; the most is 1000',
      '12:37: spec.on.schedule[3].deadline: "5 minutes" is not a duration; write 5m',
      '13:9: spec.on.schedule[4].cron: is missing',
    ],
  );
});

it('more schedules than a job needs', () => {
  const many = Array.from({ length: 101 }, (_, index) => `{ cron: "${index % 60} * * * *" }`);
  assert.equal(saidOfSchedules(...many), ['9:7: spec.on.schedule: has 101 schedules; the most is 100']);
  assert.equal(saidOfSchedules(...many.slice(1)), []);
});

it('what is right says nothing', () => {
  const right = ['30 2 * * 1-5', '@hourly', '0 0 29 2 *', '0 0 31 2,3 *', '0 0 * * 7', '*/7 9-17 1,15 JAN-JUN MON-FRI'];
  assert.equal(saidOfSchedules(...right.map((cron) => `{ cron: "${cron}" }`), '{ cron: "0\\t2 *  * *" }'), []);
  for (const timeZone of ['UTC', 'Etc/UTC', 'Asia/Calcutta', 'US/Pacific', 'Australia/Lord_Howe'])
    assert.equal(saidOfSchedules(`{ cron: "@daily", timeZone: ${timeZone} }`), []);
});

it.run();
