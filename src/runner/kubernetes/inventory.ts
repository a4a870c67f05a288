import type { V1ConfigMap } from '@kubernetes/client-node';
import { LABELS, MANAGER, identityOf, type Component } from '../../render/labels.ts';
import type { NameScope } from '../../render/names.ts';
import type { Owner } from '../../render/context.ts';
import { recordFrom } from '../../render/payload.ts';
import type { RunKey, RunRecord } from '../port.ts';
import { type AttemptMarks, marksOn } from './attempt-marks.ts';
import { listObjects } from './objects.ts';
import type { AdoptPoint } from './points.ts';
import { runName, type Scope } from './scope.ts';
import { type WarmMarks, warmMarksOn } from './warm-marks.ts';
import type { Change } from './store.ts';
import { type ConfigMap, configMaps, type Pod, pods } from './wire.ts';
import { watchResource } from './watch.ts';

/** What the cluster holds of one run, as far as it is known here. */
export interface RunObjects {
  readonly key: RunKey;
  claim?: ConfigMap;
  /** From the payload, or as it was claimed here; absent where little more is known than the claim says. */
  record?: RunRecord;
  /** Absent where there is none. */
  payload?: PayloadFacts;
  readonly pods: Map<string, Pod>;
  /** Pods, by name, whose deletion has been seen. */
  readonly vanished: Map<string, Pod>;
}

/** What has to be known of a payload besides the record in it. */
export interface PayloadFacts extends Owner {
  readonly marks: AttemptMarks;
  /** What has become of attempts that runner sets are to run. */
  readonly warm: WarmMarks;
  readonly resourceVersion: string;
}

/** What has to be known of a payload that is there. */
export function payloadFacts(payload: ConfigMap): PayloadFacts {
  const { name = '', uid = '', resourceVersion = '' } = payload.metadata ?? {};
  return { name, uid, resourceVersion, marks: marksOn(payload), warm: warmMarksOn(payload) };
}

/** Everything of a source that lives in its namespace: claims and pods by a watch, payloads by one list at the start. */
export interface Inventory {
  runs(): Iterable<RunObjects>;
  find(key: RunKey): RunObjects | undefined;
  /** What we have created ourselves need not wait for the watch. */
  learn(key: RunKey, found: Partial<Pick<RunObjects, 'claim' | 'record' | 'payload'>> & { pod?: Pod }): RunObjects;
  forget(key: RunKey): void;
}

/** The labels of a source's objects of one kind. */
export const selectorOf = ({ installation, source }: NameScope, component: Component): string =>
  `${ofInstallation(installation, component)},${LABELS.source}=${source}`;

/** Selects a kind of objects of a source of the configuration and of its pull requests alike. */
export const selectorOfParts = (installation: string, source: string, component: Component): string =>
  `${ofInstallation(installation, component)},${LABELS.partOf}=${source}`;

const ofInstallation = (installation: string, component: Component): string =>
  [`${LABELS.managedBy}=${MANAGER}`, `${LABELS.component}=${component}`, `${LABELS.installation}=${installation}`].join(
    ',',
  );

/**
 * Opens the watches and returns once they are complete. `changed` is told the run of every object that changes. Throws
 * what the API server says when the namespace or the permission is missing.
 */
export async function openInventory(
  scope: Scope,
  changed: (key: RunKey) => void,
  signal: AbortSignal,
  reached: (point: AdoptPoint) => Promise<void> = async () => undefined,
): Promise<Inventory> {
  const { cluster, namespace, log } = scope;
  const runs = new Map<string, RunObjects>();
  const entry = (key: RunKey): RunObjects => {
    const name = runName(key);
    const known = runs.get(name) ?? { key, pods: new Map(), vanished: new Map() };
    runs.set(name, known);
    return known;
  };
  const onClaim = ({ type, object }: Change<ConfigMap>): void => {
    const key = identityOf(object);
    if (!key) return;
    const run = entry(key);
    if (type === 'deleted') delete run.claim;
    else run.claim = object;
    drop(run);
    changed(key);
  };
  /** By the pod's name: somebody may change what says whose it is, and it stays the pod that it was. */
  const keys = new Map<string, RunKey>();
  const onPod = ({ type, object }: Change<Pod>): void => {
    const name = object.metadata?.name ?? '';
    const key = identityOf(object) ?? keys.get(name);
    if (!key) return;
    const run = entry(key);
    if (type === 'deleted') {
      run.pods.delete(name);
      keys.delete(name);
      run.vanished.set(name, object);
    } else {
      run.pods.set(name, object);
      keys.set(name, key);
    }
    drop(run);
    changed(key);
  };
  /** A run of which nothing is left is not kept. */
  const drop = (run: RunObjects): void => {
    if (!run.claim && run.pods.size === 0) runs.delete(runName(run.key));
  };
  const options = { namespace, signal, log };
  const claims = watchResource(cluster, configMaps, {
    ...options,
    labelSelector: selectorOf(scope, 'claim'),
    onChange: onClaim,
  });
  const attempts = watchResource(cluster, pods, {
    ...options,
    labelSelector: selectorOf(scope, 'attempt'),
    onChange: onPod,
  });
  await Promise.all([claims.ready, attempts.ready]);
  await reached('afterWatches');
  const payloads = await listObjects(
    cluster,
    configMaps,
    { namespace, labelSelector: selectorOf(scope, 'payload') },
    { signal },
  );
  for (const payload of payloads.items) {
    const key = identityOf(payload);
    if (key) learnPayload(entry(key), payload, scope);
  }
  return {
    runs: () => runs.values(),
    find: (key) => runs.get(runName(key)),
    learn(key, { claim, record, payload, pod }) {
      const run = entry(key);
      if (record) run.record = record;
      if (payload) run.payload = payload;
      // The answer to a create may come after the watch has told more, or even the end.
      if (claim) run.claim ??= claim;
      const { name = '', uid } = pod?.metadata ?? {};
      if (pod && !run.pods.has(name) && run.vanished.get(name)?.metadata?.uid !== uid) run.pods.set(name, pod);
      return run;
    },
    forget: (key) => void runs.delete(runName(key)),
  };
}

function learnPayload(run: RunObjects, payload: ConfigMap, { log }: Scope): void {
  try {
    run.record = recordFrom(payload as unknown as V1ConfigMap);
    run.payload = payloadFacts(payload);
  } catch (error) {
    log.warn({ payload: payload.metadata?.name, error: String(error) }, 'a payload can not be read');
  }
}
