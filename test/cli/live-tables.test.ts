/** What `watch` and `top` show: pictures in, text and events out. */
import stringWidth from 'string-width';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { changesBetween } from '../../src/cli/live/changes.ts';
import { type GoingRun, type GoingTask, type Picture, pictureOf, type SetCount } from '../../src/cli/live/picture.ts';
import { eventLine, topText, watchText } from '../../src/cli/live/tables.ts';
import type { JobStatus, RunnerSetStatus, RunSummary } from '../../src/schemas/index.ts';

const test = suite('watch and top');
const revision = '4f0c2d9be1a7365c8d04f2b1907ae6538cd41f2a';
const at = (second: number): string => new Date(Date.UTC(2026, 10, 20, 1, 0, second)).toISOString();
const plain = (_: unknown, text: string): string => text;

const task = (name: string, phase: GoingTask['phase'], from = 10, attempt = 1): GoingTask => ({
  task: name,
  attempt,
  phase,
  started: phase === 'starting' ? null : at(from),
  finished: phase === 'ended' ? at(from + 5) : null,
  pod: `pod-${name}`,
  node: 'worker-1',
});
const going = (job: string, run: number, tasks: readonly GoingTask[] = [], isCancelled = false): GoingRun => ({
  job,
  run,
  trigger: { kind: 'commit', revision },
  revision,
  queued: at(run),
  isCancelled,
  tasks,
});
const ended = (run: number, result: RunSummary['result'] = 'succeeded'): RunSummary => ({
  run,
  result,
  reason: result === 'succeeded' ? 'Completed' : 'ExitCode',
  exitCode: result === 'succeeded' ? 0 : 3,
  trigger: { kind: 'commit', revision },
  revision,
  started: at(0),
  finished: at(run),
});
const picture = (
  live: readonly GoingRun[],
  recorded: Readonly<Record<string, readonly RunSummary[]>> = {},
  waiting?: string,
  sets: readonly RunnerSetStatus[] = [],
  counts?: ReadonlyMap<string, SetCount>,
): Picture =>
  pictureOf(
    live,
    {
      statuses: new Map(
        Object.entries(recorded).map(([job, lastRuns]) => [
          job,
          { job, lastRuns, ...(waiting === undefined ? {} : { waiting }) } as unknown as JobStatus,
        ]),
      ),
      runnerSets: new Map(sets.map((status) => [status.set, status])),
    },
    at(40),
    undefined,
    counts,
  );
const told = (before: Picture | null, now: Picture): readonly string[] =>
  changesBetween(before, now).map(({ type, job, run, task: of, attempt }) =>
    [type, `${job}/${run}`, ...(of === undefined ? [] : [`${of}.${attempt}`])].join(' '),
  );

test('a run from queue to ledger is told once each step', () => {
  const steps = [
    picture([going('a', 1)]),
    picture([going('a', 1, [task('one', 'starting'), task('two', 'running')])]),
    picture([going('a', 1, [task('one', 'running', 20), task('two', 'ended')])]),
    picture([], { a: [ended(1)] }),
    picture([], { a: [ended(1)] }),
  ];
  const events = steps.map((now, index) => told(steps[index - 1] ?? null, now));
  assert.equal(events, [
    ['queued a/1'],
    ['started a/1 two.1'],
    ['ended a/1 two.1', 'started a/1 one.1'],
    ['finished a/1'],
    [],
  ]);
});

test('what has ended before the first look is no news; what comes and goes between two looks has its end', () => {
  const first = picture([], { a: [ended(3)] });
  assert.equal(told(null, first), []);
  assert.equal(told(first, picture([], { a: [ended(5, 'failed'), ended(4), ended(3)] })), [
    'finished a/4',
    'finished a/5',
  ]);
});

test('a claim that outlives its run is no run that goes on, nor one that has left the status', () => {
  const now = picture([going('a', 2), going('a', 12), going('a', 14)], { a: [ended(13), ended(12), ended(11)] });
  assert.equal([...now.going.keys()], ['a/14']);
});

test('lines for where there is no terminal', () => {
  const before = picture([]);
  const now = picture([going('b', 2, [task('default', 'running', 10, 2)])], { a: [ended(1, 'failed')] });
  assert.equal(changesBetween(before, now).map(eventLine), [
    '2026-11-20T01:00:01.000Z a #1 failed: ExitCode (exit code 3)',
    '2026-11-20T01:00:02.000Z b #2 queued (commit)',
    '2026-11-20T01:00:10.000Z b #2 started attempt 2 as pod-default',
  ]);
});

test('watch: what runs, what waits and for what, what has ended', () => {
  const now = picture(
    [
      going('b', 2, [task('one', 'running'), task('two', 'ended')]),
      going('a', 3),
      going('c', 1, [task('x', 'running')], true),
    ],
    { a: [ended(2, 'failed')] },
    'for a free slot',
  );
  assert.equal(watchText(now, { width: 80, paint: plain }).split('\n'), [
    'JOB  RUN  STATE       TIME  TRIGGER  MORE',
    'c    #1   cancelling  30s   commit   worker-1',
    'b    #2   running     30s   commit   1 of 2 tasks ended',
    'a    #3   queued      37s   commit   for a free slot',
    'a    #2   ✗ failed    2s    commit   38s ago, ExitCode (exit code 3)',
    '',
  ]);
});

test('top: tasks and the queue', () => {
  const now = picture(
    [going('b', 2, [task('one', 'running'), task('two', 'ended'), task('three', 'starting')]), going('a', 3)],
    { a: [ended(2)] },
  );
  assert.equal(topText(now, { width: 80, paint: plain }).split('\n'), [
    '1 run active, 2 tasks, 1 queued, 1 ended within an hour',
    '',
    'JOB  RUN  TASK   TRY  STATE     TIME  NODE',
    'b    #2   one    1    running   30s   worker-1',
    'b    #2   three  1    starting  38s   worker-1',
    '',
    'QUEUED  RUN  FOR  TRIGGER  WAITS',
    'a       #3   37s  commit',
    '',
  ]);
});

test('a hundred runs fit every terminal, and say how many are left out', () => {
  const many = Array.from({ length: 100 }, (_, run) =>
    going(`a-job-with-a-long-name-${run}`, run + 1, run % 2 === 0 ? [task('integration-tests', 'running')] : []),
  );
  const now = picture(many, { z: [ended(1)] }, 'for run 12 of a-job-with-a-long-name-as-well, and for its group');
  for (const text of [watchText, topText])
    for (const [width, height] of [
      [40, 12],
      [80, 24],
      [200, 50],
    ] as const) {
      const lines = text(now, { width, height, paint: plain }).replace(/\n$/, '').split('\n');
      assert.ok(lines.length <= height, `${lines.length} lines of ${height}`);
      for (const line of lines) assert.ok(stringWidth(line) <= width, `${width}: ${line}`);
      assert.ok(lines.some((line) => /^and \d+ more lines$/.test(line)));
    }
});

const setStatus = (set: string, ready: 'True' | 'False'): RunnerSetStatus => ({
  apiVersion: 'runledger.dev/v1',
  kind: 'RunnerSetStatus',
  set,
  revision,
  at: at(10),
  minRunners: 2,
  maxRunners: 20,
  scheduledMin: 5,
  slots: 20,
  desired: 5,
  idle: 1,
  busy: 0,
  starting: 4,
  failing: 0,
  conditions: [
    {
      type: 'Ready',
      status: ready,
      reason: ready === 'True' ? 'RunnersStart' : 'ImagePullFailed',
      message: ready === 'True' ? 'runners start as they should' : 'a:1: not found',
      lastTransitionTime: at(10),
    },
  ],
});

test('top: the runner sets, with the runners that are there now', () => {
  const now = new Map([
    ['new', { idle: 0, busy: 0, starting: 1 }],
    ['small', { idle: 3, busy: 2, starting: 0 }],
  ]);
  const sets = [setStatus('small', 'True'), setStatus('wrong', 'False')];
  const live = picture([], {}, undefined, sets, now);
  assert.equal(topText(live, { width: 80, paint: plain }).split('\n').slice(2), [
    'SET    IDLE  BUSY  STARTING  MIN  MAX  READY',
    'new    0     0     1',
    'small  3     2     0         5    20   ✓ yes',
    'wrong  0     0     0         5    20   ✗ ImagePullFailed: a:1: not found',
    '',
  ]);
  // Where nobody can look, those of the ledger.
  const told = picture([], {}, undefined, sets);
  assert.match(topText(told, { width: 80, paint: plain }), /^small +1 +0 +4 +5 +20 +✓ yes \(30s ago\)$/m);
  const many = picture(
    [],
    {},
    undefined,
    Array.from({ length: 50 }, (_, index) => setStatus(`set-${index}`, 'False')),
  );
  for (const [width, height] of [
    [40, 12],
    [80, 24],
  ] as const) {
    const lines = topText(many, { width, height, paint: plain }).replace(/\n$/, '').split('\n');
    assert.ok(lines.length <= height, `${lines.length} lines of ${height}`);
    for (const line of lines) assert.ok(stringWidth(line) <= width, `${width}: ${line}`);
  }
});

test('nothing at all', () => {
  assert.is(watchText(picture([]), { width: 40, paint: plain }), 'nothing runs, and nothing ran yet\n');
  assert.match(topText(picture([]), { width: 80, height: 24, paint: plain }), /^0 runs active, 0 tasks, 0 queued/);
});

test.run();
