import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { plan, type PlanInput } from '../../src/reconciler/plan.ts';
import { jobsOfPullRequest, withPullRequestGroup } from '../../src/reconciler/pull-request.ts';
import type { Job, Reason } from '../../src/schemas/index.ts';
import { told, withHouse } from './house.ts';
import { at, attempt, job, live, readySince, record, status, summary, world } from './world.ts';

type Specs = Readonly<Record<string, Partial<Job['spec']>>>;

const test = suite('pull-request');
const on: Job['spec']['on'] = { pullRequest: true };

/** What a pull request that changes these files runs, and why. */
const rows: readonly (readonly [string, Specs, readonly string[], Readonly<Record<string, string>>])[] = [
  [
    'a manifest that has changed; others are left alone',
    { a: { on }, b: { on } },
    ['jobs/a.yaml', 'README.md'],
    { a: 'jobs/a.yaml has changed' },
  ],
  ['a job without the trigger never runs', { a: {}, b: { on: { commit: true } } }, ['jobs/a.yaml', 'jobs/b.yaml'], {}],
  ['nor one that says false', { a: { on: { commit: true, pullRequest: false } } }, ['jobs/a.yaml'], {}],
  ['nothing has changed', { a: { on } }, [], {}],
  [
    'a file that the job takes from the repository, counted from its manifest',
    { a: { on, files: [{ path: 'bin/x', from: '../scripts/x.sh' }] }, b: { on } },
    ['scripts/x.sh'],
    { a: 'scripts/x.sh has changed' },
  ],
  [
    'paths of the trigger, dot files among them',
    { a: { on: { pullRequest: { paths: ['src/**'] } } } },
    ['src/.env', 'docs/x.md'],
    { a: 'src/.env has changed' },
  ],
  [
    'with true the paths of commit count',
    { a: { on: { commit: { paths: ['data/*.csv'] }, pullRequest: true } } },
    ['data/orders.csv'],
    { a: 'data/orders.csv has changed' },
  ],
  [
    'with paths of its own those of commit do not',
    { a: { on: { commit: { paths: ['data/*.csv'] }, pullRequest: { paths: ['src/**'] } } } },
    ['data/orders.csv'],
    {},
  ],
  [
    'the manifest counts beside paths',
    { a: { on: { pullRequest: { paths: ['src/**'] } } } },
    ['jobs/a.yaml'],
    { a: 'jobs/a.yaml has changed' },
  ],
  [
    'a job that needs one that runs, and so on',
    { a: { on }, b: { on, needs: ['a'] }, c: { on, needs: [{ job: 'b' }] }, d: { on } },
    ['jobs/a.yaml'],
    { a: 'jobs/a.yaml has changed', b: 'it needs a', c: 'it needs b' },
  ],
  [
    'what stands between and does not run for pull requests leads no further',
    { a: { on }, b: { needs: ['a'] }, c: { on, needs: ['b'] } },
    ['jobs/a.yaml'],
    { a: 'jobs/a.yaml has changed' },
  ],
  [
    'a job that one that runs needs, since nothing else runs it for the pull request',
    { a: { on }, b: { on, needs: ['a'] }, c: { on, needs: ['a'] } },
    ['jobs/b.yaml'],
    { a: 'b needs it', b: 'jobs/b.yaml has changed' },
  ],
  [
    'a chained job without the trigger never runs: a deployment behind a build is not for pull requests',
    { build: { on }, deploy: { needs: ['build'] } },
    ['jobs/build.yaml', 'jobs/deploy.yaml'],
    { build: 'jobs/build.yaml has changed' },
  ],
];

for (const [what, specs, changed, expected] of rows)
  test(what, () => {
    const jobs = new Map(Object.entries(specs).map(([name, spec]) => [name, job(name, 'a', spec)]));
    assert.equal(Object.fromEntries(jobsOfPullRequest(jobs, changed)), expected);
    assert.equal(Object.fromEntries(jobsOfPullRequest(jobs, [...changed, ...changed].reverse())), expected);
  });

test('where nobody knows all that has changed, whatever runs for pull requests runs', () => {
  const jobs = new Map([job('a', 'a', { on }), job('b', 'a', {})].map((each) => [each.name, each]));
  assert.equal([...jobsOfPullRequest(jobs, 'all').keys()], ['a']);
});

const HEAD = 'd'.repeat(40);
const order = { number: 7, revision: HEAD, base: 'e'.repeat(40), jobs: new Map([['a', 'jobs/a.yaml has changed']]) };

const lines = (input: PlanInput): readonly string[] =>
  plan(input).map(({ job: name, action, run, message }) => `${name} ${action} ${run ?? '-'} | ${message}`);

test('for a pull request, nothing but the pull request and requests make runs', () => {
  const jobs = [
    job('a', 'a', { on: { pullRequest: true } }),
    job('b', 'a', { on: { commit: true, pullRequest: true } }),
    job('c', 'a', { on: { schedule: { cron: '@hourly' } } }),
    job('d', 'a', { needs: ['a'] }),
    job('e', 'a', { on: { pullRequest: true }, suspend: true }),
  ];
  const ended = [summary(1, { finished: at(-5) })];
  const statuses = [
    status('a', 2, 'a', { lastRuns: ended, conditions: [readySince(at(-90))] }),
    status('d', 1, 'a', { conditions: [readySince(at(-90))] }),
  ];
  const asked = { job: 'c', id: 'r1', params: {}, args: [] };
  const input = world({ jobs, statuses, rest: { pullRequest: order, requests: [asked] } });
  assert.equal(lines(input), [
    'a run 2 | runs: jobs/a.yaml has changed',
    'b none - | nothing: pull request 7 does not touch it',
    'c run 1 | runs: requested',
    'd none - | nothing: does not run for pull requests',
    'e suspended - | suspended: spec.suspend is true',
  ]);
  assert.equal(plan(input)[0]?.trigger, {
    kind: 'pullRequest',
    number: 7,
    revision: HEAD,
    base: 'e'.repeat(40),
  });
});

test('a head has one run of a job, the next head another one', () => {
  const desired = job('a', 'a', { on: { pullRequest: true } });
  const trigger = { kind: 'pullRequest', number: 7, revision: HEAD } as const;
  const recorded = status('a', 2, 'a', { lastRuns: [summary(1, { trigger })] });
  const planned = (rest: Partial<PlanInput>, runs = {}) => lines(world({ jobs: [desired], rest, ...runs }));
  assert.equal(planned({ pullRequest: order }, { statuses: [recorded] }), [
    'a none 1 | nothing: has run for this head of pull request 7',
  ]);
  const running = live(desired, 1, { record: { trigger }, attempts: [attempt(null)] });
  assert.equal(planned({ pullRequest: order }, { live: [running] }), ['a wait 1 | nothing: run 1 is running']);
  const next = { ...order, revision: 'f'.repeat(40) };
  assert.equal(planned({ pullRequest: next }, { statuses: [recorded] }), ['a run 2 | runs: jobs/a.yaml has changed']);
  assert.equal(planned({ pullRequest: next }, { live: [running] }), ['a run 2 | runs: jobs/a.yaml has changed']);
});

test('without a pull request, its trigger makes no run', () => {
  assert.equal(lines(world({ jobs: [job('a', 'a', { on: { pullRequest: true } })] })), [
    'a none - | nothing: runs on request only',
  ]);
});

test('what waits for an older head with another spec is superseded, never executed as the job is now', () => {
  const trigger = { kind: 'pullRequest', number: 7, revision: 'f'.repeat(40) } as const;
  const waiting = live(job('a', 'b'), 1, { record: { trigger }, held: false });
  const input = world({
    jobs: [job('a', 'a', { on: { pullRequest: true } })],
    live: [waiting],
    rest: { pullRequest: order },
  });
  assert.equal(lines(input), [
    'a record 1 | records: the job has changed before run 1 was started',
    'a run 2 | runs: jobs/a.yaml has changed',
  ]);
});

test('what a newer head, an approval or the end of a pull request overtakes is ended; the rest goes on', () => {
  const on: Job['spec']['on'] = { pullRequest: true };
  const [a, b] = [job('a', 'a', { on }), job('b', 'a', { on })];
  const of = (revision: string, more: object = {}) => ({ kind: 'pullRequest', number: 7, revision, ...more }) as const;
  const OLD = 'f'.repeat(40);
  const running = (desired: typeof a, run: number, trigger: ReturnType<typeof of>) =>
    live(desired, run, { record: { trigger }, attempts: [attempt(null)] });
  const planned = (runs: readonly ReturnType<typeof live>[], more: object) =>
    lines(world({ jobs: [a, b], live: runs, rest: { pullRequest: { ...order, overtakes: 'Superseded', ...more } } }));

  const moved = 'since the pull request has moved on';
  assert.equal(planned([running(a, 1, of(OLD)), running(b, 1, of(OLD))], {}), [
    `a cancel 1 | cancels: run 1, ${moved}`,
    'a run 2 | runs: jobs/a.yaml has changed',
    `b cancel 1 | cancels: run 1, ${moved}`,
  ]);
  assert.equal(planned([running(a, 1, of(HEAD))], {})[0], 'a wait 1 | nothing: run 1 is running');
  const ofBase = running(a, 1, of(HEAD, { definitions: 'base' }));
  assert.equal(planned([ofBase], { definitions: 'base' })[0], 'a wait 1 | nothing: run 1 is running');
  assert.equal(planned([ofBase], {}).slice(0, 2), [
    `a cancel 1 | cancels: run 1, ${moved}`,
    'a run 2 | runs: jobs/a.yaml has changed',
  ]);
  const waiting = live(a, 1, { record: { trigger: of(OLD) }, held: false });
  assert.equal(planned([waiting], {})[0], `a cancel 1 | cancels: run 1, ${moved}`);

  const closed = { overtakes: 'PullRequestClosed', jobs: new Map() };
  assert.equal(
    planned([running(a, 1, of(HEAD))], closed)[0],
    'a cancel 1 | cancels: run 1, since the pull request was closed',
  );
  const told = live(a, 1, { record: { trigger: of(HEAD) }, attempts: [attempt(null)], cancelled: 'PullRequestClosed' });
  assert.equal(
    planned([told], closed).filter((line) => line.startsWith('a')),
    [],
  );
});

test('what ended with its pull request runs again when that is opened again; other endings count', () => {
  const trigger = { kind: 'pullRequest', number: 7, revision: HEAD } as const;
  const jobs = [job('a', 'a', { on: { pullRequest: true } })];
  const planned = (reason: Reason) => {
    const lastRuns = [summary(1, { trigger, result: 'cancelled', reason })];
    return lines(world({ jobs, statuses: [status('a', 2, 'a', { lastRuns })], rest: { pullRequest: order } }))[0];
  };
  assert.is(planned('PullRequestClosed'), 'a run 2 | runs: jobs/a.yaml has changed');
  assert.is(planned('CancelRequested'), 'a none 1 | nothing: has run for this head of pull request 7');
});

test('what ran by the definitions of the base runs again once the head is approved', () => {
  const trigger = { kind: 'pullRequest', number: 7, revision: HEAD, definitions: 'base' } as const;
  const statuses = [status('a', 2, 'a', { lastRuns: [summary(1, { trigger })] })];
  const jobs = [job('a', 'a', { on: { pullRequest: true } })];
  const planned = (pullRequest: PlanInput['pullRequest']) => plan(world({ jobs, statuses, rest: { pullRequest } }))[0];
  assert.is(planned({ ...order, definitions: 'base' })?.action, 'none');
  const again = planned(order);
  assert.is(again?.run, 2);
  assert.ok(again?.trigger?.kind === 'pullRequest' && again.trigger.definitions === undefined);
});

test('a run for a pull request takes the place of those for its older heads, in a group of its own', () => {
  const trigger = { kind: 'pullRequest', number: 7, revision: HEAD } as const;
  const groupOf = (spec: Partial<Job['spec']>) =>
    withPullRequestGroup(record(job('a', 'a', spec), 1, { trigger })).spec.concurrency;
  assert.equal(groupOf({}), { group: 'a/pr-7', policy: 'replace' });
  assert.equal(groupOf({ concurrency: { group: 'x', policy: 'queue' } }), { group: 'x/pr-7', policy: 'replace' });
  assert.is(withPullRequestGroup(record(job('a', 'a'), 1)).spec.concurrency, undefined);
});

test('jobs run for a pull request in their chain, with its files, and nothing is said of the others', () =>
  withHouse(async (house) => {
    const on = 'on: { pullRequest: true }';
    const revision = await house.commit({
      build: `${on}\nrun: |\n  test -f build.yaml\n  echo "::set-outcome-var files=$(echo *.yaml)"`,
      check: `${on}\nneeds: [build]\nrun: echo checked`,
      ship: 'needs: [build]\nrun: echo shipped',
      behind: `${on}\nneeds: [ship]\ncheckout: false\nrun: echo never`,
      nightly: 'on: { schedule: { cron: "@daily" } }\nrun: echo night',
      main: 'run: echo main',
    });
    const keeper = await house.keeper();
    const { catalog } = await keeper.reconciler.observe(new AbortController().signal);
    const jobs = jobsOfPullRequest(catalog.jobs, ['build.yaml', 'behind.yaml']);
    const report = await keeper.settle({ pullRequest: { number: 7, revision, jobs } });
    assert.equal(told(report).toSorted(), [
      'behind #1 skipped UpstreamFailed',
      'build #1 succeeded Completed',
      'check #1 succeeded Completed',
    ]);
    const build = await house.outcome('build', 1);
    assert.equal(build?.trigger, { kind: 'pullRequest', number: 7, revision });
    assert.equal(build?.chain, revision);
    assert.match(build?.vars?.['files'] ?? '', 'build.yaml');
    assert.equal([...(await house.view()).statuses.keys()].sort(), ['behind', 'build', 'check']);
    assert.is((await house.status('build'))?.lastCommitDigest, undefined);
    assert.equal(told(await keeper.settle({ pullRequest: { number: 7, revision, jobs } })), []);
  }));

test.run();
