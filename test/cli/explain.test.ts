// test-timeout: 300s
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { load } from 'js-yaml';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { historyText } from '../../src/cli/commands/history.ts';
import type { FieldChange, OutcomeDiff } from '../../src/cli/outcome-diff.ts';
import type { RunEntry } from '../../src/cli/run-entry.ts';
import { median, sparkline } from '../../src/cli/sparkline.ts';
import type { Why } from '../../src/cli/why.ts';
import { cliHere, type CliResult } from '../support/cli.ts';
import { ADA, appears, type AskingWorld, job, makeWorld } from './asking.ts';

const test = suite<{ world: AskingWorld }>('why, history and diff');

test.before.each(async (context) => {
  context.world = await makeWorld();
});
test.after.each(({ world }) => world.remove());

const REPORT =
  'parameters: { REGION: { default: eu } }\nenv: { REGION: "${{ params.REGION }}" }\nrun: |\n  echo "::set-outcome-var region=$REGION"\n';

const write = ({ folder }: AskingWorld, name: string, spec: string): void =>
  writeFileSync(path.join(folder, `${name}.yaml`), job(name, spec));

const read = ({ folder }: AskingWorld, ...args: string[]): Promise<CliResult> =>
  cliHere(args, { cwd: folder, env: ADA });

async function asked<T>(world: AskingWorld, ...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await read(world, ...args, '-o', 'json');
  assert.is(code, 0, stderr);
  return JSON.parse(stdout) as T;
}

test('history lists the runs with how long they took, and bars', async ({ world }) => {
  write(world, 'report', REPORT);
  await world.run('reconcile');
  await world.run('run', 'report', '--param', 'REGION=us');
  write(world, 'report', `${REPORT}  exit 3\n`);
  await world.run('reconcile');
  const { code, stdout } = await read(world, 'history', 'report');
  assert.is(code, 0);
  const lines = stdout.split('\n');
  assert.match(lines[0] ?? '', /^RUN +RESULT +WHEN +TOOK +TRIGGER +WHY$/);
  assert.match(lines[1] ?? '', /^#3 +✗ failed +just now +\S+ +commit none +ExitCode \(exit code 3\)$/);
  assert.match(lines[2] ?? '', /^#2 +✓ succeeded .* request .*Completed/);
  assert.match(lines[3] ?? '', /^#1 +✓ succeeded .* commit none/);
  assert.match(lines[5] ?? '', /^[▁-█]{3}$/u);
  assert.match(lines[6] ?? '', /^3 runs, half of them within \S+$/);
  const history = await asked<{ recorded: number; runs: RunEntry[]; medianMs: number }>(
    world,
    'history',
    'report',
    '--limit',
    '2',
  );
  assert.is(history.recorded, 3);
  assert.equal(
    history.runs.map(({ run, result }) => `${run} ${result}`),
    ['3 failed', '2 succeeded'],
  );
  const [last] = history.runs;
  const outcome = await world.outcome('report', 3);
  assert.is(
    last?.durationMs,
    Date.parse(outcome?.times.finished ?? '') - Date.parse(outcome?.times.started ?? ''),
    'the duration follows from the outcome',
  );
  const narrow = await read(world, 'history', 'nope');
  assert.is(narrow.code, 2);
  assert.match(narrow.stderr, /did you mean report\?/);
  assert.is((await read(world, 'history', 'report', '--limit', '0')).code, 2);
});

test('bars go from zero to the greatest, and say where something is missing', () => {
  assert.is(sparkline([0, 50, 100, null, 100]).join(''), '▁▅█·█');
  assert.is(sparkline([0, 0]).join(''), '▁▁');
  assert.is(sparkline([7]).join(''), '█');
  assert.equal(sparkline([]), []);
  assert.is(median([5, 1, 3]), 3);
  assert.is(median([4, 2]), 2);
  assert.is(median([]), null);
});

test('history fits the terminal', () => {
  const entry = (run: number): RunEntry => ({
    run,
    result: 'succeeded',
    reason: 'Completed',
    message: '',
    exitCode: 0,
    trigger: { kind: 'request', id: 'x' },
    requestedBy: `${'Ada '.repeat(30)}<ada@example.com>`,
    revision: 'none',
    queued: null,
    started: '2026-11-20T01:30:00Z',
    finished: '2026-11-20T01:30:01Z',
    durationMs: 1_000,
  });
  const runs = Array.from({ length: 100 }, (_, index) => entry(100 - index));
  const history = { job: 'a', manifest: 'valid' as const, recorded: 200, runs, medianMs: 1_000 };
  const lines = historyText(history, 60, (_style, text) => text, new Date('2026-11-21T00:00:00Z')).split('\n');
  assert.ok(
    lines.every((line) => line.length <= 60),
    lines.find((line) => line.length > 60),
  );
  assert.ok(lines.includes('100 of 200 runs, half of them within 1s'));
  const none = { job: 'a', recorded: 0, runs: [], medianMs: null };
  const said = (manifest: 'valid' | 'removed'): string =>
    historyText({ ...none, manifest }, 60, (_style, text) => text, new Date(0));
  assert.is(said('valid'), 'a never ran: `runledger run a` runs it now\n');
  assert.is(said('removed'), 'a never ran: no manifest holds it any more\n');
});

const fieldOf = (diff: OutcomeDiff, field: string): FieldChange | undefined =>
  diff.changes.find((change) => change.field === field);

test('diff tells how two runs ended, and what of the spec changed between them', async ({ world }) => {
  write(world, 'other', REPORT);
  await world.run('reconcile');
  write(world, 'report', `needs: [other]\n${REPORT}`);
  await world.run('reconcile');
  const none = await read(world, 'diff', 'report');
  assert.is(none.code, 2);
  assert.match(none.stderr, /^error: report never ran\nhint: +`runledger run report`/);
  write(world, 'report', REPORT);
  await world.run('reconcile');
  const one = await read(world, 'diff', 'report');
  assert.is(one.code, 2);
  assert.match(one.stderr, /no run before run 1/);
  write(world, 'report', `timeouts: { run: 5m }\n${REPORT}  exit 3\n`);
  await world.run('reconcile');
  await world.run('run', 'report', '--param', 'REGION=us');
  const changed = await asked<OutcomeDiff>(world, 'diff', 'report', '--run', '1', '--run', '2');
  assert.equal(fieldOf(changed, 'result'), { field: 'result', from: 'succeeded', to: 'failed' });
  assert.equal(fieldOf(changed, 'exitCode'), { field: 'exitCode', from: 0, to: 3 });
  assert.equal(changed.spec, { state: 'changed', fields: ['spec.run', 'spec.timeouts'], missing: [] });
  const same = await asked<OutcomeDiff>(world, 'diff', 'report');
  assert.is(`${same.from.run} ${same.to.run}`, '2 3');
  assert.is(same.spec.state, 'same');
  assert.equal(fieldOf(same, 'vars.region'), { field: 'vars.region', from: 'eu', to: 'us' });
  assert.equal(fieldOf(same, 'params.REGION'), { field: 'params.REGION', from: 'eu', to: 'us' });
  assert.is(fieldOf(same, 'result'), undefined, 'both failed');
  const text = await read(world, 'diff', 'report', '--run', '2');
  assert.match(text.stdout, /^report {2}#1 ✓ succeeded → #2 ✗ failed$/m);
  assert.match(text.stdout, /^exitCode +0 +3$/m);
  assert.match(text.stdout, /^spec: changed in 2 fields\n {2}spec.run\n {2}spec.timeouts$/m);
});

test('diff says so where a spec is nowhere to be found', async ({ world }) => {
  write(world, 'report', REPORT);
  await world.run('reconcile');
  write(world, 'report', `${REPORT}  true\n`);
  // A run by request leaves no spec behind: the ledger has that of commit runs.
  await world.run('run', 'report');
  const diff = await asked<OutcomeDiff>(world, 'diff', 'report');
  assert.equal(diff.spec, { state: 'unknown', fields: [], missing: [2] });
  const runs = await read(world, 'diff', 'report', '--run', '1', '--run', '2', '--run', '3');
  assert.match(runs.stderr, /--run is given 3 times/);
  assert.match((await read(world, 'diff', 'report', '--run', '7')).stderr, /no run 7 in the ledger/);
});

test('why tells what made the last run, and what would happen now', async ({ world }) => {
  write(world, 'report', REPORT);
  const before = await asked<Why>(world, 'why', 'report');
  assert.is(before.last, null);
  assert.is(before.now?.message, 'runs: never ran before');
  await world.run('reconcile');
  const first = await asked<Why>(world, 'why', 'report');
  assert.match(first.last?.because ?? '', /^it never ran before \(commit none\)$/);
  assert.is(first.now?.reason, 'Unchanged');
  write(world, 'report', `timeouts: { run: 5m }\n${REPORT}  exit 3\n`);
  const due = await asked<Why>(world, 'why', 'report');
  assert.is(due.now?.action, 'run');
  assert.equal(due.now?.changes, ['spec.run', 'spec.timeouts']);
  await world.run('reconcile');
  const { stdout } = await read(world, 'why', 'report');
  assert.match(stdout, /^report\nlast +#2 ✗ failed in \S+, just now: ExitCode \(exit code 3\)$/m);
  assert.match(stdout, /^because +its spec changed in spec.run, spec.timeouts \(commit none\)$/m);
  assert.match(stdout, /^now +nothing: unchanged since run 2$/m);
  assert.match(stdout, /^starts +commit$/m);
  assert.match(stdout, /^Next: runledger logs report, runledger diff report$/m);
  const yaml = load((await read(world, 'why', 'report', '-o', 'yaml')).stdout) as Why;
  assert.equal(yaml.last?.changes, ['spec.run', 'spec.timeouts']);
  const unknown = await read(world, 'why', 'reprot');
  assert.is(unknown.code, 2);
  assert.match(unknown.stderr, /did you mean report\?/);
});

test('why names what a job needs, and what is wrong with one that is invalid', async ({ world }) => {
  write(world, 'build', 'run: exit 3');
  write(world, 'deploy', 'needs: [build]\nrun: "true"');
  write(world, 'broken', 'run: x\nimagee: y');
  await world.run('reconcile');
  const deploy = await asked<Why>(world, 'why', 'deploy');
  assert.equal(deploy.needs, [
    { job: 'build', results: ['succeeded', 'warning'], last: { run: 1, result: 'failed' }, met: false },
  ]);
  assert.is(deploy.last?.reason, 'UpstreamFailed');
  assert.match(
    (await read(world, 'why', 'deploy')).stdout,
    /^needs +build: run 1 failed; it has to end with succeeded or warning$/m,
  );
  const broken = await asked<Why>(world, 'why', 'broken');
  assert.is(broken.now?.action, 'invalid');
  assert.match(broken.now?.message ?? '', /unknown field; did you mean "image"/);
  const text = (await read(world, 'why', 'broken')).stdout;
  assert.match(text, /^starts +not while it is invalid$/m);
  assert.match(text, /^Next: runledger validate$/m);
  assert.match((await read(world, 'history', 'broken')).stdout, /^broken never ran: .*`runledger validate`/);
});

test('why tells of a run that is going on, and of what a queued one waits for', async ({ world }) => {
  const file = path.join(world.root, 'go-on');
  const started = path.join(world.root, 'started');
  const wait = `touch ${started}; until [ -e ${file} ]; do sleep 0.1; done`;
  write(world, 'slow', `concurrency: { group: g }\nrun: "${wait}"`);
  write(world, 'behind', 'concurrency: { group: g }\nneeds: [slow]\nrun: "true"');
  const watch = world.watch();
  try {
    await appears(started);
    const slow = await asked<Why>(world, 'why', 'slow');
    assert.equal(
      slow.going.map(({ run, state }) => `${run} ${state}`),
      ['1 running'],
    );
    assert.is(slow.now?.reason, 'AlreadyRunning');
    const behind = await asked<Why>(world, 'why', 'behind');
    assert.is(behind.last, null);
    assert.is(behind.needs[0]?.met, false);
    assert.not(existsSync(file));
    writeFileSync(file, '');
  } finally {
    await watch.end();
  }
});

test.run();
