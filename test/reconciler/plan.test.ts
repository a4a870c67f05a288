import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { DesiredJob } from '../../src/job/model.ts';
import type { LiveRun } from '../../src/runner/port.ts';
import { manifestFacts } from '../../src/reconciler/facts.ts';
import { plan, type PlanInput } from '../../src/reconciler/plan.ts';
import { attempt, exited, job, live, NOW, REVISION, status, summary, world } from './world.ts';

const running = (desired: DesiredJob, run: number): LiveRun => live(desired, run, { attempts: [attempt(null)] });
const ended = (desired: DesiredJob, run: number): LiveRun => live(desired, run, { attempts: [attempt(exited(0))] });

const lines = (input: PlanInput): readonly string[] =>
  plan(input).map(
    ({ job: name, action, run, reason, message }) =>
      `${name} ${action}${run === undefined ? '' : ` ${run}`} ${reason} | ${message}`,
  );

const problem = { file: 'jobs/b.yaml', line: 3, column: 5, field: 'spec.image', message: 'is missing' };

const test = suite('plan');

test('a job that never ran runs as number 1; an unchanged one does nothing; both in the order of their names', () => {
  assert.equal(lines(world({ jobs: [job('b', 'b'), job('a', 'a')], statuses: [status('b', 5, 'b')] })), [
    'a run 1 New | runs: never ran before',
    'b none 4 Unchanged | nothing: unchanged since run 4',
  ]);
});

test('a changed digest runs under the next number and names the fields, the first five of them', () => {
  const changes = new Map([['a', ['spec.image', 'spec.env.LOG_LEVEL']]]);
  const input = world({ jobs: [job('a', 'b')], statuses: [status('a', 3, 'a')], rest: { changes } });
  assert.equal(lines(input), ['a run 3 Changed | runs: spec changed in 2 fields: spec.image, spec.env.LOG_LEVEL']);
  assert.equal(plan(input)[0]?.changes, ['spec.image', 'spec.env.LOG_LEVEL']);
  const many = new Map([['a', ['a', 'b', 'c', 'd', 'e', 'f', 'g']]]);
  assert.equal(lines(world({ jobs: [job('a', 'b')], statuses: [status('a', 3, 'a')], rest: { changes: many } })), [
    'a run 3 Changed | runs: spec changed in 7 fields: a, b, c, d, e and 2 more',
  ]);
});

test('going back to an older spec runs again, since only the last commit run counts', () => {
  const back = world({ jobs: [job('a', 'a')], statuses: [status('a', 3, 'b')] });
  assert.equal(lines(back), ['a run 3 Changed | runs: spec changed']);
});

test('a live commit run counts as the last one, so that its digest starts nothing while it is not recorded yet', () => {
  const desired = job('a', 'b');
  assert.equal(lines(world({ jobs: [desired], statuses: [status('a', 3, 'a')], live: [running(desired, 3)] })), [
    'a wait 3 AlreadyRunning | nothing: run 3 is running',
  ]);
  assert.equal(lines(world({ jobs: [desired], statuses: [status('a', 3, 'a')], live: [ended(desired, 3)] })), [
    'a record 3 Ended | records: run 3 has ended and is recorded',
  ]);
  assert.equal(lines(world({ jobs: [desired], statuses: [status('a', 3, 'a')], live: [live(desired, 3)] })), [
    'a wait 3 AlreadyRunning | nothing: run 3 is queued',
  ]);
});

test('a change during a run gets the next number at once, and waits there', () => {
  const before = job('a', 'a');
  const after = job('a', 'b');
  for (const run of [live(before, 1), running(before, 1), ended(before, 1)])
    assert.equal(lines(world({ jobs: [after], live: [run] })), ['a run 2 Changed | runs: spec changed']);
  assert.equal(lines(world({ jobs: [after], live: [running(before, 1), live(after, 2)] })), [
    'a wait 1 AlreadyRunning | nothing: run 1 is running',
  ]);
  assert.equal(
    lines(world({ jobs: [before], live: [running(before, 1), live(after, 2)] })),
    ['a run 3 Changed | runs: spec changed'],
    'the newest commit run is what counts',
  );
});

test('a run that another process has ended is waited for, never recorded twice', () => {
  const desired = job('a', 'a');
  assert.equal(lines(world({ jobs: [desired], live: [{ ...ended(desired, 1), mine: false }] })), [
    'a wait 1 AlreadyRunning | nothing: run 1 is running',
  ]);
});

test('a run whose claim alone is there goes on under its number while the job still says it', () => {
  const before = job('a', 'a');
  const claimed = live(before, 1, { held: false });
  assert.equal(lines(world({ jobs: [before], live: [claimed] })), [
    'a wait 1 AlreadyRunning | nothing: run 1 is queued',
  ]);
  assert.equal(lines(world({ jobs: [job('a', 'b')], live: [claimed] })), [
    'a record 1 Superseded | records: the job has changed before run 1 was started',
    'a run 2 Changed | runs: spec changed',
  ]);
  assert.equal(
    lines(world({ jobs: [job('a', 'b')], live: [{ ...claimed, mine: false }] })),
    ['a run 2 Changed | runs: spec changed'],
    'another process’ run is its own',
  );
});

test('a digest that was passed over runs again only at another revision', () => {
  const desired = job('a', 'b');
  const passedOver = summary(3, { result: 'cancelled', reason: 'Superseded', digest: desired.digest });
  const known = status('a', 4, 'a', { lastRuns: [passedOver] });
  assert.equal(
    plan(world({ jobs: [desired], statuses: [known] })).map(({ action }) => action),
    ['none'],
  );
  const elsewhere = world({ jobs: [desired], statuses: [known], catalog: { revision: 'b'.repeat(40) } });
  assert.equal(
    plan(elsewhere).map(({ action }) => action),
    ['run'],
  );
});

test('suspended, refused and request-only jobs say so; a request runs a suspended job all the same', () => {
  const suspended = job('a', 'a', { suspend: true });
  assert.equal(lines(world({ jobs: [suspended] })), ['a suspended Suspended | suspended: spec.suspend is true']);
  const request = { job: 'a', id: 'r1', params: {}, args: [] };
  assert.equal(lines(world({ jobs: [suspended], rest: { requests: [request], triggers: false } })), [
    'a run 1 Requested | runs: requested',
  ]);
  assert.equal(lines(world({ jobs: [job('a', 'a')], rest: { refuses: () => ['spec.services'] } })), [
    "a invalid Refused | refused: this runner can't do spec.services; use --runner kubernetes",
  ]);
  assert.equal(lines(world({ jobs: [job('a', 'a', { on: { commit: false } })] })), [
    'a none NotTriggered | nothing: runs on request only',
  ]);
});

test('a request makes one run, ever', () => {
  const desired = job('a', 'a');
  const trigger = { kind: 'request', id: 'r1' } as const;
  const rest = { requests: [{ job: 'a', id: 'r1', params: {}, args: [] }], triggers: false };
  const before = live(desired, 1, { record: { trigger }, attempts: [attempt(exited(0))] });
  assert.equal(
    plan(world({ jobs: [desired], live: [before], rest })).map(({ action }) => action),
    ['record'],
  );
  const recorded = status('a', 2, 'a', { lastRuns: [summary(1, { trigger })] });
  assert.equal(
    plan(world({ jobs: [desired], statuses: [recorded], rest })).map(({ action }) => action),
    ['none'],
  );
});

test('a claim alone is executed as the job is now, but for a commit run, which another one takes the place of', () => {
  const desired = job('a', 'b', { on: {} });
  const triggers = [
    { kind: 'request', id: 'r1' },
    { kind: 'schedule', at: NOW.toISOString() },
    { kind: 'needs', job: 'x', run: 1 },
  ] as const;
  for (const trigger of triggers) {
    const claim = live(job('a', 'a'), 1, { held: false, record: { trigger } });
    const input = world({ jobs: [desired], live: [claim] });
    assert.equal(lines(input), ['a run 1 Interrupted | runs: the job has changed while it waited'], trigger.kind);
    const refused = world({ jobs: [desired], live: [claim], rest: { refuses: () => ['spec.services'] } });
    assert.equal(lines(refused), ['a record 1 Superseded | records: the job has changed before run 1 was started']);
  }
  const commit = live(job('a', 'a'), 1, { held: false });
  assert.equal(lines(world({ jobs: [desired], live: [commit] })), [
    'a record 1 Superseded | records: the job has changed before run 1 was started',
  ]);
  const tasks = live(job('a', 'a'), 1, { held: false, record: { trigger: triggers[0], tasks: ['gone'] } });
  assert.match(lines(world({ jobs: [desired], live: [tasks] }))[0] ?? '', 'Superseded', 'nothing would be left to do');
});

test('invalid manifests are listed with their first problem and start nothing, whatever the ledger says', () => {
  const invalid = { name: 'b', path: 'jobs/b.yaml', problems: [problem, { ...problem, line: 9 }] };
  const input = world({ catalog: { invalidJobs: new Map([['b', invalid]]) }, statuses: [status('b', 2, 'x')] });
  assert.equal(lines(input), ['b invalid Invalid | invalid: jobs/b.yaml:3:5: spec.image: is missing (and 1 more)']);
});

test('a job of a file that does not parse now is invalid and its run goes on; one of a file that is gone is removed', () => {
  const brokenFiles = new Map([['jobs/b.yaml', [problem]]]);
  const broken = world({
    catalog: { brokenFiles },
    statuses: [status('b', 2, 'x')],
    live: [running(job('b', 'x'), 2)],
  });
  assert.equal(lines(broken), ['b invalid Invalid | invalid: jobs/b.yaml:3:5: spec.image: is missing']);
  const first = world({ catalog: { brokenFiles }, live: [running(job('b', 'x'), 1)] });
  assert.equal(lines(first), lines(broken), 'its first run too, of which the ledger knows nothing yet');
  assert.equal(lines(world({ statuses: [status('b', 2, 'x')] })), [
    'b removed Removed | removed: no longer in jobs/b.yaml; its history stays',
  ]);
  const cancelled = { ...running(job('b', 'x'), 2), cancelled: 'JobRemoved' } as const;
  assert.equal(
    lines(world({ statuses: [status('b', 2, 'x')], live: [cancelled] })),
    ['b removed Removed | removed: no longer in jobs/b.yaml; its history stays'],
    'it is cancelled once',
  );
  const gone = world({ statuses: [status('b', 2, 'x')], live: [running(job('b', 'x'), 2)] });
  assert.equal(lines(gone), ['b cancel 2 JobRemoved | cancels: run 2, since the job is no longer in jobs/b.yaml']);
});

test('a removed job is told once; one that comes back keeps its numbers', () => {
  const conditions = [
    { type: 'Ready', status: 'False', reason: 'Removed', message: 'gone', lastTransitionTime: '2026-01-01T00:00:00Z' },
  ] as const;
  const removed = status('b', 4, 'b', { conditions: [...conditions] });
  assert.equal(lines(world({ statuses: [removed] })), []);
  assert.equal(lines(world({ jobs: [job('b', 'c')], statuses: [removed] })), ['b run 4 Changed | runs: spec changed']);
});

test('a plan limited to some jobs names only those', () => {
  const input = world({ jobs: [job('a', 'a'), job('b', 'b')] });
  assert.equal(
    plan(input, ['b']).map((action) => action.job),
    ['b'],
  );
});

test.run();

const facts = suite('facts for statuses');
const AT = '2026-01-01T00:00:00.000Z';

facts('an unchanged job brings no facts, at any revision', () => {
  const [action] = plan(world({ jobs: [job('a', 'a')], statuses: [status('a', 2, 'a')] }));
  assert.is(manifestFacts(action!, status('a', 2, 'a'), 'f'.repeat(40), AT), undefined);
});

facts('what changed about the manifest is told once', () => {
  const known = status('a', 2, 'a');
  const [suspended] = plan(world({ jobs: [job('a', 'a', { suspend: true })], statuses: [known] }));
  assert.is(manifestFacts(suspended!, known, REVISION, AT)?.manifest?.state, 'suspended');
  assert.is(manifestFacts(suspended!, { ...known, phase: 'Suspended' }, REVISION, AT), undefined);
  const [moved] = plan(world({ jobs: [{ ...job('a', 'a'), path: 'other.yaml' }], statuses: [known] }));
  assert.is(manifestFacts(moved!, known, REVISION, AT)?.manifest?.path, 'other.yaml');
  const invalid = { name: 'a', path: 'jobs/a.yaml', problems: [problem] };
  const [broken] = plan(world({ catalog: { invalidJobs: new Map([['a', invalid]]) }, statuses: [known] }));
  assert.equal(manifestFacts(broken!, known, REVISION, AT)?.manifest?.problems, [problem]);
  assert.is(manifestFacts(broken!, { ...known, phase: 'Invalid', problems: [problem] }, REVISION, AT), undefined);
});

facts.run();
