import { createHash } from 'node:crypto';
import { pack } from 'tar-stream';
import { asCoded, messageOf, transientError } from '../../../errors.ts';
import { ANNOTATIONS, LABELS } from '../../../render/labels.ts';
import { type HandoverFile, handoverFiles, secretUsesOfHandover } from '../../../render/handover.ts';
import { RUNNER_CONTAINER, receiveCommand } from '../../../render/runner-pod.ts';
import { TAKEN } from '../../../render/runner-scripts.ts';
import type { WarmContext } from '../../../outcome/pod.ts';
import type { RunRecord } from '../../port.ts';
import { taskNamed } from '../attempt-marks.ts';
import { attemptOfPod } from '../attempts.ts';
import { execWithInput } from '../exec-input.ts';
import { findObject } from '../objects.ts';
import type { RunnerPoint } from '../points.ts';
import { END_ANNOTATION } from '../pod-context.ts';
import type { Scope } from '../scope.ts';
import type { SecretReader } from '../secret-values.ts';
import { type ConfigMap, configMaps, type Pod } from '../wire.ts';
import { viewRunner } from './view.ts';

/** Hands attempts to the runners that have been claimed for them, as often as it takes, and knows which have been. */
export interface Handovers {
  /** Begins to hand over, unless that is done or under way; nothing for a pod that is no runner, or is to end. */
  look(run: { readonly record: RunRecord; readonly payload: string | undefined }, pod: Pod): void;
  /** What of a runner with an attempt its object does not tell; undefined for a pod that is no runner. */
  contextOf(pod: Pod): WarmContext | undefined;
  /**
   * The runner has printed something, and so has taken its attempt: what hands over often can't say so any more, since a short command
   * takes it along as it ends. Returns whether that is news.
   */
  spoke(pod: Pod): boolean;
  forget(pod: Pod): void;
}

export interface HandoversOptions {
  readonly scope: Scope;
  readonly secrets: SecretReader;
  /** Whether this process has claimed the runner: then nobody else has begun to hand over. */
  readonly claimedHere: (uid: string) => boolean;
  /** A runner has taken its attempt. */
  readonly handed: (record: RunRecord, pod: Pod) => void;
  readonly reached: (point: RunnerPoint) => Promise<void>;
  readonly signal: AbortSignal;
}

const EXEC_LIMIT_MS = 15_000;
const PAUSES_MS: readonly number[] = [100, 250, 500, 1_000, 2_000, 5_000];

export function createHandovers({ scope, secrets, claimedHere, handed, reached, signal }: HandoversOptions): Handovers {
  const done = new Set<string>();
  /** Of which a program was begun that may have handed over. */
  const begun = new Set<string>();
  const working = new Set<string>();
  const failures = new Map<string, { readonly count: number; readonly notBefore: number }>();

  const handOver = async (record: RunRecord, payload: string | undefined, pod: Pod): Promise<void> => {
    const archive = await archiveOf(await filesFor(record, payload, pod));
    const sha256 = createHash('sha256').update(archive).digest('hex');
    await reached('beforeHandover');
    if (!scope.authority.isValid()) throw transientError('LeadershipLost', 'another process leads by now');
    const uid = uidOf(pod);
    begun.add(uid);
    const ref = { name: pod.metadata?.name ?? '', namespace: scope.namespace };
    const command = receiveCommand(archive.length, sha256);
    const options = { container: RUNNER_CONTAINER, command, stdin: archive, signal, timeoutMs: EXEC_LIMIT_MS };
    const answer = await execWithInput(scope.cluster, ref, options);
    if (!answer.includes(TAKEN)) throw transientError('NotTaken', answer.trim().slice(0, 500) || 'it said nothing');
    const isNews = learn(uid);
    await reached('afterHandover');
    if (isNews) handed(record, pod);
  };
  /** Returns whether it is news. */
  const learn = (uid: string): boolean => {
    const isNews = !done.has(uid);
    done.add(uid);
    return isNews;
  };

  const filesFor = async (
    record: RunRecord,
    payload: string | undefined,
    pod: Pod,
  ): Promise<readonly HandoverFile[]> => {
    const { task: name, number } = attemptOfPod(pod);
    const task = taskNamed(record, name);
    const map = (record.spec.files ?? []).length === 0 ? null : await payloadOf(payload);
    const values = new Map<string, string>();
    for (const { label, value } of await secrets.read(secretUsesOfHandover(record, task), signal))
      values.set(label, value);
    return handoverFiles({
      record,
      task,
      attempt: number,
      payload: (key) => contentOf(map, key),
      secret: (secret, key) => values.get(`secret ${secret}/${key}`) ?? '',
    });
  };

  const payloadOf = async (name: string | undefined): Promise<ConfigMap | null> =>
    name === undefined ? null : findObject(scope.cluster, configMaps, { name, namespace: scope.namespace }, { signal });

  return {
    look({ record, payload }, pod) {
      const uid = uidOf(pod);
      const { deletionTimestamp, annotations = {} } = pod.metadata ?? {};
      if (!isRunner(pod) || done.has(uid) || working.has(uid) || signal.aborted) return;
      if (deletionTimestamp !== undefined || annotations[END_ANNOTATION] !== undefined) return;
      if (viewRunner(pod)?.phase === 'ended') return;
      if ((failures.get(uid)?.notBefore ?? 0) > scope.clock.monotonic()) return;
      working.add(uid);
      handOver(record, payload, pod)
        .catch((error: unknown) => {
          if (signal.aborted || done.has(uid)) return;
          const count = (failures.get(uid)?.count ?? 0) + 1;
          const pause = PAUSES_MS[Math.min(count, PAUSES_MS.length) - 1] ?? 0;
          failures.set(uid, { count, notBefore: scope.clock.monotonic() + pause });
          const coded = asCoded(error, (text) => transientError('HandoverFailed', text));
          // A command that ends at once takes the program with it that hands over, before that has said so.
          const level = count < 4 ? 'debug' : 'warn';
          scope.log[level](
            { pod: pod.metadata?.name, error: messageOf(coded) },
            'an attempt could not be handed over yet',
          );
        })
        .finally(() => working.delete(uid));
    },
    contextOf(pod) {
      const claimed = pod.metadata?.annotations?.[ANNOTATIONS.claimed];
      if (!isRunner(pod) || claimed === undefined) return undefined;
      const uid = uidOf(pod);
      const handed = done.has(uid) ? 'yes' : claimedHere(uid) && !begun.has(uid) ? 'no' : 'unknown';
      return { claimed, handed };
    },
    spoke: (pod) => isRunner(pod) && learn(uidOf(pod)),
    forget(pod) {
      for (const known of [done, begun, failures]) known.delete(uidOf(pod));
    },
  };
}

const uidOf = ({ metadata }: Pod): string => metadata?.uid ?? '';

/** Whether the pod of an attempt is a runner of a set. */
export const isRunner = ({ metadata }: Pod): boolean => metadata?.labels?.[LABELS.runnerSet] !== undefined;

function contentOf(payload: ConfigMap | null, key: string): Uint8Array | undefined {
  const text = payload?.data?.[key];
  if (text !== undefined) return Buffer.from(text);
  const binary = payload?.binaryData?.[key];
  return binary === undefined ? undefined : Buffer.from(binary, 'base64');
}

async function archiveOf(files: readonly HandoverFile[]): Promise<Buffer> {
  const tar = pack();
  for (const { path, mode, content } of files)
    tar.entry({ name: path, mode, mtime: new Date(0) }, Buffer.from(content));
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
