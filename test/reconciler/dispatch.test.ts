import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { DesiredJob } from '../../src/job/model.ts';
import { type Dispatch, dispatch, type DispatchInput } from '../../src/reconciler/dispatch.ts';
import type { LiveRun } from '../../src/runner/port.ts';
import type { JobStatus } from '../../src/schemas/index.ts';
import { at, attempt, exited, job, live, NOW, status, summary } from './world.ts';

const now = NOW.getTime();

interface Given {
  readonly jobs?: readonly DesiredJob[];
  readonly statuses?: readonly JobStatus[];
  readonly attempts?: number;
  readonly now?: number;
}

function decide(runs: readonly LiveRun[], { jobs = [], statuses = [], attempts = 100, now: moment = now }: Given = {}) {
  const input: DispatchInput = {
    live: runs,
    liveByJob: Map.groupBy(runs, ({ record }) => record.job),
    jobs: new Map(jobs.map((each) => [each.name, each])),
    statuses: new Map(statuses.map((each) => [each.job, each])),
    capacities: { attempts, sets: new Map() },
    now: moment,
  };
  return dispatch(input);
}

const nameOf = ({ record }: LiveRun): string => `${record.job} ${record.run}`;

const startsOf = ({ starts }: Dispatch): readonly string[] =>
  starts.map(({ run, attempts }) =>
    [nameOf(run), ...attempts.map(({ task, number }) => `${task.name}.${number}`)].join(' '),
  );
const endsOf = ({ ends }: Dispatch): readonly string[] =>
  ends.map(({ run, unstarted }) => {
    const [first] = unstarted.values();
    return `${nameOf(run)} ${first?.result} ${first?.reason}`;
  });
const cancelsOf = ({ cancels }: Dispatch): readonly string[] =>
  cancels.map(({ run, reason, tasks }) => `${nameOf(run)} ${reason} ${tasks?.join(',') ?? 'all'}`);

const test = suite('dispatch');

test('a run starts with all of its tasks, as many as may run at a time', () => {
  const fan = job('a', 'a', { tasks: ['x', 'y', 'z'] });
  assert.equal(startsOf(decide([live(fan, 1)])), ['a 1 x.1 y.1 z.1']);
  assert.equal(startsOf(decide([live(job('a', 'a', { tasks: ['x', 'y', 'z'], maxParallel: 2 }), 1)])), ['a 1 x.1 y.1']);
  assert.equal(startsOf(decide([live(fan, 1)], { attempts: 1 })), ['a 1 x.1']);
  const running = live(fan, 1, { attempts: [attempt(null, { task: 'x' })] });
  assert.equal(startsOf(decide([running], { attempts: 1 })), []);
});

test('a run that has to wait is put down, once', () => {
  const a = job('a', 'a');
  const running = live(a, 1, { attempts: [attempt(null)] });
  const waiting = live(a, 2, { held: false, record: { trigger: { kind: 'request', id: 'r' } } });
  const first = decide([running, waiting]);
  assert.equal(startsOf(first), ['a 2']);
  const wait = { job: 'a', run: 2, for: 'for run 1 of a in group a', now: 'for run 1 of a in group a, position 1' };
  assert.equal([...first.waits], [['a/2', wait]]);
  assert.equal(startsOf(decide([running, { ...waiting, held: true }])), []);
});

test('a task that is to be tried again starts when its pause is over, and the wait ends there', () => {
  const a = job('a', 'a', { retry: { limit: 1, backoff: '30s' } });
  const run = live(a, 1, { attempts: [attempt(exited(1))] });
  const early = decide([run]);
  assert.equal([startsOf(early), endsOf(early)], [[], []]);
  assert.ok(early.wakeAt !== null && early.wakeAt > now && early.wakeAt <= now + 30_000);
  assert.equal(startsOf(decide([run], { now: early.wakeAt })), ['a 1 default.2']);
});

test('what has ended is recorded, and starts nothing', () => {
  const ended = decide([live(job('a', 'a'), 1, { attempts: [attempt(exited(3))] })]);
  assert.equal([endsOf(ended), startsOf(ended), ended.wakeAt], [['a 1 failed ExitCode'], [], null]);
});

test('a parked outcome is recorded as it is', () => {
  const parked = { outcome: {} as never, logs: new Map(), keep: { runs: 1, forMs: 1 } };
  const { ends } = decide([live(job('a', 'a'), 1, { parked })]);
  assert.is(ends.length, 1);
  assert.is(ends[0]?.unstarted.size, 0);
});

test('what another process executes is left to it', () => {
  const a = job('a', 'a');
  for (const run of [
    live(a, 1, { mine: false }),
    live(a, 1, { mine: false, attempts: [attempt(exited(3))] }),
    live(a, 1, { mine: false, cancelled: 'JobRemoved', attempts: [attempt(null)] }),
  ]) {
    const decided = decide([run]);
    assert.equal([startsOf(decided), endsOf(decided), cancelsOf(decided)], [[], [], []]);
  }
});

test('it holds its group and its capacity all the same', () => {
  const [a, b] = [job('a', 'a'), job('b', 'b')];
  const theirs = live(a, 1, { mine: false, attempts: [attempt(null)] });
  const same = decide([theirs, live(a, 2, { record: { trigger: { kind: 'request', id: 'r' } } })]);
  assert.equal([startsOf(same), [...same.waits.values()].map((wait) => wait.for)], [[], ['for run 1 of a in group a']]);
  assert.equal(startsOf(decide([theirs, live(b, 1)])), ['b 1 default.1']);
  assert.equal(startsOf(decide([theirs, live(b, 1)], { attempts: 1 })), []);
  const replacing = job('a', 'c', { concurrency: { policy: 'replace' } });
  const next = live(replacing, 2, { record: { queued: at(-60) } });
  assert.equal(cancelsOf(decide([theirs, next])), ['a 1 Superseded all']);
  assert.equal(cancelsOf(decide([{ ...theirs, cancelled: 'Superseded' }, next])), [], 'once');
});

test('of the commit runs of a job that wait, the newest goes on', () => {
  const a = job('a', 'a');
  const runs = [live(a, 1, { attempts: [attempt(null)] }), live(a, 2), live(a, 3, { held: false }), live(a, 4)];
  assert.equal(endsOf(decide(runs)), ['a 2 cancelled Superseded', 'a 3 cancelled Superseded']);
  const requested = live(a, 2, { record: { trigger: { kind: 'request', id: 'r' } } });
  assert.equal(endsOf(decide([live(a, 1), requested])), [], 'other triggers are runs of their own');
});

test('an abort cancels what runs of the run, and nothing else', () => {
  const fan = job('a', 'a', { tasks: ['x', 'y', 'z'], abort: 'onFailure' });
  const attempts = [attempt(exited(1), { task: 'x' }), attempt(null, { task: 'y' })];
  const decided = decide([live(fan, 1, { attempts })]);
  assert.equal([cancelsOf(decided), startsOf(decided), endsOf(decided)], [['a 1 Aborted y'], [], []]);
  const after = attempt({ kind: 'cancelled', reason: 'Aborted', step: 'run' }, { task: 'y' });
  assert.equal(endsOf(decide([live(fan, 1, { attempts: [attempts[0]!, after] })])), ['a 1 failed ExitCode']);
});

test('a cancelled run that waits ends without an attempt, whether or not it is put down', () => {
  for (const held of [true, false]) {
    const decided = decide([live(job('a', 'a', { tasks: ['x', 'y'] }), 1, { held, cancelled: 'JobRemoved' })]);
    assert.equal([endsOf(decided), startsOf(decided)], [['a 1 cancelled JobRemoved'], []]);
    assert.is(decided.ends[0]?.unstarted.size, 2);
  }
});

const replace = { concurrency: { group: 'g', policy: 'replace' as const } };
const later = (queued: string) => ({ record: { queued, trigger: { kind: 'request', id: queued } as const } });

test('a run that is replaced ends at once while it waits', () => {
  const runs = [
    live(job('a', 'a', { concurrency: { group: 'g' } }), 1),
    live(job('b', 'b', replace), 1, later(at(-5))),
  ];
  const decided = decide(runs);
  assert.equal([endsOf(decided), startsOf(decided)], [['a 1 cancelled Superseded'], ['b 1 default.1']]);
});

test('a run that is replaced is cancelled as a whole once it has begun, tasks to come and pauses included', () => {
  const fan = job('a', 'a', { tasks: ['x', 'y'], maxParallel: 1, concurrency: { group: 'g' } });
  const begun = live(fan, 1, { attempts: [attempt(null, { task: 'x' })] });
  const next = live(job('b', 'b', replace), 1, later(at(-5)));
  assert.equal(cancelsOf(decide([begun, next])), ['a 1 Superseded all']);
  assert.equal(startsOf(decide([begun, next])), [], 'it waits until the other has gone');
  const pausing = live(job('a', 'a', { retry: { limit: 1 }, concurrency: { group: 'g' } }), 1, {
    attempts: [attempt(exited(1))],
  });
  assert.equal(cancelsOf(decide([pausing, next])), ['a 1 Superseded all']);
  assert.equal(endsOf(decide([{ ...pausing, cancelled: 'Superseded' }, next])), ['a 1 cancelled Superseded']);
});

test('skip ends the run that comes, allow lets it run beside', () => {
  const first = live(job('a', 'a', { concurrency: { group: 'g' } }), 1, { attempts: [attempt(null)] });
  const skip = live(job('b', 'b', { concurrency: { group: 'g', policy: 'skip' } }), 1, later(at(-5)));
  assert.equal(endsOf(decide([first, skip])), ['b 1 skipped ConcurrencySkipped']);
  const allow = live(job('b', 'b', { concurrency: { group: 'g', policy: 'allow' } }), 1, later(at(-5)));
  assert.equal(startsOf(decide([first, allow])), ['b 1 default.1']);
});

test('higher priority goes first when capacity is short', () => {
  const low = live(job('a', 'a'), 1);
  const high = live(job('z', 'z', { priority: 5 }), 1);
  assert.equal(startsOf(decide([low, high], { attempts: 1 })), ['z 1 default.1']);
});

test('timeouts.queue ends what waits for its turn, and says what for', () => {
  const a = job('a', 'a', { timeouts: { queue: '2m' } });
  const running = live(a, 1, { attempts: [attempt(null)] });
  const waiting = live(a, 2, later(at(-119)));
  const before = decide([running, waiting]);
  assert.equal([endsOf(before), before.wakeAt], [[], now + 1_000]);
  const after = decide([running, waiting], { now: now + 1_000 });
  assert.equal(endsOf(after), ['a 2 timed-out QueueTimeout']);
  assert.match([...(after.ends[0]?.unstarted.values() ?? [])][0]?.message ?? '', 'for run 1 of a in group a');
  assert.equal(
    endsOf(decide([{ ...running, attempts: [attempt(null)] }], { now: now + 1e9 })),
    [],
    'never what has begun',
  );
});

test('timeouts.queue counts while a run waits for what it needs, too', () => {
  const [build, deploy] = [job('build', 'b'), job('deploy', 'd', { needs: ['build'], timeouts: { queue: '2m' } })];
  const runs = [
    live(build, 1, { attempts: [attempt(null)] }),
    live(deploy, 1, { held: false, record: { queued: at(-119) } }),
  ];
  const jobs = [build, deploy];
  const before = decide(runs, { jobs });
  assert.equal([endsOf(before), before.wakeAt, startsOf(before)], [[], now + 1_000, []]);
  assert.equal(
    [...before.waits.values()].map((wait) => wait.now),
    ['for run 1 of build'],
  );
  assert.equal(endsOf(decide(runs, { jobs, now: now + 1_000 })), ['deploy 1 timed-out QueueTimeout']);
});

test('a run goes on with the runs that let it through; what has failed before it ends it', () => {
  const [build, deploy] = [job('build', 'b'), job('deploy', 'd', { needs: ['build'] })];
  const waiting = live(deploy, 1, { held: false });
  const given = (result: 'succeeded' | 'failed'): Given => ({
    jobs: [build, deploy],
    statuses: [status('build', 8, 'b', { lastRuns: [summary(7, { result })] })],
  });
  const open = decide([waiting], given('succeeded'));
  assert.equal(open.starts[0]?.upstream, [{ job: 'build', run: 7 }]);
  assert.equal(endsOf(decide([waiting], given('failed'))), ['deploy 1 skipped UpstreamFailed']);
  assert.equal(
    startsOf(decide([{ ...waiting, held: true }], given('failed'))),
    ['deploy 1 default.1'],
    'it was let through',
  );
});

test('it depends on no order, and asked again after what it said was done it has nothing to add', () => {
  const a = job('a', 'a', { tasks: ['x', 'y'], maxParallel: 1 });
  const runs = [live(a, 1), live(job('b', 'b'), 1), live(job('c', 'c', { concurrency: { group: 'a' } }), 1)];
  const one = decide(runs);
  const other = decide(runs.toReversed());
  assert.equal([...startsOf(one)].sort(), [...startsOf(other)].sort());
  const done = runs.map((run) => {
    const start = one.starts.find((each) => each.run === run);
    const attempts = (start?.attempts ?? []).map(({ task, number }) => attempt(null, { task: task.name, number }));
    return Object.assign({}, run, { attempts });
  });
  const again = decide(done);
  assert.equal([startsOf(again), endsOf(again), cancelsOf(again)], [[], [], []]);
});

test.run();
