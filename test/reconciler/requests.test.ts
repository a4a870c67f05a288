import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Catalog, DesiredJob } from '../../src/job/model.ts';
import { resolveParameters } from '../../src/job/parameters.ts';
import type { FoundRequest } from '../../src/ledger/port.ts';
import {
  answerOf,
  judgeRequests,
  namedRuns,
  type RequestInput,
  type Requested,
} from '../../src/reconciler/requests.ts';
import type { LiveRun } from '../../src/runner/port.ts';
import type { Job, JobStatus, Outcome, Request, Trigger } from '../../src/schemas/index.ts';

const test = suite('requests');
const REVISION = 'a'.repeat(40);

function job(name: string, spec: Partial<Job['spec']> = {}): DesiredJob {
  const manifest: Job = {
    apiVersion: 'runledger.dev/v1',
    kind: 'Job',
    metadata: { name },
    spec: { run: 'true', ...spec },
  };
  return {
    name,
    outline: manifest.spec,
    manifest,
    path: `jobs/${name}.yaml`,
    position: { line: 1, column: 1 },
    digest: `v1:${'a'.repeat(64)}`,
  };
}

function live(name: string, run: number, trigger: Trigger, more: Partial<LiveRun> = {}): LiveRun {
  const record = { job: name, run, trigger, params: { REGION: 'us', OLD: 'x' } } as unknown as LiveRun['record'];
  return { record, mine: true, attempts: [], held: true, ...more };
}

const COMMIT: Trigger = { kind: 'commit', revision: REVISION };

let ids = 0;
function asked(request: Partial<Request>, id = `r-${(ids += 1)}`): FoundRequest {
  const whole: Request = {
    apiVersion: 'runledger.dev/v1',
    kind: 'Request',
    action: 'rerun',
    job: 'a',
    requestedBy: 'Ada',
    at: '2026-11-20T08:15:00Z',
    ...request,
  };
  return { id, path: `requests/${id}.yaml`, version: 'b'.repeat(40), request: whole };
}

interface World {
  readonly jobs?: readonly DesiredJob[];
  readonly catalog?: Partial<Catalog>;
  readonly status?: Partial<JobStatus>;
  readonly live?: readonly LiveRun[];
  readonly named?: RequestInput['named'];
  readonly refuses?: readonly string[];
}

const PARAMETERS = { parameters: { REGION: { default: 'eu', enum: ['eu', 'us'] } } };

function judge(found: readonly FoundRequest[], world: World = {}): Requested {
  const jobs = world.jobs ?? [job('a', PARAMETERS)];
  const status = {
    nextRun: 13,
    lastRuns: [],
    source: { path: 'jobs/a.yaml' },
    ...world.status,
  } as unknown as JobStatus;
  return judgeRequests({
    requests: new Map(found.map((one) => [one.path, one])),
    catalog: {
      jobs: new Map(jobs.map((one) => [one.name, one])),
      invalidJobs: new Map(),
      brokenFiles: new Map(),
      ...world.catalog,
    } as unknown as Catalog,
    view: { statuses: new Map([['a', status]]) },
    live: world.live ?? [],
    named: world.named ?? new Map(),
    refuses: () => world.refuses ?? [],
    params: ({ manifest }, given) => resolveParameters(manifest.spec, given),
  });
}

const refusal = (found: FoundRequest, world: World = {}): string => {
  const { reruns, cancels, answers } = judge([found], world);
  assert.equal([reruns, cancels], [[], []]);
  assert.is(answers.length, 1);
  assert.is(answers[0]?.verdict, 'refused');
  assert.is(answers[0]?.version, found.version);
  return answers[0]?.message ?? '';
};

test('no request, nothing to do', () => {
  assert.equal(judge([]), { reruns: [], cancels: [], answers: [] });
});

test('a rerun takes the parameters of the run that it names, and its own over them', () => {
  const named = new Map([['a/12', { params: { REGION: 'us', OLD: 'gone from the job' } }]]);
  const { reruns, answers } = judge([asked({ run: 12 }, 'r')], { named });
  assert.equal(answers, []);
  assert.equal(reruns, [{ job: 'a', id: 'r', args: [], requestedBy: 'Ada', params: { REGION: 'us' }, rerunOf: 12 }]);
  const [over] = judge([asked({ run: 12, params: { REGION: 'eu' } })], { named }).reruns;
  assert.equal(over?.params, { REGION: 'eu' });
  assert.equal(judge([asked({})]).reruns[0]?.params, {}, 'the defaults where it names none');
});

test('what can not be run is refused with the reason', () => {
  assert.is(refusal(asked({ job: 'aa' })), 'there is no job "aa"; did you mean "a"?');
  assert.is(refusal(asked({ run: 77 })), 'a has no run 77');
  assert.match(refusal(asked({ run: 3 })), /^run 3 has left the ledger/);
  assert.match(refusal(asked({ params: { REGION: 'mars' } })), /REGION: "mars"/);
  assert.match(refusal(asked({ params: { REGON: 'us' } })), /no parameter "REGON"; did you mean "REGION"\?/);
  assert.match(refusal(asked({}), { refuses: ['spec.services'] }), /this runner can't do spec\.services/);
  const fan = [job('a', { tasks: ['api', 'browser'] })];
  assert.is(
    refusal(asked({ tasks: ['browsr'] }), { jobs: fan }),
    'the job has no task "browsr"; did you mean "browser"?',
  );
  assert.is(
    refusal(asked({ tasks: ['qqqqqq'] }), { jobs: fan }),
    'the job has no task "qqqqqq"; it has api and browser',
  );
  const problems = [{ file: 'jobs/a.yaml', line: 3, column: 1, message: 'is wrong' }];
  const invalidJobs = new Map([['a', { name: 'a', path: 'jobs/a.yaml', problems }]]);
  assert.is(
    refusal(asked({}), { jobs: [], catalog: { invalidJobs } }),
    'its manifest is invalid: jobs/a.yaml:3:1: is wrong',
  );
  const brokenFiles = new Map([['jobs/a.yaml', problems]]);
  assert.match(refusal(asked({}), { jobs: [], catalog: { brokenFiles } }), /manifest is invalid/);
  const malformed: FoundRequest = {
    id: 'x',
    path: 'requests/x',
    version: 'c'.repeat(40),
    problem: 'requests/x: is not a file',
  };
  assert.is(refusal(malformed), 'requests/x: is not a file');
});

test('a run that a request has led to keeps it as it is, whatever the job says by now', () => {
  const taken = live('a', 13, { kind: 'request', id: 'r' });
  const gone = judge([asked({}, 'r')], { jobs: [], live: [taken] });
  assert.equal([gone.answers.length, gone.reruns.length], [0, 1]);
  const lastRuns = [
    { run: 12, result: 'failed', trigger: { kind: 'request', id: 'r' } },
  ] as unknown as JobStatus['lastRuns'];
  const again = judge([asked({}, 'r')], { status: { lastRuns } });
  assert.equal(again.reruns, []);
  assert.equal([again.answers[0]?.verdict, again.answers[0]?.message], ['executed', 'a/12: failed']);
});

test('a cancel names every run that is meant, and only those that were not told yet', () => {
  const runs = [
    live('a', 11, COMMIT, { cancelled: 'Superseded' }),
    live('a', 12, COMMIT),
    live('a', 13, COMMIT),
    live('b', 1, COMMIT),
  ];
  const all = judge([asked({ action: 'cancel' })], { live: runs });
  assert.equal(all.cancels, [
    { job: 'a', run: 12, requestedBy: 'Ada' },
    { job: 'a', run: 13, requestedBy: 'Ada' },
  ]);
  assert.equal([all.answers[0]?.verdict, all.answers[0]?.message], ['accepted', 'runs 11, 12 and 13 are cancelled']);
  const one = judge([asked({ action: 'cancel', run: 12 })], { live: runs });
  assert.equal(
    one.cancels.map(({ run }) => run),
    [12],
  );
  const told = judge([asked({ action: 'cancel', run: 11 })], { live: runs });
  assert.equal(told.cancels, []);
  assert.is(told.answers[0]?.message, 'run 11 is being cancelled already');
});

test('a cancel of what does not run is refused', () => {
  assert.is(refusal(asked({ action: 'cancel' })), 'no run of a is queued or running');
  assert.is(refusal(asked({ action: 'cancel', run: 77 })), 'a has no run 77');
  const lastRuns = [{ run: 12, result: 'succeeded', trigger: COMMIT }] as unknown as JobStatus['lastRuns'];
  assert.is(refusal(asked({ action: 'cancel', run: 12 }), { status: { lastRuns } }), 'run 12 has ended: succeeded');
  assert.is(refusal(asked({ action: 'cancel', run: 3 })), 'run 3 has ended');
  assert.is(refusal(asked({ action: 'cancel', job: 'b' })), 'there is no job "b"; did you mean "a"?');
});

test('the runs that are named come from claims, then from outcomes; one that can not be read is none', async () => {
  const found = [asked({ run: 12 }), asked({ run: 13 }), asked({ run: 5 }), asked({ action: 'cancel', run: 1 })];
  const requests = new Map(found.map((one) => [one.path, one]));
  const outcome = async (_job: string, run: number): Promise<Outcome | undefined> => {
    if (run === 5) throw new Error('damaged');
    return { params: { REGION: `of ${run}` } } as unknown as Outcome;
  };
  const named = await namedRuns(requests, { view: { outcome }, live: [live('a', 13, COMMIT)] });
  assert.equal(Object.fromEntries(named), {
    'a/12': { params: { REGION: 'of 12' } },
    'a/13': { params: { REGION: 'us', OLD: 'x' } },
  });
});

test('an outcome answers the request that its run comes from', () => {
  const outcome = { job: 'a', run: 13, result: 'failed', trigger: { kind: 'request', id: 'r' } } as unknown as Outcome;
  assert.equal(answerOf(outcome), {
    answered: [{ id: 'r', path: 'requests/r.yaml', verdict: 'executed', message: 'a/13: failed' }],
  });
  assert.equal(answerOf({ ...outcome, trigger: COMMIT }), {});
});

test.run();
