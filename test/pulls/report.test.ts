import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isFailure } from '../../src/action/failure.ts';
import { jobMatcher } from '../../src/action/inputs.ts';
import { refusalOf, type Surroundings } from '../../src/pulls/refuse.ts';
import { markerOf, type Report, reportText } from '../../src/pulls/report.ts';
import { rowsOfPlan, statusOf } from '../../src/pulls/rows.ts';
import { definitionPaths, selectFor } from '../../src/pulls/selection.ts';
import { type Verdict, verdictOf } from '../../src/pulls/verdict.ts';
import type { Job, Outcome } from '../../src/schemas/index.ts';
import { job } from '../reconciler/world.ts';

const test = suite('what is said of a pull request');
const HEAD = 'a'.repeat(40);

const base: Report = { verdict: 'none', rows: [], untouched: 0, problems: [], failures: [], notes: [] };
const unapproved = { head: HEAD, base: 'main', trust: { kind: 'unapproved' }, unused: ['jobs/a.yaml'] } as const;

test('no text of a job or a manifest acts on the page, closes the comment’s marker, or calls anybody', () => {
  const evil = '<img src=x> @all | [x](https://evil.example) `code` --> \n\n# head';
  const text = reportText({
    ...base,
    rows: [{ job: 'a', state: 'failed', message: evil, ms: 5 }],
    problems: [{ file: evil, line: 1, column: 1, message: evil }],
    failures: [evil],
    notes: [evil],
    pullRequest: { ...unapproved, base: evil, unused: [evil] },
  });
  for (const bad of ['<img', '@all', '](https', '\n# head', '-->']) assert.not.match(text, bad);
  assert.is(markerOf('a --> b'), '<!-- runledger:pull-request a%20--%3E%20b -->');
  assert.is(markerOf('a', 'source'), '<!-- runledger:source a -->');
});

test('who looks at an unapproved fork is told what was not used, and the line that approves it', () => {
  const rows = [{ job: 'a', state: 'refused', message: 'not approved: spec.env.T', ms: null }] as const;
  const text = reportText({ ...base, verdict: 'refused', rows, pullRequest: unapproved });
  for (const said of ['nobody has approved', 'jobs/a.yaml', `\`/runledger ok ${HEAD}\``, '1 refused'])
    assert.match(text, said);
  const approved = reportText({ ...base, pullRequest: { ...unapproved, trust: { kind: 'approved', by: 'ann' } } });
  assert.match(approved, 'ann has approved');
  assert.not.match(approved, '/runledger ok');
  assert.not.match(reportText({ ...base, pullRequest: { ...unapproved, trust: { kind: 'own' } } }), 'fork');
});

test('a report of ten thousand jobs fits into a comment', () => {
  const rows = Array.from({ length: 10_000 }, (_, index) => ({
    job: `job-${index}-${'x'.repeat(30)}`,
    state: 'failed' as const,
    message: '*'.repeat(500),
    ms: 1,
  }));
  const problems = Array.from({ length: 500 }, () => ({ file: '*'.repeat(300), line: 1, column: 1, message: 'm' }));
  const text = reportText({ ...base, rows, problems, failures: problems.map(({ file }) => file) });
  assert.ok(text.length < 65_000, `${text.length}`);
  assert.match(text, '10000 runs: 10000 failed');
  assert.match(text, 'and 9940 more');
});

const none = { problems: 0, refused: 0, failures: 0, outcomes: [], planned: 0 };
const ended = (...results: readonly Outcome['result'][]) => ({
  outcomes: results.map((result) => ({ result, reason: 'ExitCode' as const })),
});
const verdicts: readonly (readonly [
  string,
  Partial<typeof none> | ReturnType<typeof ended>,
  Verdict,
  boolean,
  boolean,
])[] = [
  ['nothing', {}, 'none', false, false],
  ['a plan', { planned: 2 }, 'planned', false, false],
  ['all well', ended('succeeded', 'skipped'), 'succeeded', false, false],
  ['a warning', ended('succeeded', 'warning'), 'warning', false, true],
  ['all skipped', ended('skipped'), 'skipped', false, true],
  ['the worst counts', ended('succeeded', 'failed', 'timed-out'), 'timed-out', true, true],
  ['cancelled', ended('cancelled', 'succeeded'), 'cancelled', true, true],
  ['a problem beside a success', { ...ended('succeeded'), problems: 1 }, 'invalid', true, true],
  ['a failure is worse than a problem', { ...ended('failed'), problems: 1 }, 'failed', true, true],
  ['a refusal beside a success', { ...ended('succeeded'), refused: 1 }, 'refused', true, true],
  ['what could not be recorded', { ...ended('succeeded'), failures: 1 }, 'error', true, true],
];
for (const [what, findings, verdict, fails, failsStrictly] of verdicts)
  test(`verdict: ${what}`, () => {
    const found = verdictOf({ ...none, ...findings });
    assert.is(found, verdict);
    assert.equal(
      [isFailure(found, 'failed'), isFailure(found, 'warning'), isFailure(found, 'never')],
      [fails, failsStrictly, false],
    );
  });

test('a run that is skipped since what it needs failed, or never ran, is no success', () => {
  assert.is(verdictOf({ ...none, outcomes: [{ result: 'skipped', reason: 'UpstreamFailed' }] }), 'failed');
  const row = { job: 'a', state: 'skipped', message: 'UpstreamFailed: x', ms: null } as const;
  assert.is(statusOf(HEAD, 'c', row, undefined).state, 'failure');
  assert.is(statusOf(HEAD, 'c', { ...row, message: 'ConditionFalse: x' }, undefined).state, 'success');
});

test('a plan’s rows leave out what is left alone, and what the problems tell', () => {
  const actions = [
    { job: 'a', action: 'run', run: 1, reason: 'PullRequest', message: 'runs: jobs/a.yaml has changed' },
    { job: 'b', action: 'none', reason: 'NotTriggered', message: 'nothing: x' },
    { job: 'c', action: 'invalid', reason: 'Invalid', message: 'invalid: x' },
    { job: 'd', action: 'invalid', reason: 'Refused', message: "refused: this runner can't do spec.services" },
  ] as const;
  assert.equal(rowsOfPlan(actions, false), [
    { job: 'a', state: 'run', message: 'jobs/a.yaml has changed', ms: null },
    { job: 'd', state: 'refused', message: "this runner can't do spec.services", ms: null },
  ]);
  assert.is(rowsOfPlan(actions, true)[0]?.run, 1);
});

const on: Job['spec']['on'] = { pullRequest: true };
const secret = { T: { secret: { name: 's', key: 'k' } } };
const refusals: readonly (readonly [string, Partial<Job['spec']>, Partial<Surroundings>, RegExp | undefined])[] = [
  ['plain, in a sandbox', { on }, {}, undefined],
  ['a secret, wherever', { on, env: secret }, {}, /spec\.env\.T refers to a Secret/],
  ['a secret, in pods', { on, env: secret }, { runner: 'kubernetes' }, /Secret/],
  ['files of the head beside credentials', { on }, { isSandboxed: false }, /executes? files of the pull request/],
  ['no files of the head', { on, checkout: false }, { isSandboxed: false }, undefined],
  ['files of the head in pods', { on }, { isSandboxed: false, runner: 'kubernetes' }, undefined],
  [
    'a secret that the configuration gives to every job',
    { on },
    { runner: 'kubernetes', defaults: { env: secret } },
    /defaults\.env\.T of the configuration refers to a Secret/,
  ],
  ['defaults without one', { on }, { runner: 'kubernetes', defaults: { env: { A: 'b' }, pod: {} } }, undefined],
  [
    'a runner with a service account',
    { on, checkout: false, runsOn: 'warm' },
    { runner: 'kubernetes' },
    /service account/,
  ],
];
for (const [what, spec, surroundings, expected] of refusals)
  test(`unapproved: ${what}`, () => {
    const set = { spec: { maxRunners: 1, image: 'x', pod: { serviceAccountName: 'x' } } } as never;
    const all: Surroundings = {
      runner: 'process',
      isSandboxed: true,
      runnerSets: new Map([['warm', set]]),
      ...surroundings,
    };
    const refusal = refusalOf(job('a', 'a', spec), all);
    if (expected === undefined) assert.is(refusal, undefined);
    else assert.match(refusal ?? '', expected);
  });

test('a pull request runs what is meant and allowed; all there is where nobody knows what has changed', () => {
  const jobs = new Map(
    ['a', 'b', 'c'].map((name) => [name, job(name, 'a', { on, ...(name === 'b' ? { env: secret } : {}) })]),
  );
  const pullRequest = { number: 7, base: { sha: 'b'.repeat(40), ref: 'main' } } as never;
  const select = (isComplete: boolean, patterns: readonly string[], kind: 'own' | 'unapproved') => {
    const changed = { paths: ['jobs/a.yaml', 'jobs/b.yaml'], isComplete };
    const subject = { pullRequest, head: HEAD, isStale: false, changed, trust: { kind } } as const;
    const catalog = { jobs, runnerSets: new Map() };
    const { order, refused } = selectFor(subject, catalog, jobMatcher(patterns), {
      runner: 'process',
      isSandboxed: true,
    });
    return [[...order.jobs.keys()], refused.map((row) => row.job)];
  };
  assert.equal(select(true, [], 'own'), [['a', 'b'], []]);
  assert.equal(select(true, [], 'unapproved'), [['a'], ['b']]);
  assert.equal(select(true, ['b'], 'own'), [['b'], []]);
  assert.equal(select(false, ['{a,c}'], 'own'), [['a', 'c'], []]);
});

test('jobs are defined by their manifests and what these draw in', () => {
  const jobs = new Map([['a', job('a', 'a', { files: [{ path: 'x', from: '../bin/x.sh' }] })]]);
  const invalidJobs = new Map([['b', { name: 'b', path: 'jobs/b.yaml', problems: [] }]]);
  const paths = definitionPaths({ jobs, invalidJobs, brokenFiles: new Map([['c.yaml', []]]) });
  assert.equal([...paths].sort(), ['bin/x.sh', 'c.yaml', 'jobs/a.yaml', 'jobs/b.yaml']);
});

test.run();
