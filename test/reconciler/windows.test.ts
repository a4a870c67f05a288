import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readWindows, type Windows } from '../../src/reconciler/schedule/windows.ts';

const windows = suite('windows of a runner set');
const office: Windows = [{ cron: '0 7 * * 1-5', timeZone: 'Europe/Zurich', for: '11h', minRunners: 10 }];
const at = (schedule: Windows, now: string): string => {
  const { minRunners, until } = readWindows(schedule, new Date(now));
  return `${minRunners} until ${until === null ? 'ever' : new Date(until).toISOString()}`;
};

windows('are open from an instant on for their length', () => {
  const table: readonly [now: string, expected: string][] = [
    ['2026-11-20T05:59:59Z', '0 until 2026-11-20T06:00:00.000Z'],
    ['2026-11-20T06:00:00Z', '10 until 2026-11-20T17:00:00.000Z'],
    ['2026-11-20T16:59:59Z', '10 until 2026-11-20T17:00:00.000Z'],
    ['2026-11-20T17:00:00Z', '0 until 2026-11-23T06:00:00.000Z'], // a Friday
    ['2026-07-20T05:00:00Z', '10 until 2026-07-20T16:00:00.000Z'], // summer time
  ];
  for (const [now, expected] of table) assert.is(at(office, now), expected);
});

windows('that overlap ask for the highest number', () => {
  const both: Windows = [...office, { cron: '0 8 * * *', for: '1h', minRunners: 4 }];
  assert.is(at(both, '2026-11-20T08:30:00Z'), '10 until 2026-11-20T09:00:00.000Z');
  assert.is(at(both, '2026-11-21T08:30:00Z'), '4 until 2026-11-21T09:00:00.000Z');
});

windows('that open again before they close stay open', () => {
  const often: Windows = [{ cron: '*/10 * * * *', for: '15m', minRunners: 3 }];
  assert.is(at(often, '2026-11-20T08:09:59Z'), '3 until 2026-11-20T08:10:00.000Z');
  assert.is(at(often, '2026-11-20T08:12:00Z'), '3 until 2026-11-20T08:20:00.000Z');
});

windows('without any, nothing is asked for', () => assert.is(at([], '2026-11-20T08:00:00Z'), '0 until ever'));

windows.run();
