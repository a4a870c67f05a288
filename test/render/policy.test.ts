import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { judgePolicy, violationText } from '../../src/render/policy.ts';
import type { Job, Policy } from '../../src/schemas/index.ts';
import { CONTEXT, FIXTURES, jobWith, readJob, recordOf, renderRun } from './world.ts';

const test = suite('policy');

const judge = (job: Job, policy: Policy, podDefaults = CONTEXT.podDefaults): string => {
  const maxResources = policy.maxResources;
  const { pod } = renderRun(recordOf(job), { podDefaults, ...(maxResources ? { maxResources } : {}) });
  return violationText(judgePolicy({ pod, spec: job.spec, imagePullSecrets: CONTEXT.imagePullSecrets }, policy));
};

test('what runledger renders by itself violates nothing', () => {
  for (const name of FIXTURES) {
    const found = judge(readJob(name), { allowRoot: true, serviceAccounts: ['default', 'reporter'] });
    assert.is(found, '', name);
  }
  const strict: Policy = {
    images: ['busybox'],
    secrets: [],
    serviceAccounts: ['default'],
    maxTimeouts: { run: '1h' },
    maxResources: { cpu: 1, memory: '1Gi' },
  };
  assert.is(judge(readJob('hello'), strict), '');
  assert.is(judge(readJob('report'), strict), '', 'the image of the gate is not the job’s');
});

type Case = readonly [what: string, spec: Job['spec'], policy: Policy, found: string];

const pod = (overlay: NonNullable<Job['spec']['pod']>): Job['spec'] => ({ run: 'x', pod: overlay });
const container = (fields: object): Job['spec'] => pod({ containers: [{ name: 'run', ...fields }] });

const RULED: readonly Case[] = [
  [
    'an image',
    { run: 'x', image: 'evil/tool' },
    { images: ['ghcr.io/acme/*', 'alpine'] },
    'pod.spec.containers[run].image: the policy does not allow docker.io/evil/tool:latest; it allows ghcr.io/acme/*, alpine',
  ],
  [
    'an image of a later step',
    {
      steps: [
        { name: 'a', run: 'x' },
        { name: 'b', run: 'x', image: 'evil' },
      ],
    },
    { images: ['busybox'] },
    'pod.spec.containers[b].image: the policy does not allow docker.io/library/evil:latest; it allows busybox',
  ],
  [
    'a Secret in a variable',
    { run: 'x', env: { T: { secret: { name: 'root', key: 'k' } } } },
    { secrets: ['report*'] },
    'pod.spec.containers[run].env[T]: the policy does not allow the Secret root; it allows report*',
  ],
  [
    'a Secret as a file',
    { run: 'x', files: [{ path: 'a', secret: { name: 'root', key: 'k' } }] },
    { secrets: [] },
    'pod.spec.volumes[runledger-files]: the policy does not allow the Secret root; it allows none',
  ],
  [
    'a Secret as a volume',
    pod({ volumes: [{ name: 'v', secret: { secretName: 'root' } }] }),
    { secrets: ['a'] },
    'pod.spec.volumes[v]: the policy does not allow the Secret root; it allows a',
  ],
  [
    'a Secret in a projected volume',
    pod({ volumes: [{ name: 'v', projected: { sources: [{ secret: { name: 'root' } }] } }] }),
    { secrets: ['a'] },
    'pod.spec.volumes[v]: the policy does not allow the Secret root; it allows a',
  ],
  [
    'a Secret of a CSI driver',
    pod({ volumes: [{ name: 'v', csi: { driver: 'd', nodePublishSecretRef: { name: 'root' } } }] }),
    { secrets: ['a'] },
    'pod.spec.volumes[v]: the policy does not allow the Secret root; it allows a',
  ],
  [
    'a whole Secret as variables',
    container({ envFrom: [{ secretRef: { name: 'root' } }] }),
    { secrets: ['a'] },
    'pod.spec.containers[run].envFrom: the policy does not allow the Secret root; it allows a',
  ],
  [
    'a Secret in a variable of the overlay',
    container({ env: [{ name: 'T', valueFrom: { secretKeyRef: { name: 'root', key: 'k' } } }] }),
    { secrets: ['a'] },
    'pod.spec.containers[run].env[T]: the policy does not allow the Secret root; it allows a',
  ],
  [
    'a pull secret',
    pod({ imagePullSecrets: [{ name: 'root' }] }),
    { secrets: ['a'] },
    'pod.spec.imagePullSecrets: the policy does not allow the Secret root; it allows a',
  ],
  [
    'an account',
    pod({ serviceAccountName: 'admin' }),
    {},
    'pod.spec.serviceAccountName: the policy does not allow the service account admin; it allows default',
  ],
  [
    'the default account, where it is not listed',
    { run: 'x' },
    { serviceAccounts: ['reporter'] },
    'pod.spec.serviceAccountName: the policy does not allow the service account default; it allows reporter',
  ],
  [
    'root',
    { run: 'x', user: 0 },
    {},
    'pod.spec.containers[run].securityContext.runAsUser: the policy allows no root; write user: with another number',
  ],
  [
    'root by the overlay of a container',
    container({ securityContext: { runAsUser: 0 } }),
    {},
    'pod.spec.containers[run].securityContext.runAsUser: the policy allows no root; write user: with another number',
  ],
  [
    'root by the overlay of the pod',
    pod({ securityContext: { runAsUser: 0 } }),
    {},
    'pod.spec.securityContext.runAsUser: the policy allows no root; write user: with another number',
  ],
  [
    'a time-out',
    { run: 'x', timeouts: { run: '90m', grace: '5s' } },
    { maxTimeouts: { run: '1h', grace: '5s' } },
    'spec.timeouts.run: 1h30m is longer than the policy allows; write 1h or less',
  ],
  [
    'a time-out by default',
    { run: 'x' },
    { maxTimeouts: { run: '30m' } },
    'spec.timeouts.run: 1h is longer than the policy allows; write 30m or less',
  ],
  [
    'a request',
    { run: 'x', resources: { requests: { cpu: 9 }, limits: { cpu: 8 } } },
    { maxResources: { cpu: '8' } },
    'pod.spec.containers[*].resources.requests.cpu: the policy allows 8 in all; write no more',
  ],
  [
    'a limit',
    { run: 'x', resources: { requests: { memory: 0 }, limits: { memory: '64Gi' } } },
    { maxResources: { memory: '32Gi' } },
    'pod.spec.containers[*].resources.limits.memory: the policy allows 32Gi in all; write no more',
  ],
  [
    'devices of all steps together',
    {
      steps: [
        { name: 'a', run: 'x' },
        { name: 'b', run: 'x' },
      ],
      resources: { limits: { 'nvidia.com/gpu': 1 } },
    },
    { maxResources: { 'nvidia.com/gpu': 1 } },
    'pod.spec.containers[*].resources.requests.nvidia.com/gpu: the policy allows 1 in all; write no more; pod.spec.containers[*].resources.limits.nvidia.com/gpu: the policy allows 1 in all; write no more',
  ],
  [
    'a limit that the overlay takes away',
    container({ resources: { limits: { memory: null } } }),
    { maxResources: { memory: '1Gi' } },
    'pod.spec.containers[run].resources.limits.memory: has no limit, and the policy allows 1Gi in all; write resources.limits.memory',
  ],
];

for (const [what, spec, policy, found] of RULED)
  test(`refuses ${what}`, () => assert.is(judge(jobWith(spec), policy), found));

const NEVER: readonly (readonly [overlay: NonNullable<Job['spec']['pod']>, found: RegExp])[] = [
  [{ restartPolicy: 'Always' }, /^spec\.pod\.restartPolicy: a job may not set it; write spec\.retry/],
  [{ nodeName: 'node' }, /^spec\.pod\.nodeName: .*nodeSelector/],
  [{ activeDeadlineSeconds: 1 }, /^spec\.pod\.activeDeadlineSeconds: .*spec\.timeouts\.run/],
  [{ terminationGracePeriodSeconds: 1 }, /^spec\.pod\.terminationGracePeriodSeconds: /],
  [{ priority: 1 }, /^spec\.pod\.priority: /],
  [{ priorityClassName: 'x' }, /^spec\.pod\.priorityClassName: /],
  [{ schedulerName: 'x' }, /^spec\.pod\.schedulerName: /],
  [{ hostNetwork: true }, /^spec\.pod\.hostNetwork: .*; pod\.spec\.hostNetwork: /],
  [{ hostPID: true }, /hostPID/],
  [{ hostIPC: true }, /hostIPC/],
  [{ shareProcessNamespace: true }, /^spec\.pod\.shareProcessNamespace: /],
  [{ initContainers: [] }, /^spec\.pod\.initContainers: .*write a step/],
  [{ ephemeralContainers: [] }, /^spec\.pod\.ephemeralContainers: /],
  [{ schedulingGates: [{ name: 'x' }] }, /^spec\.pod\.schedulingGates: /],
  [{ constructor: 'x' }, /^spec\.pod\.constructor: a job may not set it; leave it out$/],
  [{ $patch: 'replace' }, /^spec\.pod\.\$patch: directives have no meaning/],
  [{ containers: [{ name: 'run', $patch: 'delete' }] }, /^spec\.pod\.containers\.0\.\$patch: /],
  [
    { volumes: [{ name: 'v', hostPath: { path: '/' } }] },
    /^pod\.spec\.volumes\[v\]: volumes of type hostPath are not allowed/,
  ],
  [{ volumes: [{ name: 'v', nfs: { server: 's', path: '/' } }] }, /^pod\.spec\.volumes\[v\]: /],
  [
    { volumes: [{ name: 'runledger-payload', emptyDir: {} }] },
    /^spec\.pod\.volumes\[runledger-payload\]: this volume belongs/,
  ],
  [{ volumes: [{ name: 'runledger-state', emptyDir: {} }] }, /^spec\.pod\.volumes\[runledger-state\]: /],
  [
    { containers: [{ name: 'side', image: 'x' }] },
    /^spec\.pod\.containers\[side\]: the job has no step of this name; it has run/,
  ],
  [{ containers: [{ name: 'run', command: ['x'] }] }, /^spec\.pod\.containers\[run\]\.command: .*write run or command/],
  [{ containers: [{ name: 'run', args: ['x'] }] }, /\.args: /],
  [{ containers: [{ name: 'run', image: 'x' }] }, /\.image: .*write image in the step/],
  [{ containers: [{ name: 'run', lifecycle: { postStart: {} } }] }, /\.lifecycle: /],
  [{ containers: [{ name: 'run', livenessProbe: {} }] }, /\.livenessProbe: /],
  [{ containers: [{ name: 'run', terminationMessagePath: '/x' }] }, /\.terminationMessagePath: /],
  [{ containers: [{ name: 'run', env: [{ name: 'RUNLEDGER_RUN', value: '1' }] }] }, /env\[RUNLEDGER_RUN\]: /],
  [
    { containers: [{ name: 'run', volumeMounts: [{ name: 'v', mountPath: '/runledger/payload' }] }] },
    /volumeMounts\[\/runledger\/payload\]: this path belongs/,
  ],
  [
    { containers: [{ name: 'run', volumeMounts: [{ name: 'v', mountPath: '/x/..//runledger/./payload/' }] }] },
    /volumeMounts\[\/runledger\/payload\]: this path belongs/,
  ],
  [{ containers: [{ name: 'run', volumeMounts: [{ name: 'v', mountPath: '/' }] }] }, /this path belongs/],
  [
    { containers: [{ name: 'run', volumeMounts: [{ name: 'v', mountPath: '/dev/termination-log' }] }] },
    /this path belongs/,
  ],
  [
    { containers: [{ name: 'run', volumeMounts: [{ name: 'runledger-payload', mountPath: '/x' }] }] },
    /the volume runledger-payload belongs/,
  ],
  [{ containers: [{ name: 'run', securityContext: { privileged: true } }] }, /privileged: is not allowed/],
  [
    { containers: [{ name: 'run', securityContext: { allowPrivilegeEscalation: true } }] },
    /allowPrivilegeEscalation: has to be false/,
  ],
  [
    { containers: [{ name: 'run', securityContext: { capabilities: { add: ['NET_ADMIN'] } } }] },
    /capabilities\.add: NET_ADMIN/,
  ],
  [{ containers: [{ name: 'run', securityContext: { capabilities: null } }] }, /capabilities\.drop: has to hold ALL/],
  [{ containers: [{ name: 'run', securityContext: { runAsNonRoot: false } }] }, /runAsNonRoot: has to be true/],
  [
    { containers: [{ name: 'run', securityContext: { seccompProfile: { type: 'Unconfined' } } }] },
    /seccompProfile: is switched off/,
  ],
  [{ containers: [{ name: 'run', securityContext: { procMount: 'Unmasked' } }] }, /procMount: /],
  [{ containers: [{ name: 'run', securityContext: { seLinuxOptions: { type: 'spc_t' } } }] }, /seLinuxOptions: /],
  [
    { containers: [{ name: 'run', securityContext: { appArmorProfile: { type: 'Unconfined' } } }] },
    /appArmorProfile: /,
  ],
  [{ containers: [{ name: 'run', ports: [{ containerPort: 80, hostPort: 80 }] }] }, /hostPort: /],
  [{ securityContext: { seccompProfile: null } }, /seccompProfile: is missing/],
  [{ securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '1' }] } }, /sysctls\[kernel\.msgmax\]: /],
];

for (const [overlay, found] of NEVER)
  test(`refuses pod: ${JSON.stringify(overlay)}`, () => assert.match(judge(jobWith(pod(overlay)), {}), found));

const ALLOWED: readonly NonNullable<Job['spec']['pod']>[] = [
  {
    nodeSelector: { a: 'b' },
    tolerations: [],
    affinity: {},
    runtimeClassName: 'gvisor',
    hostAliases: [],
    dnsConfig: {},
  },
  {
    volumes: [{ name: 'cache', persistentVolumeClaim: { claimName: 'c' } }],
    containers: [{ name: 'run', volumeMounts: [{ name: 'cache', mountPath: '/runledger/workspace/.cache' }] }],
  },
  { volumes: [{ name: 'runledger-workspace', ephemeral: {} }] },
  {
    containers: [
      {
        name: 'run',
        env: [{ name: 'A', value: '1' }],
        resources: { limits: { memory: '1Gi' } },
        imagePullPolicy: 'Always',
      },
    ],
  },
  {
    containers: [
      { name: 'run', securityContext: { readOnlyRootFilesystem: true, capabilities: { add: ['NET_BIND_SERVICE'] } } },
    ],
  },
];

for (const overlay of ALLOWED)
  test(`allows pod: ${JSON.stringify(overlay)}`, () => assert.is(judge(jobWith(pod(overlay)), {}), ''));

test('a policy that allows root allows nothing else besides', () => {
  assert.is(judge(jobWith({ run: 'x', user: 0 }), { allowRoot: true }), '');
  const job = jobWith({ user: 0, ...container({ securityContext: { privileged: true } }) });
  assert.match(
    judge(job, { allowRoot: true }),
    /^pod\.spec\.containers\[run\]\.securityContext\.privileged: [^;]*; leave it out$/,
  );
});

test('the configuration may set what a job may not', () => {
  assert.is(judge(jobWith({ run: 'x' }), {}, { priorityClassName: 'batch', schedulerName: 'other' }), '');
});

test('the limits of steps do not add up, since one runs at a time', () => {
  const steps = ['a', 'b', 'c'].map((name) => ({ name, run: 'x' }));
  const job = jobWith({ steps, resources: { requests: { memory: '4Gi' }, limits: { memory: '4Gi' } } });
  assert.is(judge(job, { maxResources: { memory: '4Gi', cpu: 2 } }), '');
});

const SERVICE_CASES: readonly Case[] = [
  [
    'an image of a service',
    { run: 'x', services: { db: { image: 'evil' } } },
    { images: ['busybox'] },
    'pod.spec.containers[db].image: the policy does not allow docker.io/library/evil:latest; it allows busybox',
  ],
  [
    'a Secret of a service',
    { run: 'x', services: { db: { image: 'x', env: { P: { secret: { name: 'root', key: 'k' } } } } } },
    { secrets: [] },
    'pod.spec.containers[db].env[P]: the policy does not allow the Secret root; it allows none',
  ],
  [
    'a service that is root',
    { run: 'x', services: { db: { image: 'x', user: 0 } } },
    {},
    'pod.spec.containers[db].securityContext.runAsUser: the policy allows no root; write user: with another number',
  ],
  [
    'a service without a limit',
    { run: 'x', services: { db: { image: 'x' } } },
    { maxResources: { memory: '1Gi' } },
    'pod.spec.containers[db].resources.limits.memory: has no limit, and the policy allows 1Gi in all; write resources.limits.memory',
  ],
  [
    'a service and a step that are too much together',
    {
      run: 'x',
      resources: { limits: { memory: '600Mi' } },
      services: { db: { image: 'x', resources: { limits: { memory: '600Mi' } } } },
    },
    { maxResources: { memory: '1Gi' } },
    'pod.spec.containers[*].resources.requests.memory: the policy allows 1Gi in all; write no more; ' +
      'pod.spec.containers[*].resources.limits.memory: the policy allows 1Gi in all; write no more',
  ],
  [
    'the container of a hook',
    { run: 'x', hooks: { after: 'y' }, pod: { containers: [{ name: 'runledger-after', env: [] }] } },
    {},
    'spec.pod.containers[runledger-after]: the job has no step of this name; it has run, and further containers are steps',
  ],
];
for (const [what, spec, policy, found] of SERVICE_CASES)
  test(`refuses ${what}`, () => assert.is(judge(jobWith(spec), policy), found));

test('a service beside the steps within the ceiling is fine', () => {
  const resources = { limits: { memory: '512Mi' } };
  const spec = { run: 'x', services: { db: { image: 'x', resources, tmpfs: ['/a'] } } };
  assert.is(judge(jobWith(spec), { images: ['busybox', 'x'], maxResources: { memory: '1Gi' } }), '');
});

test('all violations are told at once', () => {
  const job = jobWith({ run: 'x', image: 'evil', user: 0, pod: { nodeName: 'n', hostNetwork: true } });
  const { pod } = renderRun(recordOf(job));
  assert.equal(
    judgePolicy({ pod, spec: job.spec, imagePullSecrets: CONTEXT.imagePullSecrets }, { images: [] }).map(
      ({ field }) => field,
    ),
    [
      'spec.pod.nodeName',
      'spec.pod.hostNetwork',
      'pod.spec.hostNetwork',
      'pod.spec.containers[run].securityContext.runAsUser',
      'pod.spec.containers[run].image',
    ],
  );
});

test.run();
