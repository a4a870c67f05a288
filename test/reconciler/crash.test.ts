// test-timeout: 300s
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type House, told, withHouse } from './house.ts';

const worker = fileURLToPath(new URL('crash-worker.ts', import.meta.url));

/** Reconciles in a process of its own until that is killed at the point. */
async function killedAt(house: House, point: string): Promise<void> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', worker, house.folder, point], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const signal = await new Promise((resolve) => child.once('exit', (_code, by) => resolve(by)));
  assert.is(signal, 'SIGKILL', point);
}

const log = (house: House): string => {
  const path = join(house.dir, 'log');
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
};

const test = suite('a process that is killed');

/** Where it is killed, what the next ones record of run 1, and how often the script has begun by then. */
const table: readonly (readonly [point: string, recorded: readonly string[], begun: number])[] = [
  ['before the claim', ['a #1 succeeded Completed'], 1],
  ['after the claim', ['a #1 succeeded Completed'], 1],
  ['before the attempt', ['a #1 succeeded Completed'], 1],
  ['after the attempt was made', ['a #1 error ControllerLost'], 0],
  ['while it runs', ['a #1 error ControllerLost'], 1],
  ['before the record', ['a #1 succeeded Completed'], 1],
  ['after the record', [], 1],
];

for (const [point, recorded, begun] of table)
  test(`${point}: its run is recorded once, and executed at most once`, () =>
    withHouse(async (house) => {
      const pause = point === 'while it runs' ? 'sleep 300' : ':';
      const retry = 'retry: { limit: 3, on: [exit, timeout], infrastructure: 3, backoff: 0s }';
      await house.commit({ a: `${retry}\nrun: |\n  echo begun >> ${house.dir}/log\n  ${pause}` });
      await killedAt(house, point);
      const [one, two] = [await house.keeper(), await house.keeper()];
      const reports = await Promise.all([one.settle(), two.settle()]);
      assert.equal(reports.flatMap(told), recorded);
      assert.equal(
        reports.flatMap(({ failures }) => failures),
        [],
      );
      assert.is(log(house), 'begun\n'.repeat(begun));
      assert.is((await house.status('a'))?.nextRun, 2);
      assert.equal(told(await house.settle()), []);
    }));

test('the tasks that had not begun are carried on, and the one that had is not', () =>
  withHouse(async (house) => {
    const script = `echo $RUNLEDGER_TASK >> ${house.dir}/log\n  test $RUNLEDGER_TASK = y || sleep 300`;
    await house.commit({ a: `tasks: [x, y]\nmaxParallel: 1\nrun: |\n  ${script}` });
    await killedAt(house, 'while it runs');
    const { outcomes } = await house.settle();
    assert.equal(
      outcomes[0]?.tasks.map(({ name, result, reason }) => [name, result, reason]),
      [
        ['x', 'error', 'ControllerLost'],
        ['y', 'succeeded', 'Completed'],
      ],
    );
    assert.is(log(house), 'x\ny\n');
  }));

test('a claim of a job that has changed since, or has gone, is recorded as what it is', () =>
  withHouse(async (house) => {
    await house.commit({ a: 'run: echo one', b: 'run: echo one' });
    await killedAt(house, 'after the claim');
    await house.commit({ a: 'run: echo two', b: null });
    const lines = [...told(await house.settle())].sort();
    // Which of the two had its claim when the process was killed is not said.
    for (const line of lines)
      assert.ok(
        [
          'a #1 cancelled Superseded',
          'a #1 succeeded Completed',
          'a #2 succeeded Completed',
          'b #1 cancelled JobRemoved',
        ].includes(line),
        line,
      );
    assert.ok(lines.some((line) => /^a #\d succeeded/.test(line)));
    assert.ok(
      lines.some((line) => line.includes('cancelled')),
      'the claim that was left is ended',
    );
    assert.equal(told(await house.settle()), []);
    const runner = (await house.keeper()).runner;
    assert.equal(await runner.list(new AbortController().signal), []);
  }));

test.run();
