import { ANNOTATIONS, identityOf, LABELS, MANAGER, type ObjectIdentity, triggerOf } from '../../render/labels.ts';
import { usageError } from '../../errors.ts';
import { GATE_BUSYBOX, PATHS, VOLUMES } from '../../render/layout.ts';
import { execInPod } from '../../runner/kubernetes/exec.ts';
import { openCluster } from '../../runner/kubernetes/client.ts';
import { viewRunner } from '../../runner/kubernetes/pool/view.ts';
import { watchResource } from '../../runner/kubernetes/watch.ts';
import { type ConfigMap, configMaps, type Pod, pods } from '../../runner/kubernetes/wire.ts';
import { cancellationOn } from '../../runner/kubernetes/cancellation.ts';
import type { RunnerOptions } from '../options.ts';
import type { Io } from '../terminal.ts';
import { VERSION } from '../version.ts';
import { type GoingRun, type GoingTask, idOf, type LiveReader, type SetCount } from './picture.ts';

export interface ClusterLookOptions extends Pick<
  RunnerOptions,
  'kubeconfig' | 'context' | 'namespace' | 'installation'
> {
  readonly source?: string;
}

/**
 * The runs of a namespace, by two watches: of claims and of pods. Throws what the API server says when the namespace or the
 * permission is missing.
 */
export async function clusterReader(options: ClusterLookOptions, io: Io, signal: AbortSignal): Promise<LiveReader> {
  const cluster = await openCluster({
    userAgent: `runledger/${VERSION}`,
    env: io.env,
    ...(options.kubeconfig === undefined ? {} : { kubeconfig: options.kubeconfig }),
    ...(options.context === undefined ? {} : { context: options.context }),
    signal,
  });
  const closing = new AbortController();
  const until = AbortSignal.any([signal, closing.signal]);
  const namespace = options.namespace ?? cluster.namespace;
  const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined };
  const common = { namespace, signal: until, log: quiet, onChange: () => undefined };
  const claims = watchResource(cluster, configMaps, { ...common, labelSelector: selector('claim', options) });
  const attempts = watchResource(cluster, pods, { ...common, labelSelector: selector('attempt', options) });
  const runners = watchResource(cluster, pods, { ...common, labelSelector: selector('runner', options) });
  const close = async (): Promise<void> => {
    closing.abort();
    await Promise.all([claims.ended, attempts.ended, runners.ended]);
    await cluster.close();
  };
  try {
    await Promise.all([claims.ready, attempts.ready, runners.ready]);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    sets: () => countRunners([...runners.store.values(), ...attempts.store.values()]),
    list: async () => goingRuns([...claims.store.values()], [...attempts.store.values()]),
    async output(_run, { pod: name = '' }, given) {
      const command = outputCommand(attempts.store.get(name, namespace), name);
      const { stdout, ended } = await execInPod(
        { namespace, pod: name, ...command },
        { ...options, env: io.env },
        given,
      );
      return { stream: stdout, ended: ended.then(() => []) };
    },
    close,
  };
}

/**
 * What makes a tar of the output folder, and in which container: the gate's busybox where the pod has one, else the image's own
 * tar. Throws `NotRunning`.
 */
function outputCommand(pod: Pod | undefined, name: string): { readonly container: string; readonly command: string[] } {
  const running = pod?.status?.containerStatuses?.find(({ state }) => state?.running !== undefined);
  if (!running) throw usageError('NotRunning', `the pod ${name} does not run any more`);
  const isGated = pod?.spec?.volumes?.some((volume) => volume.name === VOLUMES.gate) === true;
  const tar = isGated ? [GATE_BUSYBOX, 'tar'] : ['tar'];
  return { container: running.name, command: [...tar, '-cf', '-', '-C', PATHS.output, '.'] };
}

const selector = (component: string, { installation, source }: ClusterLookOptions): string =>
  [
    `${LABELS.managedBy}=${MANAGER}`,
    `${LABELS.component}=${component}`,
    ...(installation === undefined ? [] : [`${LABELS.installation}=${installation}`]),
    ...(source === undefined ? [] : [`${LABELS.source}=${source}`]),
  ].join(',');

/** Claims with their pods; a pod whose claim is gone tells of its run alone. Pure. */
export function goingRuns(claims: readonly ConfigMap[], attempts: readonly Pod[]): readonly GoingRun[] {
  const runs = new Map<string, GoingRun>();
  for (const object of [...claims, ...attempts]) {
    const identity = identityOf(object);
    const run = identity && runs.get(idOf(identity)) === undefined ? runOf(object, identity) : undefined;
    if (run) runs.set(idOf(run), run);
  }
  const tasks = Map.groupBy(attempts, (pod) => {
    const identity = identityOf(pod);
    return identity ? idOf(identity) : '';
  });
  return Array.from(runs.values(), (run) => ({ ...run, tasks: (tasks.get(idOf(run)) ?? []).map(taskOf) }));
}

/** The runners among these pods, by set. What has ended, or is told to go, is none any more. Pure. */
export function countRunners(all: readonly Pod[]): ReadonlyMap<string, SetCount> {
  const counts = new Map<string, { -readonly [Phase in keyof SetCount]: number }>();
  for (const pod of all) {
    const view = viewRunner(pod);
    if (!view || view.phase === 'ended' || view.phase === 'going') continue;
    const count = counts.get(view.set) ?? { idle: 0, busy: 0, starting: 0 };
    count[view.phase] += 1;
    counts.set(view.set, count);
  }
  return counts;
}

function runOf(object: ConfigMap | Pod, identity: ObjectIdentity): GoingRun | undefined {
  const trigger = triggerOf(identity);
  const { annotations = {}, creationTimestamp = '' } = object.metadata ?? {};
  if (!trigger) return undefined;
  return {
    job: identity.job,
    run: identity.run,
    trigger,
    revision: annotations[ANNOTATIONS.revision] ?? 'none',
    queued: annotations[ANNOTATIONS.queued] ?? creationTimestamp,
    isCancelled: identity.component === 'claim' && cancellationOn(object) !== undefined,
    tasks: [],
  };
}

function taskOf(pod: Pod): GoingTask {
  const identity = identityOf(pod);
  const states = [...(pod.status?.containerStatuses ?? [])].map(({ state }) => state);
  const begun = states.flatMap((state) => state?.running?.startedAt ?? state?.terminated?.startedAt ?? []);
  const ends = states.flatMap((state) => state?.terminated?.finishedAt ?? []);
  const { phase = 'Pending' } = pod.status ?? {};
  const hasEnded = phase === 'Succeeded' || phase === 'Failed';
  const node = pod.spec?.nodeName;
  return {
    task: identity?.task ?? 'default',
    attempt: identity?.attempt ?? 1,
    phase: hasEnded ? 'ended' : begun.length > 0 ? 'running' : 'starting',
    started: begun.toSorted()[0] ?? null,
    finished: hasEnded ? (ends.toSorted().at(-1) ?? null) : null,
    pod: pod.metadata?.name ?? '',
    ...(node === undefined ? {} : { node }),
  };
}
