/** A repository of jobs and a reconciler that runs them in a namespace of a real cluster. */
import { KubeConfig } from '@kubernetes/client-node';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { dump, loadAll } from 'js-yaml';
import { openTarget, type Repository } from '../../../src/cli/compose.ts';
import { composeReconciler } from '../../../src/cli/workshop.ts';
import { compileMasks } from '../../../src/logs/mask-patterns.ts';
import type { SettleOptions } from '../../../src/reconciler/ports.ts';
import type { Reconciler, SettleReport } from '../../../src/reconciler/reconciler.ts';
import { LABELS } from '../../../src/render/labels.ts';
import type { Cluster } from '../../../src/runner/kubernetes/client.ts';
import { systemClock } from '../../../src/runner/kubernetes/clock.ts';
import { listObjects } from '../../../src/runner/kubernetes/objects.ts';
import { createKubernetesRunner } from '../../../src/runner/kubernetes/runner.ts';
import { unopposed } from '../../../src/runner/kubernetes/scope.ts';
import { configMaps, type Pod, pods } from '../../../src/runner/kubernetes/wire.ts';
import type { OutputLine, PoolEvent, Runner } from '../../../src/runner/port.ts';
import type { LogKeeper } from '../../../src/runner/whole-log.ts';
import type { Job, JobDefaults, Outcome, Policy, RunnerSet } from '../../../src/schemas/index.ts';
import { connect, eventually, type TestCluster } from '../../support/cluster.ts';
import { commitFiles, initRepository, temporaryDirectory } from '../../support/git.ts';

export const IMAGE = 'busybox:1.36';
/** Ends with 0 when it is told to end, as polite programs do. */
export const TRAPS_TERM = "trap 'exit 0' TERM\necho up\nwhile :; do sleep 0.1; done";

export interface Jobs {
  readonly folder: string;
  /** Commits jobs by their names (null removes one); returns the commit. */
  commit(jobs: Readonly<Record<string, Partial<Job['spec']> | null>>): Promise<string>;
  remove(): Promise<void>;
}

/** A repository with a manifest a job. */
export async function createJobs(name: string): Promise<Jobs> {
  const { path, remove } = await temporaryDirectory();
  const folder = await initRepository(join(path, name));
  return {
    folder,
    commit: (jobs) =>
      commitFiles(
        folder,
        Object.fromEntries(Object.entries(jobs).map(([job, spec]) => [`${job}.yaml`, spec && manifestOf(job, spec)])),
      ),
    remove,
  };
}

/** A manifest as YAML. */
export const manifestOf = (name: string, spec: Partial<Job['spec']>): string =>
  dump({
    apiVersion: 'runledger.dev/v1',
    kind: 'Job',
    metadata: { name },
    spec: { image: IMAGE, timeouts: { grace: '5s' }, ...spec },
  });

/** The manifest of a runner set as YAML; null removes it. */
export const setManifest = (name: string, spec: Partial<RunnerSet['spec']> = {}): string =>
  dump({
    apiVersion: 'runledger.dev/v1',
    kind: 'RunnerSet',
    metadata: { name },
    spec: { image: IMAGE, maxRunners: 4, ...spec },
  });

export interface ControllerOptions {
  /** The repository, as the command line takes it: a folder or a URL. */
  readonly target: string;
  readonly namespace: string;
  /** Names the objects in the cluster. */
  readonly source: string;
  /** Absent: that of the tests. */
  readonly cluster?: Cluster;
  readonly policy?: Policy;
  /** Whether it keeps runner sets, as a controller does. */
  readonly keepsPools?: boolean;
  readonly onPool?: (event: PoolEvent) => void;
  readonly onOutput?: (line: OutputLine) => void;
  readonly nodeLostAfterMs?: number;
  readonly holdPodsForMs?: number;
  readonly orphanGraceMs?: number;
  /** Where whole logs go. */
  readonly keeper?: LogKeeper;
  /** Patterns that are always redacted. */
  readonly masks?: readonly string[];
  /** Of the source: what no job has asked for. */
  readonly imagePullSecrets?: readonly string[];
  /** The configuration's, for every job. */
  readonly defaults?: JobDefaults;
  /** Runs that are claimed and not recorded, at most; absent: 100. */
  readonly mostLive?: number;
  /** Attempts at once; absent: 100. */
  readonly attempts?: number;
  /** The clock of the reconciler. */
  readonly now?: () => Date;
}

/** What reconciles, as a process of its own would. */
export interface Controller {
  readonly repository: Repository;
  readonly reconciler: Reconciler;
  readonly troubles: readonly string[];
  /** Everything that is due, to its end. */
  settle(options?: Partial<SettleOptions>): Promise<SettleReport>;
  /** Starts nothing more, leaves what runs to run, and lets `settle` return. */
  stop(): void;
  /** Forgets everything that is not in the cluster or on the ledger. */
  close(): Promise<void>;
}

export async function openController(test: TestCluster, options: ControllerOptions): Promise<Controller> {
  const { namespace, source, policy, cluster = test.cluster, nodeLostAfterMs = 300_000 } = options;
  const { stdin, stdout, stderr } = process;
  const hard = new AbortController();
  const soft = new AbortController();
  const io = { stdin, stdout, stderr, env: {}, cwd: '/' };
  const repository = await openTarget(options.target, {}, io, hard.signal);
  const troubles: string[] = [];
  const runner: Runner = await createKubernetesRunner({
    scope: {
      cluster,
      namespace,
      installation: 'test',
      source,
      authority: unopposed,
      clock: systemClock,
      log: { debug: () => undefined, info: () => undefined, warn: (_fields, message) => void troubles.push(message) },
    },
    podContext: {
      image: IMAGE,
      imagePullSecrets: options.imagePullSecrets ?? [],
      podDefaults: options.defaults?.pod ?? {},
      gate: { image: IMAGE, busybox: '/bin/busybox' },
    },
    events: {
      changed: (key) => reconciler.changed(key),
      output: (line) => options.onOutput?.(line),
      pool(event) {
        options.onPool?.(event);
        if (event.kind === 'state' || event.kind === 'gone') reconciler.setsChanged();
      },
    },
    keepsPools: options.keepsPools ?? false,
    nodeLostAfterMs,
    keeper: options.keeper,
    masks: compileMasks(options.masks ?? []),
    ...(policy === undefined ? {} : { policy }),
    ...(options.orphanGraceMs === undefined ? {} : { orphanGraceMs: options.orphanGraceMs }),
    signal: hard.signal,
  });
  const reconciler: Reconciler = composeReconciler({
    source: repository.source,
    ledger: repository.ledger,
    runner,
    by: { runner: 'kubernetes', version: 'test', host: 'test' },
    mostLive: options.mostLive ?? 100,
    ledgerEveryMs: 60_000,
    capacities: () => ({ attempts: options.attempts ?? 100, sets: new Map() }),
    ...(options.now === undefined ? {} : { now: options.now }),
    defaults: options.defaults,
    recordForMs: 60_000,
    holdPodsForMs: options.holdPodsForMs ?? 600_000,
    inTurn: (work) => work(),
    emit: (event) => void (event.kind === 'trouble' && troubles.push(event.message)),
  });
  return {
    repository,
    reconciler,
    troubles,
    settle(more = {}) {
      const settled = reconciler.settle({ triggers: true, requests: [], ...more }, soft.signal, hard.signal);
      settled.catch(() => undefined); // a test that fails before it waits for it has its own words
      return settled;
    },
    stop: () => soft.abort(),
    async close() {
      await runner.close('CancelRequested');
      hard.abort();
      await repository.close();
    },
  };
}

/** The outcomes that the ledger has of the first runs of jobs. */
export async function outcomesOf(
  { repository }: Controller,
  jobs: readonly string[],
): Promise<Readonly<Record<string, Outcome | undefined>>> {
  const view = await repository.ledger.read(new AbortController().signal);
  return Object.fromEntries(await Promise.all(jobs.map(async (job) => [job, await view.outcome(job, 1)] as const)));
}

/** A rule of a Role. */
export interface Rule {
  readonly apiGroups: string[];
  readonly resources: string[];
  readonly verbs: string[];
}

/** What the shipped Role allows where jobs run, but for resources of these names. */
export async function shippedRules(...without: readonly string[]): Promise<readonly Rule[]> {
  const file = join(import.meta.dirname, '../../../manifests/jobs/role.yaml');
  const documents = loadAll(await readFile(file, 'utf8')) as readonly { kind: string; rules?: readonly Rule[] }[];
  const rules = documents.find(({ kind }) => kind === 'Role')?.rules ?? [];
  return rules.filter(({ resources }) => !resources.some((resource) => without.includes(resource)));
}

/** A connection as somebody with a token. */
export async function connectAs({ kubeconfig }: TestCluster, folder: string, token: string): Promise<Cluster> {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  config.users = [{ name: config.getCurrentUser()?.name ?? '', token }];
  const file = join(folder, 'kubeconfig');
  await writeFile(file, config.exportConfig());
  return connect({ kubeconfig: file });
}

/** The pod of a job; undefined while there is none. */
export async function podOf(
  { cluster, signal }: TestCluster,
  namespace: string,
  job: string,
): Promise<Pod | undefined> {
  const labelSelector = `${LABELS.job}=${job}`;
  const { items } = await listObjects(cluster, pods, { namespace, labelSelector }, { signal });
  return items[0];
}

/** Waits for the pod of a job to be as `look` wants it. */
export const podWhen = (
  test: TestCluster,
  namespace: string,
  job: string,
  what: string,
  look: (pod: Pod) => boolean,
): Promise<Pod> =>
  eventually(
    `the pod of ${job} ${what}`,
    async () => {
      const pod = await podOf(test, namespace, job);
      return pod && look(pod) ? pod : undefined;
    },
    90_000,
  );

/** Whether a pod's first container has said something: then its traps are set. */
export async function isUp({ cluster, signal }: TestCluster, { metadata, spec }: Pod): Promise<boolean> {
  const path = `/api/v1/namespaces/${metadata?.namespace}/pods/${metadata?.name}/log`;
  const query = { container: spec?.containers[0]?.name };
  try {
    const call = { method: 'GET', path, query, doing: 'reading a log', repeat: 'safe', signal } as const;
    const stream = await cluster.stream(call);
    let text = '';
    for await (const chunk of stream) text += String(chunk);
    return text.includes('up');
  } catch {
    return false;
  }
}

/** Waits until the program of a job is at work and the cluster knows that it runs; returns its pod. */
export async function podAtWork(test: TestCluster, namespace: string, job: string): Promise<Pod> {
  return eventually(
    `${job} is at work`,
    async () => {
      const pod = await podOf(test, namespace, job);
      return pod?.status?.phase === 'Running' && (await isUp(test, pod)) ? pod : undefined;
    },
    90_000,
  );
}

/** Asks the eviction API to remove a pod; throws CodedError where a budget forbids it. */
export async function evict({ cluster, signal }: TestCluster, { metadata }: Pod): Promise<void> {
  const { namespace, name } = metadata ?? {};
  await cluster.request({
    method: 'POST',
    path: `/api/v1/namespaces/${namespace}/pods/${name}/eviction`,
    body: { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { namespace, name } },
    doing: `evicting Pod "${name}"`,
    repeat: 'unsafe',
    attempts: 1,
    signal,
  });
}

/** What is left in a namespace of runs: kinds and names. */
export async function leftIn({ cluster, signal }: TestCluster, namespace: string): Promise<readonly string[]> {
  const maps = await listObjects(cluster, configMaps, { namespace, labelSelector: LABELS.component }, { signal });
  const left = await listObjects(cluster, pods, { namespace }, { signal });
  const componentOf = (labels: Readonly<Record<string, string>> = {}): string => labels[LABELS.component] ?? '';
  return [
    ...maps.items.map(({ metadata }) => `${componentOf(metadata?.labels)} ${metadata?.labels?.[LABELS.job]}`),
    ...left.items.map(({ metadata }) => `pod ${metadata?.name}`),
  ];
}
