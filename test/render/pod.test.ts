import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { V1Container } from '@kubernetes/client-node';
import { loadAll } from 'js-yaml';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isCoded } from '../../src/errors.ts';
import { GATE } from '../../src/render/gate.ts';
import { literal } from '../../src/render/literal.ts';
import { toYaml } from '../../src/render/yaml.ts';
import type { Job } from '../../src/schemas/index.ts';
import { FIXTURES, FOLDER, jobWith, readJob, recordOf, renderPodOf, renderRun, type Rendered } from './world.ts';

const test = suite('pod');

/** What a person can read: the record is compressed, and the gate is the same everywhere. */
function readable({ claim, payload, pod, all }: Rendered): string {
  const data = { ...payload.data, ...(payload.data?.['gate'] === GATE ? { gate: '(the gate)' } : {}) };
  const shown = Object.assign(structuredClone(payload), {
    data,
    binaryData: { ...payload.binaryData, record: '(the record)' },
  });
  return toYaml([claim, shown, pod, ...all.slice(3)]);
}

for (const name of FIXTURES)
  test(`${name} is rendered as written down (UPDATE_FIXTURES=1 writes it anew)`, () => {
    const path = join(FOLDER, `${name}.rendered.yaml`);
    const rendered = readable(renderRun(recordOf(readJob(name))));
    if (process.env['UPDATE_FIXTURES'] === '1') writeFileSync(path, rendered);
    assert.fixture(rendered, readFileSync(path, 'utf8'));
  });

test('the YAML stream holds the objects as they are', () => {
  const { all } = renderRun(recordOf(readJob('migrate')));
  assert.equal(loadAll(toYaml(all)), JSON.parse(JSON.stringify(all)));
});

const containers = (spec: Job['spec']): readonly V1Container[] => renderPodOf(spec).spec?.containers ?? [];
const only = (spec: Job['spec']): V1Container => containers(spec)[0] as V1Container;
const variables = (container: V1Container): Record<string, string | undefined> =>
  Object.fromEntries((container.env ?? []).map(({ name, value }) => [name, value]));

test('a pod without its payload can not start, scripts or not', () => {
  for (const spec of [{ run: 'x' }, { steps: [{ name: 'a', command: ['/x'] }] }]) {
    const pod = renderPodOf(spec).spec;
    const volume = pod?.volumes?.find(({ configMap }) => configMap);
    assert.ok(volume?.configMap && volume.configMap.optional === undefined);
    assert.ok(volume.configMap?.items?.length);
    for (const container of pod?.containers ?? [])
      assert.ok(container.volumeMounts?.some(({ name }) => name === volume.name));
  }
});

test('a single step gets nothing injected', () => {
  const { spec } = renderPodOf({ run: 'x' });
  assert.is(spec?.initContainers, undefined);
  assert.equal(spec?.containers[0]?.command, ['/bin/sh', '-e', '/runledger/payload/steps/run']);
  assert.is(spec?.containers[0]?.args, undefined);
});

test('arguments of the command line go to the last step proper', () => {
  const steps = [
    { name: 'a', command: ['/a'] },
    { name: 'b', run: 'x' },
  ];
  const record = recordOf(jobWith({ steps, finally: [{ name: 'c', run: 'y' }] }), { args: ['--all', '$(X)'] });
  const commands = renderRun(record).pod.spec?.containers.map(({ args = [] }) => args.slice(args.indexOf('--') + 1));
  assert.equal(commands, [
    ['/a'],
    ['/bin/sh', '-e', '/runledger/payload/steps/b', '--all', '$$(X)'],
    ['/bin/sh', '-e', '/runledger/payload/steps/c'],
  ]);
});

test('texts reach the command and the environment as they are written', () => {
  // The rules of the kubelet: $$ is one dollar sign, $(X) a reference, everything else itself.
  const kubelet = (text: string): string =>
    text.replaceAll(/\$\$|\$\((.*?)\)/g, (found) => (found === '$$' ? '$' : `<${found}>`));
  for (const text of [
    '$',
    '$$',
    '$$$',
    'a$b',
    '$(X)',
    '$$(X)',
    '$$$(X)',
    '$((1))',
    '${X}',
    '$(',
    'x$',
    '$ (X)',
    '$$a$$',
    '',
  ]) {
    assert.is(kubelet(literal(text)), text, text);
    assert.is(kubelet(variables(only({ run: 'x', env: { A: text } }))['A'] ?? ''), text);
    assert.is(kubelet(only({ steps: [{ name: 'a', command: ['/a'], args: [text] }] }).command?.[1] ?? ''), text);
  }
});

test('the variables of runledger win, those of the step come before those of the job', () => {
  const record = recordOf(
    jobWith({
      env: { A: 'job', B: 'job', HOME: '/x', RUNLEDGER_JOB: 'forged' },
      parameters: { REGION: { default: 'eu' } },
      steps: [{ name: 'a', run: 'x', env: { B: 'step' } }],
    }),
  );
  const { A, B, CI, HOME, ...own } = variables(renderRun(record).pod.spec?.containers[0] as V1Container);
  assert.equal({ A, B, CI, HOME }, { A: 'job', B: 'step', CI: 'true', HOME: '/x' });
  assert.equal(own, {
    RUNLEDGER_JOB: 'test',
    RUNLEDGER_RUN: '12',
    RUNLEDGER_TASK: 'default',
    RUNLEDGER_ATTEMPT: '1',
    RUNLEDGER_SLOTS: '1',
    RUNLEDGER_REVISION: record.revision,
    RUNLEDGER_TRIGGER: 'commit',
    RUNLEDGER_WORKSPACE: '/runledger/workspace',
    RUNLEDGER_FILES: '/runledger/files',
    RUNLEDGER_OUTPUT: '/runledger/output',
    RUNLEDGER_SHARED: '/runledger/shared',
    RUNLEDGER_PARAM_REGION: 'eu',
  });
});

test('requests stand on the first step, limits on each, and no default adds to them', () => {
  const steps = ['a', 'b'].map((name) => ({ name, run: 'x' }));
  const requests = { cpu: '500m', memory: '1Gi' };
  const resources = containers({ steps, resources: { requests, limits: { memory: '2Gi', 'nvidia.com/gpu': 1 } } }).map(
    (container) => container.resources,
  );
  assert.equal(resources, [
    {
      requests: { memory: '1Gi', 'nvidia.com/gpu': '1', cpu: '500m' },
      limits: { memory: '2Gi', 'nvidia.com/gpu': '1' },
    },
    { requests: { memory: '0', 'nvidia.com/gpu': '1' }, limits: { memory: '2Gi', 'nvidia.com/gpu': '1' } },
  ]);
  assert.is(only({ run: 'x' }).resources, undefined);
});

test('the ceiling of the policy limits what names no limit, and asks for nothing', () => {
  const maxResources = { cpu: '8', memory: '32Gi', 'nvidia.com/gpu': 1 };
  const pod = renderPodOf({ run: 'x', resources: { limits: { memory: '1Gi' } } }, { maxResources });
  assert.equal(pod.spec?.containers[0]?.resources, {
    requests: { cpu: '0', memory: '1Gi' },
    limits: { cpu: '8', memory: '1Gi' },
  });
});

test('the grace covers what the end of a pod may take, and the deadline lies behind it', () => {
  const timeouts = { start: '1m', run: '10m', grace: '20s', finally: '40s' };
  const one = renderPodOf({ run: 'x', timeouts }).spec;
  assert.is(one?.terminationGracePeriodSeconds, 20);
  assert.is(one?.activeDeadlineSeconds, 60 + 600 + 20 + 300);
  const steps = renderPodOf({
    timeouts,
    steps: [
      { name: 'a', run: 'x' },
      { name: 'b', run: 'x' },
    ],
  }).spec;
  assert.is(steps?.terminationGracePeriodSeconds, 25);
  const end = renderPodOf({ timeouts, run: 'x', finally: [{ name: 'b', run: 'x' }] }).spec;
  assert.is(end?.terminationGracePeriodSeconds, 65);
});

test('a service account gets its token where the job names one, and not otherwise', () => {
  const token = (pod: Job['spec']['pod']): boolean | undefined =>
    renderPodOf({ run: 'x', ...(pod ? { pod } : {}) }).spec?.automountServiceAccountToken;
  assert.is(token(undefined), false);
  assert.is(token({ serviceAccountName: 'reporter' }), true);
  assert.is(token({ serviceAccountName: 'reporter', automountServiceAccountToken: false }), false);
  assert.is(
    renderPodOf({ run: 'x' }, { podDefaults: { serviceAccountName: 'x' } }).spec?.automountServiceAccountToken,
    false,
  );
});

test('steps of several users share what they make', () => {
  const args = (users: readonly number[]): string =>
    containers({ steps: users.map((user, index) => ({ name: `s${index}`, run: 'x', user })) })[0]?.args?.join(' ') ??
    '';
  assert.match(args([1, 2]), 'umask=0002');
  assert.not.match(args([1, 1]), 'umask');
});

const sidecars = (spec: Job['spec'], changes: Parameters<typeof renderPodOf>[1] = {}): readonly V1Container[] =>
  (renderPodOf(spec, changes).spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');

test('a single step with a service is gated, and the service is reached by its name', () => {
  const { spec } = renderPodOf({ run: 'x', services: { db: { image: 'db' }, cache: { image: 'cache' } } });
  assert.equal(spec?.hostAliases, [{ ip: '127.0.0.1', hostnames: ['db', 'cache'] }]);
  assert.equal(
    spec?.initContainers?.map(({ name, restartPolicy }) => [name, restartPolicy]),
    [
      ['runledger-gate', undefined],
      ['db', 'Always'],
      ['cache', 'Always'],
    ],
  );
  assert.match(spec?.containers[0]?.args?.join(' ') ?? '', 'gates=1');
});

test('a service has nothing of the job’s environment and folders, and its own user', () => {
  const job: Job['spec'] = {
    run: 'x',
    env: { A: 'job' },
    user: 1000,
    services: {
      db: { image: 'db', env: { B: '$(A)', HOME: '/var/db' }, tmpfs: ['/data', '/run'] },
      web: { image: 'web', user: 0 },
    },
  };
  const [db, web] = sidecars(job);
  assert.equal(db?.env, [
    { name: 'B', value: '$$(A)' },
    { name: 'HOME', value: '/var/db' },
  ]);
  assert.equal(
    db?.volumeMounts?.map(({ name, mountPath }) => `${name} ${mountPath}`),
    ['runledger-service-homes /runledger/home', 'runledger-tmpfs-1 /data', 'runledger-tmpfs-1 /run'],
  );
  assert.equal([db?.securityContext?.runAsUser, web?.securityContext?.runAsUser], [1000, 0]);
  assert.equal(web?.env, [{ name: 'HOME', value: '/runledger/home' }]);
});

test('interval, timeout and retries are those of the probe, with the defaults of the format', () => {
  const [db] = sidecars({ run: 'x', services: { db: { image: 'db', health: { command: ['ready', '$(X)'] } } } });
  assert.equal(db?.startupProbe, {
    exec: { command: ['ready', '$$(X)'] },
    periodSeconds: 10,
    timeoutSeconds: 5,
    failureThreshold: 3,
    terminationGracePeriodSeconds: 1,
  });
  assert.is(sidecars({ run: 'x', services: { db: { image: 'db' } } })[0]?.startupProbe, undefined);
});

test('services leave the steps what the ceiling of the policy leaves', () => {
  const limits = { memory: '1Gi', cpu: '500m' };
  const services = { db: { image: 'db', resources: { limits } }, web: { image: 'web', resources: { limits } } };
  const maxResources = { memory: '4Gi', cpu: 2, 'nvidia.com/gpu': 1 };
  const { spec } = renderPodOf({ run: 'x', services }, { maxResources });
  assert.equal(spec?.containers[0]?.resources, {
    requests: { memory: '0', cpu: '0' },
    limits: { memory: String(2 * 2 ** 30), cpu: '1000m' },
  });
});

test('hooks run in the image of the first step and as its user', () => {
  const steps = [
    { name: 'a', run: 'x', image: 'first', user: 7, env: { A: 'step' } },
    { name: 'b', run: 'x', image: 'second' },
  ];
  const job = jobWith({ hooks: { before: 'y', after: 'z' }, steps, finally: [{ name: 'c', run: 'x' }] });
  const { pod, payload } = renderRun(recordOf(job, { defaultHooks: { before: 'v', after: 'w', shutdown: 'u' } }));
  assert.equal(
    pod.spec?.containers.map(({ name, image, securityContext }) => [name, image, securityContext?.runAsUser]),
    [
      ['runledger-default-before', 'first', 7],
      ['runledger-before', 'first', 7],
      ['a', 'first', 7],
      ['b', 'second', 65532],
      ['c', 'busybox:1.36', 65532],
      ['runledger-after', 'first', 7],
      ['runledger-default-after', 'first', 7],
      ['runledger-default-shutdown', 'first', 7],
    ],
  );
  assert.equal(
    ['defaults.hooks.before', 'hooks.before', 'hooks.after', 'defaults.hooks.after', 'defaults.hooks.shutdown'].map(
      (name) => payload.data?.[`script.${name}`],
    ),
    ['v', 'y', 'z', 'w', 'u'],
  );
  assert.is(variables(pod.spec?.containers[1] as V1Container)['A'], undefined);
});

test('a step whose condition does not hold is no container, and what is left may need no gate', () => {
  const steps = [
    { name: 'a', run: 'x', if: "trigger.kind == 'schedule'" },
    { name: 'b', run: 'x' },
  ];
  const { spec } = renderPodOf({ steps, finally: [{ name: 'c', run: 'x', if: 'run.number > 99' }] });
  assert.equal(
    spec?.containers.map(({ name }) => name),
    ['b'],
  );
  assert.is(spec?.initContainers, undefined);
});

test('a task has a name, slots and variables of its own', () => {
  const job = jobWith({
    env: { A: 'job', B: 'job' },
    tasks: ['unit', { name: 'ui', slots: 4, env: { A: 'task' } }],
    run: 'x',
  });
  const { pod } = renderRun(recordOf(job), {}, 'ui');
  const { A, B, RUNLEDGER_TASK, RUNLEDGER_SLOTS } = variables(pod.spec?.containers[0] as V1Container);
  assert.equal(
    { A, B, RUNLEDGER_TASK, RUNLEDGER_SLOTS },
    { A: 'task', B: 'job', RUNLEDGER_TASK: 'ui', RUNLEDGER_SLOTS: '4' },
  );
  assert.is(pod.metadata?.labels?.['runledger.dev/task'], 'ui');
  assert.is.not(pod.metadata?.name, renderRun(recordOf(job), {}, 'unit').pod.metadata?.name);
});

test('only root may be root', () => {
  const [build, install] = containers({
    steps: [
      { name: 'a', run: 'x', user: 1000 },
      { name: 'b', run: 'x', user: 0 },
    ],
  });
  assert.is(build?.securityContext?.runAsNonRoot, true);
  assert.is(install?.securityContext?.runAsNonRoot, false);
  assert.is(renderPodOf({ run: 'x' }).spec?.containers[0]?.securityContext?.runAsUser, 65532);
});

test('a step without an image is an error that says where to write one', () => {
  const { image: _image, ...spec } = jobWith({ run: 'x' }).spec;
  const record = recordOf({ ...jobWith({ run: 'x' }), spec });
  assert.throws(
    () => renderRun(record),
    (error: Error) => isCoded(error, 'InvalidPod') && error.message.includes('step "run"') && error.hint !== undefined,
  );
});

test.run();
