import { gunzipSync, gzipSync } from 'node:zlib';
import { runObjectName } from '../../render/names.ts';
import type { Outcome } from '../../schemas/index.ts';
import type { ParkedOutcome, RunKey } from '../port.ts';
import { mergePatch } from './objects.ts';
import type { Scope } from './scope.ts';
import { type ConfigMap, configMaps } from './wire.ts';

/** Holds an outcome that waits for the ledger: gzip JSON in base64. */
export const PARKED_ANNOTATION = 'runledger.dev/parked';

/** All annotations of an object may have 256 KiB together (kubernetes.io/docs/concepts/overview/working-with-objects/annotations). */
const MOST_BYTES = 200 * 1024;

/** Puts an outcome onto the claim of its run. */
export async function parkOutcome(
  scope: Scope,
  key: RunKey,
  parked: ParkedOutcome,
  signal: AbortSignal,
): Promise<void> {
  const whole = pack(parked);
  const value = whole.length <= MOST_BYTES ? whole : pack(withoutLogs(parked));
  const ref = { name: runObjectName('claim', scope, key.job, key.run), namespace: scope.namespace };
  const metadata = { annotations: { [PARKED_ANNOTATION]: value } };
  await mergePatch(scope.cluster, configMaps, ref, { metadata }, { signal, repeatable: true });
}

/** The outcome that was put onto a claim, if there is one. */
export function parkedOn(claim: ConfigMap | undefined): ParkedOutcome | undefined {
  const value = claim?.metadata?.annotations?.[PARKED_ANNOTATION];
  if (value === undefined) return undefined;
  try {
    const { outcome, logs, keep } = JSON.parse(gunzipSync(Buffer.from(value, 'base64')).toString()) as Packed;
    return { outcome, keep, logs: new Map(logs.map(([path, text]) => [path, Buffer.from(text, 'base64')])) };
  } catch {
    return undefined; // somebody has changed it: the run is told as what the cluster shows of it
  }
}

interface Packed {
  readonly outcome: Outcome;
  readonly keep: ParkedOutcome['keep'];
  readonly logs: readonly (readonly [path: string, base64: string])[];
}

function pack({ outcome, logs, keep }: ParkedOutcome): string {
  const packed: Packed = {
    outcome,
    keep,
    logs: [...logs].map(([path, bytes]) => [path, Buffer.from(bytes).toString('base64')]),
  };
  return gzipSync(JSON.stringify(packed)).toString('base64');
}

/** The outcome without the logs, saying so. */
function withoutLogs({ outcome, keep }: ParkedOutcome): ParkedOutcome {
  const { log: _log, ...rest } = outcome;
  const tasks = outcome.tasks.map((task) => ({
    ...task,
    attempts: task.attempts.map(({ log: _own, ...attempt }) => attempt),
  }));
  const warning =
    'the log is missing: the ledger could not be written, and the log was too large to be kept in the cluster meanwhile';
  return { outcome: { ...rest, tasks, warnings: [...(outcome.warnings ?? []), warning] }, keep, logs: new Map() };
}
