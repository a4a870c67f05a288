import type { V1ConfigMap } from '@kubernetes/client-node';
import { usageError } from '../../errors.ts';
import type { MaskPatterns } from '../../logs/mask-patterns.ts';
import { identityOf, LABELS, MANAGER } from '../../render/labels.ts';
import { recordFrom } from '../../render/payload.ts';
import { secretUsesOfJob } from '../../render/secret-uses.ts';
import { planRecord } from '../../render/steps.ts';
import type { OutputLine, RunRecord } from '../port.ts';
import { attemptOfPod, recordOfObjects } from './attempts.ts';
import type { Cluster } from './client.ts';
import { systemClock } from './clock.ts';
import { listObjects } from './objects.ts';
import { createPodOutput, type PodOutput } from './output.ts';
import { createSecretReader } from './secret-values.ts';
import { recordOfTask } from './task-records.ts';
import { type ConfigMap, configMaps, type Pod, pods } from './wire.ts';

/** Where the runs of a job are looked for; without a source or an installation, in all of them. */
export interface LiveScope {
  readonly cluster: Cluster;
  readonly namespace: string;
  readonly job: string;
  readonly source?: string | undefined;
  readonly installation?: string | undefined;
  readonly signal: AbortSignal;
}

/** A run that the cluster knows. */
export interface LiveRunRef {
  readonly run: number;
  readonly source: string;
  readonly installation: string;
}

const selectorFor = ({ job, source, installation }: LiveScope, more: readonly string[] = []): string =>
  [
    `${LABELS.managedBy}=${MANAGER}`,
    `${LABELS.job}=${job}`,
    ...(source === undefined ? [] : [`${LABELS.source}=${source}`]),
    ...(installation === undefined ? [] : [`${LABELS.installation}=${installation}`]),
    ...more,
  ].join(',');

/**
 * The runs of a job that are claimed in the cluster, ascending: those that wait or go on, and those that ended in the last hour.
 * Throws `SeveralSources` (usage) where more than one source or installation has a job of this name.
 */
export async function findLiveRuns(scope: LiveScope): Promise<readonly LiveRunRef[]> {
  const { cluster, namespace, job, signal } = scope;
  const labelSelector = selectorFor(scope, [`${LABELS.component}=claim`]);
  const { items } = await listObjects(cluster, configMaps, { namespace, labelSelector }, { signal });
  const found = items.map(identityOf).filter((identity) => identity !== null);
  const owners = [...new Set(found.map(({ source, installation }) => `source ${source} of ${installation}`))];
  if (owners.length > 1)
    throw usageError('SeveralSources', `namespace ${namespace} has a job ${job} of ${owners.join(' and of ')}`, {
      hint: 'say which one with --source or --installation',
    });
  return found.map(({ run, source, installation }) => ({ run, source, installation })).sort((a, b) => a.run - b.run);
}

export interface FollowLiveOptions extends LiveScope {
  readonly run: LiveRunRef;
  /** Goes on until the run is over; else what there is now. */
  readonly goOn: boolean;
  readonly masks: MaskPatterns | undefined;
  /** Only this task, step or service; a service is read in place of the steps. */
  readonly task?: string | undefined;
  readonly step?: string | undefined;
  readonly service?: string | undefined;
  /** Whether the run is over: asked every few seconds. */
  readonly isOver: () => Promise<boolean>;
  readonly onLine: (line: OutputLine) => void;
  /** What the run waits for, as a sentence; told anew when it is something else. */
  readonly onWait: (why: string) => void;
  /** What could not be read, as a sentence. */
  readonly onMissing: (why: string) => void;
}

const LOOK_MS = 500;
const LOOKS_PER_CHECK = 6;
const END_LIMIT_MS = 10_000;

/**
 * Shows what the pods of a run print, from their beginning on, redacted as the controller redacts it: the Secrets that the pods see
 * are read for this. Changes nothing in the cluster. Throws what the API server says; `SecretUnreadable` where a Secret can't be
 * read, so that nothing of it could be masked.
 */
export async function followLive(options: FollowLiveOptions): Promise<void> {
  const { cluster, namespace, run, goOn, signal } = options;
  const own = { ...options, source: run.source, installation: run.installation };
  const labelSelector = selectorFor(own, [`${LABELS.run}=${run.run}`]);
  const outputs = new Map<string, PodOutput>();
  const ends = new Map<string, Promise<void>>();
  const wait = createTeller(options.onWait);
  let record: RunRecord | undefined;
  const finish = (name: string, output: PodOutput): void => {
    if (ends.has(name)) return;
    const ended = output.end(END_LIMIT_MS).then(({ missing }) => {
      if (missing !== undefined && !signal.aborted) options.onMissing(missing);
    });
    ended.catch(() => undefined); // it is awaited below
    ends.set(name, ended);
  };
  try {
    for (let look = 1; !signal.aborted; look += 1) {
      const isOver = look % LOOKS_PER_CHECK === 0 && (await options.isOver());
      const { items } = await listObjects(cluster, pods, { namespace, labelSelector }, { signal });
      const chosen = inOrder(items).filter((pod) => options.task === undefined || taskOf(pod) === options.task);
      if (!record && chosen.length > 0) record = await recordOf(own, chosen);
      for (const pod of chosen) {
        const name = pod.metadata?.name ?? '';
        const output = outputs.get(name) ?? (record && openOutput(own, record, pod));
        if (!output) continue;
        outputs.set(name, output);
        output.follow(pod);
        if (!goOn || hasEnded(pod)) finish(name, output);
      }
      wait(outputs.size === 0 || items.every((pod) => pod.status?.phase === 'Pending') ? reasonOf(chosen) : '');
      if (!goOn || isOver) break;
      await systemClock.sleep(LOOK_MS, signal);
    }
    for (const [name, output] of outputs) finish(name, output);
    await Promise.all(ends.values());
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    for (const output of outputs.values()) output.stop();
  }
}

const taskOf = (pod: Pod): string => identityOf(pod)?.task ?? '';
const hasEnded = ({ status }: Pod): boolean => status?.phase === 'Succeeded' || status?.phase === 'Failed';
const inOrder = (items: readonly Pod[]): readonly Pod[] =>
  items.toSorted((a, b) => {
    const [one, other] = [identityOf(a), identityOf(b)];
    return (one?.attempt ?? 0) - (other?.attempt ?? 0) || (one?.task ?? '').localeCompare(other?.task ?? '');
  });

/** Tells something only when it is new. */
function createTeller(tell: (text: string) => void): (text: string) => void {
  let last = '';
  return (text) => {
    if (text !== '' && text !== last) tell(text);
    last = text;
  };
}

/** The run as it was planned, from its payload; what the pod tells of it where that can't be read. */
async function recordOf(scope: FollowLiveOptions, found: readonly Pod[]): Promise<RunRecord | undefined> {
  const { cluster, namespace, job, run, signal } = scope;
  const labelSelector = selectorFor(scope, [`${LABELS.component}=payload`, `${LABELS.run}=${run.run}`]);
  const payloads = await listObjects(cluster, configMaps, { namespace, labelSelector }, { signal });
  const [payload] = payloads.items as readonly (ConfigMap | undefined)[];
  const ofPods = new Map(found.map((pod) => [pod.metadata?.name ?? '', pod]));
  return payload
    ? recordFrom(payload as unknown as V1ConfigMap)
    : recordOfObjects({ key: { job, run: run.run }, pods: ofPods, vanished: new Map() });
}

function openOutput(options: FollowLiveOptions, whole: RunRecord, pod: Pod): PodOutput {
  const { cluster, namespace, masks, step, service, goOn, signal, onLine } = options;
  const scope = { cluster, namespace, clock: systemClock };
  const record = recordOfTask(whole, taskOf(pod));
  const steps = planRecord(record).steps.filter(({ name }) => step === undefined || name === step);
  const reader = createSecretReader(scope);
  return createPodOutput({
    scope,
    record,
    steps: service === undefined ? steps : [{ name: service, container: service }],
    secrets: () => reader.read(pod.spec ? secretUsesOfJob(pod.spec, record.spec) : [], signal),
    masks,
    attempt: attemptOfPod(pod),
    once: !goOn,
    onLine,
  });
}

/** Why nothing of these pods runs. */
function reasonOf(found: readonly Pod[]): string {
  const [pod] = found;
  if (!pod) return 'it has no pod yet';
  const { conditions = [], containerStatuses = [], initContainerStatuses = [] } = pod.status ?? {};
  const scheduled = conditions.find(({ type, status }) => type === 'PodScheduled' && status === 'False');
  if (scheduled) return `its pod waits for a node: ${scheduled.message ?? scheduled.reason ?? 'nothing tells why'}`;
  const waiting = [...initContainerStatuses, ...containerStatuses].flatMap(({ name, state }) =>
    state?.waiting ? [{ name, ...state.waiting }] : [],
  );
  const told = waiting.find(({ message }) => message !== undefined) ?? waiting[0];
  if (!told) return 'its pod was not taken up by its node yet';
  return `container "${told.name}" of its pod waits: ${told.reason ?? 'nothing tells why'}${told.message ? `: ${told.message}` : ''}`;
}
