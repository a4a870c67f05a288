import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, realpath, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { recordCreations, type Creations } from '../chaos/creations.ts';
import { eventually, findKubeconfig } from '../support/cluster.ts';
import { findForge, type Forge } from '../support/forge.ts';
import { commitFiles, git, initRepository, temporaryDirectory } from '../support/git.ts';

const run = promisify(execFile);
const ROOT = path.join(import.meta.dirname, '../..');
export const MANIFESTS = path.join(ROOT, 'manifests');
const HOOK_SECRET = 'the-secret-of-the-hook';

/** Runs kubectl with what it is given on standard input; returns what it printed. */
export async function kubectl(args: readonly string[], input?: string): Promise<string> {
  const running = run('kubectl', [...args], { maxBuffer: 256 * 1024 * 1024, timeout: 180_000 });
  running.child.stdin?.end(input ?? '');
  return (await running).stdout;
}

const json = async <T>(...args: readonly string[]): Promise<T> =>
  JSON.parse(await kubectl([...args, '-o', 'json'])) as T;

/** What the tests need from the machine, or undefined, after a line that says what is missing. */
export async function findWorld(env: NodeJS.ProcessEnv = process.env): Promise<Parts | undefined> {
  const kubeconfig = findKubeconfig(env);
  const forge = kubeconfig === undefined ? undefined : findForge({ ...env, FORGE_URL: await seenFromPods(env) });
  if (forge === undefined) return undefined;
  const image = env['RUNLEDGER_TEST_IMAGE'];
  if (image) return { forge, image };
  if ((env['RUNLEDGER_TEST_REQUIRE'] ?? '').split(',').includes('image'))
    throw new Error('RUNLEDGER_TEST_REQUIRE asks for an image: set RUNLEDGER_TEST_IMAGE');
  console.log('# skipped: no image (set RUNLEDGER_TEST_IMAGE to an image of the Dockerfile that the cluster has)');
  return undefined;
}

export interface Parts {
  readonly forge: Forge;
  readonly image: string;
}

/** The forge's address; one of this machine alone is replaced by the node's, where the forge answers there too. */
async function seenFromPods({ FORGE_URL: url = '' }: NodeJS.ProcessEnv): Promise<string> {
  if (!/^https?:\/\/(127\.|localhost\b|\[::1\])/.test(url)) return url;
  const addresses = 'jsonpath={.items[*].status.addresses[?(@.type=="InternalIP")].address}';
  for (const address of (await kubectl(['get', 'nodes', '-o', addresses])).split(/\s+/).filter(Boolean)) {
    const other = new URL(url);
    other.hostname = address;
    const signal = AbortSignal.timeout(5_000);
    const answer = await fetch(new URL('/api/v1/version', other), { signal }).catch(() => null);
    if (answer?.ok) return other.origin;
  }
  return url;
}

interface PodObject {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly deletionTimestamp?: string;
    readonly labels: Readonly<Record<string, string>>;
  };
  readonly spec: { readonly nodeName?: string; readonly containers: readonly { readonly image: string }[] };
  readonly status: {
    readonly phase: string;
    readonly podIP?: string;
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

/** An installation in two namespaces of its own, a repository on the forge, and its webhook. */
export interface World {
  readonly controllerNamespace: string;
  readonly jobsNamespace: string;
  /** The ServiceAccount as the API server calls it. */
  readonly account: string;
  readonly creations: Creations;
  readonly repository: { readonly name: string; readonly url: string };
  /** Commits files to the repository's main branch and pushes. */
  push(files: Readonly<Record<string, string | null>>): Promise<string>;
  /** The paths of all outcomes on the ledger branch. */
  outcomes(): Promise<readonly string[]>;
  readLedger(file: string): Promise<string>;
  /** The real git in a copy of the repository with the ledger branch as `ledger`, fetched now. */
  ledgerGit(...args: readonly string[]): Promise<string>;
  pods(namespace: string): Promise<readonly PodObject[]>;
  /** The pod of the controller that leads the source. */
  leader(): Promise<PodObject>;
  holder(): Promise<string>;
  /** A path of the HTTP server of one pod of the controller, asked through the API server. */
  ask(pod: string, path: string): Promise<string>;
  /** What all pods of the controller have logged, also those before a restart. */
  logs(): Promise<string>;
  kill(pod: PodObject): Promise<void>;
  remove(): Promise<void>;
}

/** Ready and not on its way out. */
export const isReady = ({ metadata, status }: PodObject): boolean =>
  metadata.deletionTimestamp === undefined &&
  (status.conditions ?? []).some(({ type, status: is }) => type === 'Ready' && is === 'True');

const unique = (): string => `${Date.now().toString(36)}${Math.random().toString(36).slice(2, 6)}`;

/** The overlay that a user would write: two namespaces, an image, settings, and the Secret. */
async function writeOverlay(
  directory: string,
  parts: { controller: string; jobs: string; image: string; secret: Readonly<Record<string, string>> },
): Promise<string> {
  const root = path.join(await realpath(directory), 'overlay');
  const at = (folder: string): string => path.relative(path.join(root, folder), path.join(MANIFESTS, folder));
  const colon = parts.image.lastIndexOf(':');
  const secret = Object.entries(parts.secret).map(([key, value]) => `${key}=${value}`);
  const files = {
    'kustomization.yaml': {
      resources: ['controller', 'jobs'],
      replacements: [
        {
          source: { kind: 'ServiceAccount', name: 'runledger', fieldPath: 'metadata.namespace' },
          targets: [
            {
              select: { kind: 'RoleBinding', name: 'runledger-jobs' },
              fieldPaths: ['subjects.[name=runledger].namespace'],
            },
          ],
        },
      ],
    },
    'controller/kustomization.yaml': {
      namespace: parts.controller,
      resources: [at('controller')],
      images: [
        {
          name: 'ghcr.io/runledger/runledger',
          newName: parts.image.slice(0, colon),
          newTag: parts.image.slice(colon + 1),
        },
      ],
      configMapGenerator: [
        {
          name: 'runledger',
          namespace: 'runledger',
          behavior: 'merge',
          // So long an interval that only the webhook can bring a push in time.
          literals: [`RUNLEDGER_NAMESPACE=${parts.jobs}`, 'RUNLEDGER_INTERVAL=1h'],
        },
      ],
      secretGenerator: [{ name: 'runledger', literals: secret }],
      replacements: [
        {
          source: {
            kind: 'Deployment',
            name: 'runledger',
            fieldPath: 'spec.template.spec.containers.[name=controller].image',
          },
          targets: [
            {
              select: { kind: 'Deployment', name: 'runledger' },
              fieldPaths: ['spec.template.spec.containers.[name=controller].env.[name=RUNLEDGER_IMAGE].value'],
            },
          ],
        },
      ],
    },
    'jobs/kustomization.yaml': { namespace: parts.jobs, resources: [at('jobs')] },
  };
  for (const [name, content] of Object.entries(files)) {
    await mkdir(path.dirname(path.join(root, name)), { recursive: true });
    await writeFile(path.join(root, name), JSON.stringify(content));
  }
  return root;
}

/** Examples with one pod a run: how often each was started can be counted. */
const SIMPLE = /^((config-lint|hello|maintenance|nightly-report|smoke-test)\.yaml|scripts\/.*)$/;

/** The simple examples, with an image that clusters without a registry have. */
export async function examples(): Promise<Readonly<Record<string, string>>> {
  const folder = path.join(ROOT, 'examples/jobs');
  const files: Record<string, string> = {};
  for (const name of await readdir(folder, { recursive: true })) {
    if (!SIMPLE.test(name) || !/\.(yaml|sh)$/.test(name)) continue;
    const text = await readFile(path.join(folder, name), 'utf8');
    files[name] = text.replaceAll(/alpine:[\d.]+/g, 'busybox:1.36');
  }
  return files;
}

/** Puts an installation up, with a repository that is empty but for the forge's first commit. */
export async function openWorld({ forge, image }: Parts): Promise<World> {
  const id = unique();
  const [controller, jobs] = [`rl-e2e-${id}`, `rl-e2e-jobs-${id}`];
  const directory = await temporaryDirectory();
  const repository = await forge.createRepository('e2e');
  const token = await forge.createToken(repository.name);
  const overlay = await writeOverlay(directory.path, {
    controller,
    jobs,
    image,
    secret: {
      RUNLEDGER_URL: repository.url,
      RUNLEDGER_GIT_USERNAME: forge.user,
      RUNLEDGER_GIT_PASSWORD: token,
      RUNLEDGER_WEBHOOK_SECRET: HOOK_SECRET,
    },
  });
  const remote = repository.url.replace('://', `://${forge.user}:${token}@`);
  const tree = await initRepository(path.join(directory.path, 'tree'));
  await git(tree, 'pull', '--quiet', remote, 'main');

  await kubectl(['apply', '-k', overlay]);
  // By its address and not by its name: not every cluster for tests has DNS.
  const service = await json<{ spec: { clusterIP: string } }>('-n', controller, 'get', 'service', 'runledger');
  const reached = `RUNLEDGER_ADDRESS=http://${service.spec.clusterIP}:8080`;
  await kubectl(['-n', controller, 'set', 'env', 'deployment/runledger', reached]);
  const creations = await recordCreations(jobs);

  const pods = async (namespace: string): Promise<readonly PodObject[]> =>
    (await json<{ items: PodObject[] }>('-n', namespace, 'get', 'pods')).items;
  const ask = (pod: string, below: string): Promise<string> =>
    kubectl(['get', '--raw', `/api/v1/namespaces/${controller}/pods/${pod}:8080/proxy${below}`]);
  let turn: Promise<unknown> = Promise.resolve();
  // One at a time: two fetches of one ref are in each other's way.
  const ledgerGit = (...args: readonly string[]): Promise<string> => {
    const work = async (): Promise<string> => {
      await git(tree, 'fetch', '--quiet', remote, '+refs/heads/runledger/status:refs/heads/ledger');
      return git(tree, ...args);
    };
    const mine = turn.then(work, work);
    turn = mine.catch(() => undefined);
    return mine;
  };
  const world: World = {
    controllerNamespace: controller,
    jobsNamespace: jobs,
    account: `system:serviceaccount:${controller}:runledger`,
    creations,
    repository,
    async push(files) {
      const commit = await commitFiles(tree, files);
      await git(tree, 'push', '--quiet', remote, 'HEAD:main');
      return commit;
    },
    async outcomes() {
      const files = await ledgerGit('ls-tree', '-r', '--name-only', 'ledger').catch(() => '');
      return files.split('\n').filter((file) => /\/\d+\.yaml$/.test(file));
    },
    readLedger: (file) => ledgerGit('show', `ledger:${file}`),
    ledgerGit,
    pods,
    async holder() {
      const lease = await json<{ spec: { holderIdentity?: string } }>(
        '-n',
        controller,
        'get',
        'lease',
        'runledger-runledger-default',
      );
      return lease.spec.holderIdentity ?? '';
    },
    leader: () =>
      eventually('a pod of the controller that leads', async () => {
        for (const pod of (await pods(controller)).filter(isReady)) {
          const metrics = await ask(pod.metadata.name, '/metrics').catch(() => '');
          if (metrics.includes('runledger_leader{source="default"} 1')) return pod;
        }
        return null;
      }),
    ask,
    async logs() {
      const texts = (await pods(controller)).flatMap(({ metadata }) =>
        [[], ['--previous']].map((more) => kubectl(['-n', controller, 'logs', metadata.name, ...more]).catch(() => '')),
      );
      return (await Promise.all(texts)).join('');
    },
    kill: (pod) => killFromNode(controller, pod),
    async remove() {
      creations.stop();
      await kubectl(['delete', 'namespace', controller, '--wait=false']).catch(() => undefined);
      await kubectl(['delete', 'namespace', jobs, '--wait=false']).catch(() => undefined);
      // A controller that is still ending may hold pods that it makes meanwhile.
      await eventually(
        'the pods of jobs to go',
        async () => {
          const left = await pods(jobs);
          await freePods(jobs, left);
          return left.length === 0 && (await pods(controller)).length === 0;
        },
        90_000,
      );
      await forge.deleteRepository(repository.name);
      await forge.deleteToken(repository.name);
      await directory.remove();
    },
  };
  try {
    await kubectl(['-n', controller, 'rollout', 'status', 'deployment/runledger', '--timeout=120s']);
    await forge.api('POST', `/repos/${forge.user}/${repository.name}/hooks`, {
      type: 'gitea',
      config: { url: `http://${service.spec.clusterIP}:8080/hooks/default`, content_type: 'json', secret: HOOK_SECRET },
      events: ['push'],
      active: true,
    });
  } catch (error) {
    const why = await kubectl(['-n', controller, 'get', 'events']).catch(String);
    const logs = await world.logs();
    await world.remove();
    throw new Error(`the controller did not come up: ${String(error)}\n${why}\n${logs}`, { cause: error });
  }
  return world;
}

async function freePods(namespace: string, pods: readonly PodObject[]): Promise<void> {
  for (const { metadata } of pods) {
    const patch = JSON.stringify({ metadata: { finalizers: null } });
    await kubectl(['-n', namespace, 'patch', 'pod', metadata.name, '--type=merge', '-p', patch]).catch(() => undefined);
  }
}

/**
 * SIGKILL for the processes of a pod, from outside of it as a crash would be: by a pod that sees the processes of the
 * node. The namespace of the controller would not take such a pod, so it has one of its own.
 */
async function killFromNode(controller: string, { metadata, spec }: PodObject): Promise<void> {
  const namespace = `${controller}-killer`;
  await kubectl(['create', 'namespace', namespace]);
  const uid = metadata.uid;
  const script = `for p in /proc/[0-9]*; do
    grep -qsE 'pod(${uid}|${uid.replaceAll('-', '_')})' $p/cgroup && grep -qs main.js $p/cmdline && kill -9 \${p#/proc/} && echo killed
  done`;
  const container = {
    name: 'killer',
    image: 'busybox:1.36',
    imagePullPolicy: 'IfNotPresent',
    command: ['/bin/sh', '-c', script],
    securityContext: { privileged: true },
  };
  const killer = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'killer', namespace },
    spec: { hostPID: true, restartPolicy: 'Never', nodeName: spec.nodeName, containers: [container] },
  };
  try {
    await kubectl(['create', '-f', '-'], JSON.stringify(killer));
    await eventually('the process to be killed', async () =>
      (await kubectl(['-n', namespace, 'logs', 'killer']).catch(() => '')).includes('killed'),
    );
  } finally {
    await kubectl(['delete', 'namespace', namespace, '--wait=false']);
  }
}
