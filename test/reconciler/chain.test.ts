import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { DesiredJob } from '../../src/job/model.ts';
import { LAST_RUNS } from '../../src/ledger/port.ts';
import { dueChains, gateOf, isChained, type Runs, upstreamFirst } from '../../src/reconciler/chain.ts';
import { plan } from '../../src/reconciler/plan.ts';
import type { LiveRun } from '../../src/runner/port.ts';
import type { Job, JobStatus } from '../../src/schemas/index.ts';
import { at, job, live, readySince, status, summary, world } from './world.ts';

const C1 = 'c1'.repeat(20);
const C2 = 'c2'.repeat(20);

/** A job that has its runs from those that it needs. */
const chained = (name: string, ...needs: NonNullable<Job['spec']['needs']>): DesiredJob => job(name, 'x', { needs });

function runsOf(
  jobs: readonly DesiredJob[],
  statuses: readonly JobStatus[] = [],
  lives: readonly LiveRun[] = [],
): Runs {
  return {
    jobs: new Map(jobs.map((each) => [each.name, each])),
    statuses: new Map(statuses.map((each) => [each.job, each])),
    liveByJob: Map.groupBy(lives, ({ record }) => record.job),
  };
}

type Summary = JobStatus['lastRuns'][number];

/** The status of a job with these runs, newest first. */
const ran = (name: string, ...lastRuns: readonly Summary[]): JobStatus =>
  status(name, (lastRuns[0]?.run ?? 0) + 1, 'x', { lastRuns: [...lastRuns], conditions: [readySince(at(-1000))] });

/** A run of a chain that is no commit of its own. */
const inChain = (run: number, chain: string, extra: Partial<Summary> = {}): Summary =>
  summary(run, { chain, ...extra });
const failed = { result: 'failed', reason: 'ExitCode' } as const;

const build = job('build', 'x');
const deploy = chained('deploy', 'build');
const gate = (of: DesiredJob, chain: string, runs: Runs): string => {
  const found = gateOf(of.manifest.spec, chain, runs);
  if (found.kind === 'waits') return `waits for ${found.for}`;
  if (found.kind === 'shut') return `${found.reason}: ${found.message}`;
  return `open ${found.upstream.map(({ job: name, run }) => `${name} ${run}`).join(', ')}`.trim();
};

const test = suite('gateOf');

test('needs without triggers of its own make a job chained', () => {
  assert.is(isChained(deploy.manifest.spec), true);
  assert.is(isChained(build.manifest.spec), false);
  assert.is(isChained({ needs: ['build'], on: { commit: true } }), false);
  assert.is(isChained({ needs: [] }), false);
});

const upstreamTable: readonly (readonly [Partial<Summary>, Job['spec']['needs'], string])[] = [
  [{}, ['build'], 'open build 3'],
  [{ result: 'warning' }, ['build'], 'open build 3'],
  [
    { result: 'warning' },
    [{ job: 'build', results: ['succeeded'] }],
    'UpstreamFailed: run 3 of build, which it needs, ended with warning',
  ],
  [failed, ['build'], 'UpstreamFailed: run 3 of build, which it needs, ended with failed'],
  [failed, [{ job: 'build', results: ['failed'] }], 'open build 3'],
  [
    { result: 'timed-out', reason: 'DeadlineExceeded' },
    ['build'],
    'UpstreamFailed: run 3 of build, which it needs, ended with timed-out',
  ],
  [
    { result: 'cancelled', reason: 'Superseded' },
    ['build'],
    'UpstreamFailed: run 3 of build, which it needs, ended with cancelled',
  ],
  [
    { result: 'skipped', reason: 'ExitCode' },
    ['build'],
    'UpstreamSkipped: run 3 of build, which it needs, was skipped',
  ],
  [
    { result: 'skipped', reason: 'UpstreamSkipped' },
    ['build'],
    'UpstreamSkipped: run 3 of build, which it needs, was skipped',
  ],
  [
    { result: 'skipped', reason: 'UpstreamFailed' },
    ['build'],
    'UpstreamFailed: run 3 of build, which it needs, ended with skipped',
  ],
  [{ result: 'skipped', reason: 'ExitCode' }, [{ job: 'build', results: ['skipped'] }], 'open build 3'],
];
for (const [result, needs, expected] of upstreamTable)
  test(`an upstream that ended with ${result.result ?? 'succeeded'} ${result.reason ?? ''}, ${JSON.stringify(needs)}`, () => {
    const of = job('deploy', 'x', needs ? { needs } : {});
    assert.is(gate(of, C1, runsOf([build, of], [ran('build', inChain(3, C1, result))])), expected);
  });

test('an upstream of the same chain is waited for, one of another is not', () => {
  const jobs = [build, deploy];
  const running = live(build, 4, { record: { chain: C1 } });
  const before = ran('build', inChain(3, C2));
  assert.is(gate(deploy, C1, runsOf(jobs, [before], [running])), 'waits for run 4 of build');
  assert.is(gate(deploy, C2, runsOf(jobs, [before], [running])), 'open build 3');
});

test('an upstream that takes no part in the chain counts by its last run, in whatever chain', () => {
  const runs = runsOf([build, deploy], [ran('build', inChain(7, C2), inChain(6, 'other', failed))]);
  assert.is(gate(deploy, C1, runs), 'open build 7');
  assert.is(gate(deploy, 'other', runs), 'UpstreamFailed: run 6 of build, which it needs, ended with failed');
});

test('an upstream that has never run, is unknown or removed shuts the gate', () => {
  const never = 'UpstreamFailed: build, which it needs, has never run';
  assert.is(gate(deploy, C1, runsOf([build, deploy])), never);
  assert.is(gate(deploy, C1, runsOf([deploy])), never);
});

test('a chained job in between is waited for as soon as the chain has begun, before it has a run of its own', () => {
  const pack = chained('pack', 'build');
  const ship = chained('ship', 'pack');
  const jobs = [build, pack, ship];
  const running = live(build, 1, { record: { chain: C1 } });
  const before = ran('pack', inChain(1, C2));
  assert.is(gate(ship, C1, runsOf(jobs, [before], [running])), 'waits for a run of pack in the same chain');
  assert.is(
    gate(ship, C1, runsOf(jobs, [before, ran('build', inChain(1, C1))])),
    'waits for a run of pack in the same chain',
  );
  assert.is(gate(ship, C1, runsOf(jobs, [before])), 'open pack 1', 'the chain goes past it');
});

test('a suspended job in between takes part in nothing: it counts by its last run', () => {
  const pack = job('pack', 'x', { needs: ['build'], suspend: true });
  const ship = chained('ship', 'pack', 'build');
  const statuses = [ran('build', inChain(1, C1))];
  assert.is(
    gate(ship, C1, runsOf([build, pack, ship], statuses)),
    'UpstreamFailed: pack, which it needs, has never run',
  );
  const once = ran('pack', inChain(9, C2));
  assert.is(gate(ship, C1, runsOf([build, pack, ship], [...statuses, once])), 'open pack 9, build 1');
});

test('a diamond waits for both of its sides', () => {
  const [left, right] = [chained('left', 'build'), chained('right', 'build')];
  const end = chained('end', 'left', 'right');
  const jobs = [build, left, right, end];
  const top = ran('build', inChain(1, C1));
  assert.is(
    gate(end, C1, runsOf(jobs, [top, ran('left', inChain(1, C1))])),
    'waits for a run of right in the same chain',
  );
  const sides = [top, ran('left', inChain(1, C1)), ran('right', inChain(5, C1))];
  assert.is(gate(end, C1, runsOf(jobs, sides)), 'open left 1, right 5');
  const broken = [top, ran('left', inChain(1, C1, failed)), ran('right', inChain(5, C1))];
  assert.match(gate(end, C1, runsOf(jobs, broken)), 'UpstreamFailed: run 1 of left');
  const early = runsOf(jobs, [top, ran('left', inChain(1, C1, failed))], [live(right, 5, { record: { chain: C1 } })]);
  assert.match(gate(end, C1, early), 'UpstreamFailed: run 1 of left', 'what is certain is not waited for');
});

test('jobs that need each other do not hang it', () => {
  const [a, b] = [chained('a', 'b'), chained('b', 'a')];
  assert.match(gate(a, C1, runsOf([a, b])), 'has never run');
});

test.run();

const due = suite('dueChains');

const since = at(-500);
const dueOf = (of: DesiredJob, runs: Runs): readonly string[] =>
  dueChains(of, since, runs).map(({ chain, trigger }) => `${chain} by ${trigger.job} ${trigger.run}`);

due('a chain is due once what is needed has ended in it, whatever the result', () => {
  for (const result of [{}, failed, { result: 'skipped', reason: 'ExitCode' } as const])
    assert.equal(dueOf(deploy, runsOf([build, deploy], [ran('build', inChain(3, C1, result))])), [`${C1} by build 3`]);
});

due('commits, instants and requests are chains alike', () => {
  const instant = '2026-11-20T01:30:00Z';
  const known = ran(
    'build',
    inChain(3, 'r-1', { trigger: { kind: 'request', id: 'r-1' }, finished: at(-10) }),
    inChain(2, instant, { trigger: { kind: 'schedule', at: instant }, finished: at(-20) }),
    summary(1, { finished: at(-30) }),
  );
  const chains = dueChains(deploy, since, runsOf([build, deploy], [known]));
  assert.equal(
    chains.map(({ chain }) => chain),
    ['a'.repeat(40), instant, 'r-1'],
    'oldest first',
  );
});

due('what ended before the job was there is not made up for', () => {
  const old = ran('build', inChain(3, C1, { finished: at(-501) }));
  assert.equal(dueOf(deploy, runsOf([build, deploy], [old])), []);
});

due('a chain runs once, while its run is live and after', () => {
  const known = ran('build', inChain(3, C1));
  const claimed = live(deploy, 1, { record: { chain: C1 } });
  assert.equal(dueOf(deploy, runsOf([build, deploy], [known], [claimed])), []);
  assert.equal(dueOf(deploy, runsOf([build, deploy], [known, ran('deploy', inChain(1, C1, failed))])), []);
});

due('a chain stays done when its run is no longer among those that the status sums up', () => {
  const hourly = job('hourly', 'h', { on: { schedule: { cron: '0 * * * *' } } });
  const daily = job('daily', 'd', { on: { schedule: { cron: '0 0 * * *' } } });
  const report = chained('report', 'hourly', 'daily');
  const since5 = at(-5 * 86_400);
  const day = inChain(1, 'day', { finished: at(-50_000) });
  const hours = Array.from({ length: LAST_RUNS }, (_, index) => 40 - index).map((run) =>
    inChain(run, `hour ${run}`, { started: at((run - 41) * 3_600), finished: at((run - 41) * 3_600 + 60) }),
  );
  const reports = hours.map((hour) => ({
    ...hour,
    started: at((hour.run - 41) * 3_600 + 65),
    finished: at((hour.run - 41) * 3_600 + 70),
  }));
  const runs = runsOf([hourly, daily, report], [ran('hourly', ...hours), ran('daily', day), ran('report', ...reports)]);
  assert.equal(dueChains(report, since5, runs), []);
  const next = inChain(2, 'next day', { finished: at(-5) });
  const later = runsOf(
    [hourly, daily, report],
    [ran('hourly', ...hours), ran('daily', next, day), ran('report', ...reports)],
  );
  assert.equal(
    dueChains(report, since5, later).map(({ chain }) => chain),
    ['next day'],
  );
});

due('with several needs it waits for all that take part, and names the one that ended last', () => {
  const test = job('test', 't');
  const both = chained('both', 'build', 'test');
  const jobs = [build, test, both];
  const first = ran('build', inChain(1, C1, { finished: at(-20) }));
  assert.equal(dueOf(both, runsOf(jobs, [first], [live(test, 4, { record: { chain: C1 } })])), []);
  const second = ran('test', inChain(4, C1, { finished: at(-10) }));
  assert.equal(dueOf(both, runsOf(jobs, [first, second])), [`${C1} by test 4`]);
});

due('upstream failure goes down the graph, a run at a time and none twice', () => {
  const chain = [build, chained('b', 'build'), chained('c', 'b'), chained('d', 'c')];
  const statuses = new Map<string, JobStatus>([
    ['build', ran('build', inChain(1, C1, failed))],
    ...chain.slice(1).map(({ name }) => [name, ran(name)] as const),
  ]);
  const ends: string[] = [];
  for (let pass = 0; pass < 5; pass += 1)
    for (const of of chain.slice(1)) {
      const runs = runsOf(chain, [...statuses.values()]);
      for (const { chain: name } of dueChains(of, since, runs)) {
        const found = gateOf(of.manifest.spec, name, runs);
        assert.is(found.kind, 'shut');
        const reason = found.kind === 'shut' ? found.reason : 'Completed';
        ends.push(`${of.name} ${reason}`);
        statuses.set(of.name, ran(of.name, inChain(1, name, { result: 'skipped', reason })));
      }
    }
  assert.equal(ends, ['b UpstreamFailed', 'c UpstreamFailed', 'd UpstreamFailed']);
});

due('the plan gives a chained job its run, once the ledger says since when it is there', () => {
  const known = ran('build', summary(1));
  const unready = status('deploy', 1, 'x');
  const ready = status('deploy', 1, 'x', { conditions: [readySince(at(-500))] });
  const runsIn = (...statuses: JobStatus[]) =>
    plan(world({ jobs: [build, deploy], statuses }), ['deploy']).map(({ action, reason, trigger }) => [
      action,
      reason,
      trigger,
    ]);
  const nothing = [['none', 'NotTriggered', undefined]];
  assert.equal(runsIn(known), nothing);
  assert.equal(runsIn(known, unready), nothing);
  assert.equal(runsIn(known, ready), [['run', 'NeedsMet', { kind: 'needs', job: 'build', run: 1 }]]);
});

due('the plan says why a chained job has nothing to do', () => {
  const says = (statuses: readonly JobStatus[], live: readonly LiveRun[] = []) =>
    plan(world({ jobs: [build, deploy], statuses, live }), ['deploy'])[0]?.message;
  const late = status('deploy', 1, 'x', { conditions: [readySince(at(500))] });
  assert.is(says([]), 'nothing: what it needs has not run');
  assert.is(says([ran('build', summary(1)), late]), 'nothing: what it needs has not run since the job is there');
  const served = status('deploy', 3, 'x', { conditions: [readySince(at(500))] });
  assert.is(says([ran('build', summary(1)), served]), 'nothing: what it needs has not run since run 2');
  assert.is(says([late], [live(build, 1)]), 'nothing: waits for run 1 of build');
});

due('a run that is due in the chain and not claimed yet is waited for, by commit and by schedule', () => {
  const since = { conditions: [readySince(at(-7_200))] };
  const pack = job('pack', 'p', { on: { commit: true } });
  const report = chained('report', 'build', 'pack');
  const runsIn = (other: DesiredJob, built: JobStatus, packed: JobStatus) =>
    plan(world({ jobs: [build, other, report], statuses: [built, packed, status('report', 1, 'x', since)] }), [
      'report',
    ]).map(({ action, trigger }) => [action, trigger]);
  const built = status('build', 2, 'x', { ...since, lastRuns: [summary(1)] });
  const before = summary(1, { finished: at(-8_000), revision: C2, trigger: { kind: 'commit', revision: C2 } });
  assert.equal(runsIn(pack, built, status('pack', 2, 'older', { ...since, lastRuns: [before] })), [
    ['none', undefined],
  ]);
  assert.equal(runsIn(pack, built, status('pack', 2, 'p', { ...since, lastRuns: [before] })), [
    ['run', { kind: 'needs', job: 'build', run: 1 }],
  ]);

  const every20 = job('pack', 'p', { on: { schedule: { cron: '*/20 * * * *' } } });
  const schedule = { of: JSON.stringify([['*/20 * * * *', 'UTC']]), since: at(-7_200) };
  const packedBefore = status('pack', 1, 'p', { ...since, schedule, lastInstant: at(-1_200) });
  const [scheduled] = plan(world({ jobs: [every20], statuses: [packedBefore] }));
  assert.is(scheduled?.trigger?.kind, 'schedule');
  const trigger = scheduled?.trigger as Extract<Summary['trigger'], { kind: 'schedule' }>;
  const builtThen = status('build', 2, 'x', { ...since, lastRuns: [inChain(1, trigger.at, { trigger })] });
  assert.equal(runsIn(every20, builtThen, packedBefore), [['none', undefined]]);
});

due.run();

const order = suite('upstreamFirst');

order('puts each job after those that it needs, and leaves the others where they are', () => {
  const jobs = [chained('a', 'z'), job('b', 'b'), chained('c', 'a', 'y'), chained('y', 'z'), job('z', 'z')];
  const byName = new Map(jobs.map((each) => [each.name, each]));
  assert.equal(upstreamFirst(['a', 'b', 'c', 'y', 'z'], byName), ['z', 'a', 'b', 'y', 'c']);
  assert.equal(upstreamFirst(['c', 'z'], byName), ['z', 'c'], 'also where what is between is not asked for');
  assert.equal(upstreamFirst(['p', 'q'], new Map([chained('p', 'q'), chained('q', 'p')].map((e) => [e.name, e]))), [
    'q',
    'p',
  ]);
});

order.run();
