import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { convert, jobOf, problemsOf, specOf } from './world.ts';

const test = suite('from kubernetes');

/** A Job with these fields in its spec, its pod and its container. */
const job = (spec: object = {}, pod: object = {}, container: object = {}): string =>
  JSON.stringify({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'a' },
    spec: {
      ...spec,
      template: {
        spec: {
          restartPolicy: 'Never',
          containers: [{ name: 'a', image: 'a', command: ['/a'], ...container }],
          ...pod,
        },
      },
    },
  });

const cronJob = (spec: object): string => {
  const { spec: jobTemplate } = { spec: JSON.parse(job()) as { spec: object } };
  return JSON.stringify({
    apiVersion: 'batch/v1',
    kind: 'CronJob',
    metadata: { name: 'a' },
    spec: { schedule: '0 2 * * *', jobTemplate: { spec: jobTemplate.spec }, ...spec },
  });
};

const convertsTo: readonly (readonly [what: string, text: string, fields: Readonly<Record<string, unknown>>])[] = [
  ['no backoffLimit', job(), { retry: { limit: 6, infrastructure: 6 }, timeouts: { run: '1d' } }],
  ['a deadline', job({ activeDeadlineSeconds: 90 }), { timeouts: { run: '1m30s' } }],
  [
    'the deadline of a pod',
    job({ activeDeadlineSeconds: 90 }, { activeDeadlineSeconds: 60 }),
    { timeouts: { run: '1m' } },
  ],
  ['a grace', job({}, { terminationGracePeriodSeconds: 5 }), { timeouts: { run: '1d', grace: '5s' } }],
  ['suspended', job({ suspend: true }), { suspend: true }],
  ['no parallelism', job({ parallelism: 0 }), { suspend: true }],
  ['completions', job({ completions: 3, parallelism: 2 }), { tasks: ['0', '1', '2'], maxParallel: 2 }],
  ['a user', job({}, { securityContext: { runAsUser: 7 } }), { user: 7, pod: undefined }],
  [
    'disruptions that end it',
    job({ podFailurePolicy: { rules: [{ action: 'FailJob', onPodConditions: [{ type: 'DisruptionTarget' }] }] } }),
    { retry: { limit: 6, infrastructure: 0 } },
  ],
  [
    'root',
    job({}, {}, { securityContext: { runAsUser: 0, runAsNonRoot: false } }),
    { steps: [{ name: 'a', command: ['/a'], user: 0 }] },
  ],
  ['Allow', cronJob({}), { concurrency: { policy: 'allow' }, on: { schedule: { cron: '0 2 * * *' } } }],
  [
    'a time zone in the schedule',
    cronJob({ schedule: 'CRON_TZ=Europe/Zurich 0 3 * * *' }),
    { on: { schedule: { cron: '0 3 * * *', timeZone: 'Europe/Zurich' } } },
  ],
  ['Forbid', cronJob({ concurrencyPolicy: 'Forbid' }), { concurrency: { policy: 'skip' } }],
  [
    'a deadline of the start',
    cronJob({ startingDeadlineSeconds: 60 }),
    { on: { schedule: { cron: '0 2 * * *', deadline: '1m' } } },
  ],
  [
    'variables that name others',
    job(
      {},
      {},
      {
        args: ['$(A)/$(B)/$(C)/$$(A)'],
        env: [
          { name: 'A', value: 'x' },
          { name: 'B', value: '$(A)y' },
        ],
      },
    ),
    { steps: [{ name: 'a', command: ['/a'], args: ['x/xy/$(C)/$(A)'], env: { A: 'x', B: 'xy' } }] },
  ],
  [
    'resources of several steps',
    job(
      {},
      {
        initContainers: [
          { name: 'b', image: 'b', command: ['/b'], resources: { limits: { cpu: '1', memory: '1Gi' } } },
        ],
      },
      { resources: { limits: { cpu: '500m', memory: '2Gi' } } },
    ),
    { resources: { limits: { cpu: '1', memory: '2Gi' } } },
  ],
];

for (const [what, text, fields] of convertsTo)
  test(what, () => {
    const spec: Readonly<Record<string, unknown>> = { ...specOf('kubernetes', text) };
    for (const [key, value] of Object.entries(fields)) assert.equal(spec[key], value, key);
  });

const refused: readonly (readonly [what: string, text: string, message: RegExp])[] = [
  ['a work queue', job({ parallelism: 3 }), /1:\d+: spec\.parallelism: .*queue.*write the tasks out/],
  ['too many completions', job({ completions: 257 }), /spec\.completions: .*256/],
  [
    'exit codes that are not tried again',
    job({ podFailurePolicy: { rules: [{ action: 'FailJob', onExitCodes: { operator: 'In', values: [3] } }] } }),
    /rules\[0\]\.action: .*retry\.on/,
  ],
  ['host network', job({}, { hostNetwork: true }), /hostNetwork: .*apart from their nodes/],
  ['a volume of the node', job({}, { volumes: [{ name: 'x', hostPath: { path: '/' } }] }), /no valid job: .*hostPath/],
  ['a privileged container', job({}, {}, { securityContext: { privileged: true } }), /no valid job: .*privileged/],
  ['a lifecycle', job({}, {}, { lifecycle: { preStop: {} } }), /lifecycle: .*hooks/],
  [
    'a Secret in an argument',
    job({}, {}, { args: ['$(T)'], env: [{ name: 'T', valueFrom: { secretKeyRef: { name: 'a', key: 'b' } } }] }),
    /args: \$\(T\) is filled in by Kubernetes/,
  ],
  [
    'containers side by side',
    job(
      {},
      {
        containers: [
          { name: 'a', image: 'a', command: ['/a'] },
          { name: 'b', image: 'b' },
        ],
      },
    ),
    /containers\[1\]\.name: .*side by side/,
  ],
  [
    'a slip of the pen',
    job({ backoffLimits: 2 }),
    /spec\.backoffLimits: a field that is not known.*did you mean "backoffLimit"/,
  ],
  ['a schedule that is none', cronJob({ schedule: '@every 5m' }), /spec\.schedule: /],
  ['another version', job().replace('batch/v1', 'batch/v2'), /apiVersion: "batch\/v2" is not known/],
  ['a Job in name only', JSON.stringify({ apiVersion: 'batch/v1', kind: 'Job' }), /spec: is missing/],
];

for (const [what, text, message] of refused)
  test(`${what} is refused, with its place`, () => {
    const problems = problemsOf('kubernetes', text);
    assert.ok(
      problems.some((problem) => message.test(problem)),
      problems.join('\n'),
    );
    for (const problem of problems) assert.match(problem, /^job\.yaml:1:\d+: /);
  });

test('with --allow-todo a loss is a comment, and an error stays one', () => {
  const { jobs, problems } = convert('kubernetes', job({ parallelism: 3, completions: undefined }), true);
  assert.is(problems.length, 0);
  assert.match(jobs[0]?.text ?? '', /^# TODO\(convert\): not carried over: spec\.parallelism: /);
  assert.is(convert('kubernetes', job({ completions: 257 }), true).jobs.length, 0);
});

test('a job that fails to convert keeps none of the others', () => {
  const text = `${job()}\n---\n${job({ parallelism: 3 }).replace('"a"', '"b"')}\n---\n${job().replace('"a"', '"c"')}`;
  const { jobs, problems } = convert('kubernetes', text);
  assert.equal(
    jobs.map(({ name, line }) => `${name}:${line}`),
    ['a:1', 'c:5'],
  );
  assert.is(problems.length, 1);
  assert.is(problems[0]?.line, 3);
});

test('an image that starts by itself becomes a step that fails until it is written', () => {
  const { steps } = specOf('kubernetes', job({}, {}, { command: undefined, args: ["it's"] }));
  assert.match(steps?.[0]?.run ?? '', /exit 1\n$/);
});

test('what is left of a container goes to the overlay, under the name of its step', () => {
  const { pod } = specOf(
    'kubernetes',
    job(
      {},
      { volumes: [{ name: 'v', emptyDir: {} }] },
      { volumeMounts: [{ name: 'v', mountPath: '/v' }], envFrom: [{ secretRef: { name: 's' } }] },
    ),
  );
  assert.equal(pod?.containers, [
    { name: 'a', volumeMounts: [{ name: 'v', mountPath: '/v' }], envFrom: [{ secretRef: { name: 's' } }] },
  ]);
});

test('names are made to fit', () => {
  assert.is(
    jobOf('kubernetes', job().replace('"name":"a"', `"name":"${'Long.Name-'.repeat(7)}"`)).metadata.name.length <= 40,
    true,
  );
});

test.run();
