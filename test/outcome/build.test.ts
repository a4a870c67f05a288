import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { buildOutcome, logsOf, type OutcomeParts } from '../../src/outcome/build.ts';
import type { Judgement } from '../../src/outcome/judge.ts';
import type { AttemptEnding, AttemptOutput, AttemptState, RunRecord } from '../../src/runner/port.ts';
import { validators } from '../../src/schemas/index.ts';

const QUEUED = '2026-11-20T01:30:00.000Z';
const STARTED = '2026-11-20T01:30:01.000Z';
const FINISHED = '2026-11-20T01:33:00.000Z';

const record: RunRecord = {
  job: 'nightly-report',
  run: 12,
  trigger: { kind: 'commit', revision: '4f0c'.repeat(10) },
  revision: '4f0c'.repeat(10),
  path: 'jobs/nightly.yaml',
  digest: `v1:${'ab'.repeat(32)}`,
  covered: {},
  spec: { image: 'alpine', run: 'true' },
  labels: {},
  params: { REGION: 'eu' },
  args: [],
  requestedBy: 'ana',
  chain: '4f0c'.repeat(10),
  queued: QUEUED,
};
const output: AttemptOutput = {
  log: Buffer.from('a log\n'),
  complete: true,
  vars: { rows: '12' },
  annotations: [{ level: 'error', file: 'report.py', line: 12, message: 'no such table' }],
  warnings: ['a warning'],
};
const attempt = (ending: AttemptEnding | null, more: Partial<AttemptState> = {}): AttemptState => ({
  task: 'default',
  number: 1,
  started: STARTED,
  finished: FINISHED,
  ending,
  output,
  ...more,
});
const by = { runner: 'process', version: '0.1.0' } as const;
const logPath = (job: string, run: number, number: number, task?: string): string =>
  `jobs/a3/${job}/${run}${task === undefined ? '' : `.${task}`}.${number}.log`;
const built = (parts: Partial<OutcomeParts>) =>
  buildOutcome({
    record,
    attempts: [],
    unstarted: new Map(),
    by,
    finished: '2026-11-20T02:00:00.000Z',
    logPath,
    ...parts,
  });
const build = (...attempts: AttemptState[]) => built({ attempts });
const ofTasks = (...tasks: string[]): RunRecord => ({ ...record, spec: { ...record.spec, tasks } });
const buildTasks = (tasks: readonly string[], ...attempts: AttemptState[]) =>
  built({ record: ofTasks(...tasks), attempts });

const valid = (outcome: unknown): void => {
  const validate = validators.outcome;
  assert.ok(validate(JSON.parse(JSON.stringify(outcome))), JSON.stringify(validate.errors));
};

const outcomes = suite('buildOutcome');

outcomes('says everything about a run of one attempt', () => {
  const outcome = build(attempt({ kind: 'exited', step: 'run', exitCode: 3 }));
  const log = {
    path: 'jobs/a3/nightly-report/12.1.log',
    bytes: 6,
    sha256: createHash('sha256').update('a log\n').digest('hex'),
    complete: true,
  };
  const decided = {
    result: 'failed',
    reason: 'ExitCode',
    message: 'step "run" ended with exit code 3',
    exitCode: 3,
    step: 'run',
  };
  const times = { queued: QUEUED, started: STARTED, finished: FINISHED };
  assert.equal(outcome, {
    apiVersion: 'runledger.dev/v1',
    kind: 'Outcome',
    job: 'nightly-report',
    run: 12,
    ...decided,
    trigger: record.trigger,
    source: { revision: record.revision, path: record.path, digest: record.digest },
    times,
    vars: { rows: '12' },
    annotations: output.annotations,
    warnings: ['a warning'],
    log,
    tasks: [
      { name: 'default', ...decided, vars: { rows: '12' }, times, attempts: [{ number: 1, ...decided, log, times }] },
    ],
    params: { REGION: 'eu' },
    chain: record.chain,
    requestedBy: 'ana',
    by,
  });
  valid(outcome);
});

outcomes('refers to no log, and gives no start, where nothing had started', () => {
  const unstarted = attempt({ kind: 'secretMissing', message: 'no' }, { started: null });
  const outcome = build(unstarted);
  assert.is(outcome.log, undefined);
  assert.is(outcome.times.started, undefined);
  assert.is(logsOf(record, [unstarted], logPath).size, 0);
  valid(outcome);
});

outcomes('says why a log is not whole', () => {
  const short = { ...output, complete: false };
  const trimmed = build(attempt({ kind: 'exited', step: 'run', exitCode: 0 }, { output: short }));
  const lost = build(attempt({ kind: 'lost', message: 'gone' }, { output: short }));
  assert.match(trimmed.log?.reason ?? '', 'the middle was left out');
  assert.match(lost.log?.reason ?? '', 'not seen');
  valid(lost);
});

outcomes('goes by the last attempt of a task, and by the worst task', () => {
  const outcome = buildTasks(
    ['unit', 'browser'],
    attempt({ kind: 'exited', step: 'run', exitCode: 1 }, { task: 'unit' }),
    attempt({ kind: 'exited', step: 'run', exitCode: 0 }, { task: 'unit', number: 2 }),
    attempt(
      { kind: 'exited', step: 'run', exitCode: 42 },
      { task: 'browser', output: { ...output, vars: { b: '1' } } },
    ),
  );
  assert.is(outcome.result, 'warning');
  assert.equal(
    outcome.tasks.map(({ name, result, attempts }) => [name, result, attempts.map(({ log }) => log?.path)]),
    [
      ['unit', 'succeeded', ['jobs/a3/nightly-report/12.unit.1.log', 'jobs/a3/nightly-report/12.unit.2.log']],
      ['browser', 'warning', ['jobs/a3/nightly-report/12.browser.1.log']],
    ],
  );
  assert.is(outcome.log?.path, 'jobs/a3/nightly-report/12.browser.1.log');
  assert.equal(outcome.vars, { rows: '12', b: '1' });
  assert.equal(
    outcome.annotations?.map(({ task }) => task),
    ['unit', 'browser'],
  );
  valid(outcome);
});

outcomes('calls what nobody saw the end of an error', () => {
  for (const outcome of [build(), build(attempt(null, { output: null, finished: null }))]) {
    assert.is(outcome.result, 'error');
    assert.is(outcome.exitCode, null);
    assert.is(outcome.times.finished, '2026-11-20T02:00:00.000Z');
    assert.is(outcome.tasks.length, 1);
    valid(outcome);
  }
});

outcomes('has every task of the manifest in its order, those without an attempt as somebody else judged them', () => {
  const judgement = {
    result: 'cancelled',
    reason: 'Aborted',
    message: 'ended before it started',
    exitCode: null,
    step: null,
  } as const;
  const outcome = built({
    record: ofTasks('a', 'b', 'c'),
    attempts: [attempt({ kind: 'exited', step: 'run', exitCode: 3 }, { task: 'b' })],
    unstarted: new Map<string, Judgement>([
      ['a', judgement],
      ['c', { ...judgement, reason: 'CancelRequested' }],
    ]),
  });
  assert.equal(
    outcome.tasks.map(({ name, result, reason, attempts }) => [name, result, reason, attempts.length]),
    [
      ['a', 'cancelled', 'Aborted', 0],
      ['b', 'failed', 'ExitCode', 1],
      ['c', 'cancelled', 'CancelRequested', 0],
    ],
  );
  assert.equal([outcome.result, outcome.exitCode, outcome.step], ['failed', 3, 'run']);
  assert.equal(outcome.tasks[0]?.times, { queued: QUEUED, finished: '2026-11-20T02:00:00.000Z' });
  valid(outcome);
});

outcomes('ends a run without any attempt as it was ended, with no log', () => {
  const judgement = { result: 'skipped', reason: 'UpstreamFailed', message: 'no', exitCode: null, step: null } as const;
  const outcome = built({ unstarted: new Map([['default', judgement]]) });
  assert.equal([outcome.result, outcome.reason, outcome.message], ['skipped', 'UpstreamFailed', 'no']);
  assert.equal([outcome.log, outcome.times.started, outcome.tasks[0]?.attempts], [undefined, undefined, []]);
  valid(outcome);
});

outcomes('a further attempt is queued from the end of the one before', () => {
  const outcome = build(
    attempt({ kind: 'exited', step: 'run', exitCode: 1 }),
    attempt({ kind: 'exited', step: 'run', exitCode: 0 }, { number: 2, started: '2026-11-20T01:34:00.000Z' }),
  );
  assert.equal(
    outcome.tasks[0]?.attempts.map(({ times }) => times.queued),
    [QUEUED, FINISHED],
  );
  assert.is(outcome.times.started, STARTED);
});

outcomes('has the values of the matrix with each of its tasks', () => {
  const matrixed: RunRecord = { ...record, spec: { image: 'alpine', run: 'true', matrix: { node: [22, 24] } } };
  const outcome = built({
    record: matrixed,
    attempts: [attempt({ kind: 'exited', step: 'run', exitCode: 0 }, { task: '24' })],
    unstarted: new Map(),
  });
  assert.equal(
    outcome.tasks.map(({ name, matrix }) => [name, matrix]),
    [
      ['22', { node: 22 }],
      ['24', { node: 24 }],
    ],
  );
  assert.is(outcome.tasks[1]?.attempts[0]?.log?.path, 'jobs/a3/nightly-report/12.24.1.log');
  valid(outcome);
});

const endings = fc.constantFrom<AttemptEnding | null>(
  null,
  { kind: 'exited', step: 'run', exitCode: 0 },
  { kind: 'exited', step: 'run', exitCode: 9 },
  { kind: 'exited', step: 'run', exitCode: 43 },
  { kind: 'signalled', step: 'run', signal: 'SIGKILL' },
  { kind: 'timeout', timeout: 'run', step: 'run', exitCode: null, limit: '1h' },
  { kind: 'cancelled', reason: 'Aborted', step: null },
  { kind: 'lost', message: 'lost' },
  { kind: 'startError', step: 'run', message: 'x' },
);

outcomes('is valid, and no success without an exit code that was seen, whatever the attempts', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), endings), { maxLength: 6 }), (list) => {
      const attempts = list.map(([task, ending], index) => attempt(ending, { task, number: index + 1 }));
      const outcome = buildTasks(['a', 'b', 'c'], ...attempts);
      valid(outcome);
      if (outcome.result === 'succeeded')
        assert.ok(list.some(([, ending]) => ending?.kind === 'exited' && ending.exitCode === 0));
      for (const task of outcome.tasks)
        assert.is(task.result === 'succeeded', task.exitCode === 0, JSON.stringify(task));
    }),
    { numRuns: 300 },
  );
});

outcomes('lists what was kept, and says what is missing where nobody could see to it', () => {
  const sha256 = 'ab'.repeat(32);
  const keeps: RunRecord = { ...record, spec: { ...record.spec, artifacts: { paths: ['out'] } } };
  const archive = { key: 'acme/a/1/default/1.tar.zst', bytes: 9, sha256, complete: true };
  const files = [{ path: 'out/a', bytes: 1, sha256 }];
  const artifacts = { archive, files, warnings: ['artifacts: "none" matches no file'] };
  const ended = { kind: 'exited', step: 'run', exitCode: 3 } as const;
  const kept = built({ record: keeps, attempts: [attempt(ended, { artifacts })] });
  valid(kept);
  assert.equal(kept.artifacts, files);
  assert.equal(kept.tasks[0]?.attempts[0]?.archive, archive);
  assert.equal(kept.warnings, ['a warning', 'artifacts: "none" matches no file']);
  const lost = built({ record: keeps, attempts: [attempt({ kind: 'lost', message: 'gone' })] });
  valid(lost);
  assert.is(lost.artifacts, undefined);
  assert.is(lost.tasks[0]?.attempts[0]?.archive?.complete, false);
  const unstarted = built({ record: keeps, attempts: [attempt({ kind: 'lost', message: 'x' }, { started: null })] });
  assert.is(unstarted.tasks[0]?.attempts[0]?.archive, undefined);
  assert.is(build(attempt(ended)).tasks[0]?.attempts[0]?.archive, undefined);
});

outcomes('names the task of each file of a fan-out', () => {
  const sha256 = 'ab'.repeat(32);
  const ended = { kind: 'exited', step: 'run', exitCode: 0 } as const;
  const of = (task: string): AttemptState =>
    attempt(ended, { task, artifacts: { files: [{ path: task, bytes: 1, sha256 }], warnings: [] } });
  const { artifacts } = buildTasks(['a', 'b'], of('a'), of('b'));
  assert.equal(artifacts, [
    { path: 'a', bytes: 1, sha256, task: 'a' },
    { path: 'b', bytes: 1, sha256, task: 'b' },
  ]);
});

outcomes.run();
