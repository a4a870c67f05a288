import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { jobsOfPullRequest } from '../../src/reconciler/pull-request.ts';
import type { Job } from '../../src/schemas/index.ts';
import { job } from './world.ts';

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

test.run();
