import { createHash } from 'node:crypto';
import type { NormalJobSpec } from '../job/defaults.ts';
import type { Judgement } from '../outcome/judge.ts';
import type { AttemptState, RunKey } from '../runner/port.ts';
import type { Reason } from '../schemas/index.ts';

/** An attempt that has ended, and what its ending amounts to. */
export interface EndedAttempt {
  readonly attempt: AttemptState;
  readonly judgement: Judgement;
}

/** Whether a task gets another attempt. */
export type RetryDecision =
  | { readonly kind: 'final' }
  /** Milliseconds since 1970: not earlier than this. */
  | { readonly kind: 'again'; readonly notBefore: number };

/** How often an attempt that ended before any step had started is repeated at no charge. */
export const FREE_RETRIES = 3;
const FREE_BACKOFF_MS = 1_000;
/** At most this part of a pause is left out at random, so that what failed together does not come back together. */
const JITTER = 0.2;

/** Why an attempt may end before its first step through no fault of the job's; a missing image is one of the job's. */
const FREE: ReadonlySet<Reason> = new Set(['Unschedulable', 'Preempted', 'Evicted', 'NodeRejected', 'StartError']);
/** What `retry.infrastructure` counts. A lost node's pod may still be running: it never gets a successor by itself. */
const INFRASTRUCTURE: ReadonlySet<Reason> = new Set(['Evicted', 'Preempted', 'PodDeleted']);
/** A command that is not there will not be there the next time either, nor a file: the words of a container runtime, then our own. */
const FOR_GOOD =
  /not found|no such file|permission denied|exec format|is a directory|there is no |may not be executed|directory does not exist|is no directory|are too large|null bytes|can't be checked out|does not give commit/i;

type Class = 'free' | 'own' | 'infrastructure' | 'none';

/**
 * Whether a task whose last attempt has ended gets another one, by the rules of the job reference (Execution): free before any
 * step has started; after that for the job's own failures (`retry.limit`, `retry.on`) and for what happened to it
 * (`retry.infrastructure`), each with a count of its own. `attempts` are all of the task in their order.
 */
export function decideRetry(
  key: RunKey & { readonly task: string },
  attempts: readonly EndedAttempt[],
  { retry }: Pick<NormalJobSpec, 'retry'>,
): RetryDecision {
  const last = attempts.at(-1);
  if (!last) return { kind: 'final' };
  const kind = classOf(last, retry.on);
  const used = attempts.filter((attempt) => classOf(attempt, retry.on) === kind).length;
  const allowed = { free: FREE_RETRIES, own: retry.limit, infrastructure: retry.infrastructure, none: 0 }[kind];
  if (used > allowed) return { kind: 'final' };
  const base = kind === 'free' ? Math.min(FREE_BACKOFF_MS, retry.backoffMs) : retry.backoffMs;
  const pause = Math.min(retry.maxBackoffMs, base * 2 ** Math.min(used - 1, 30));
  const ended = Date.parse(last.attempt.finished ?? '');
  return {
    kind: 'again',
    notBefore: (Number.isNaN(ended) ? 0 : ended) + Math.round(pause * (1 - JITTER * fraction(key, last))),
  };
}

function classOf({ attempt, judgement }: EndedAttempt, on: NormalJobSpec['retry']['on']): Class {
  const { result, reason, exitCode } = judgement;
  if (result === 'error') {
    if (attempt.started === null) return FREE.has(reason) && !FOR_GOOD.test(judgement.message) ? 'free' : 'none';
    return INFRASTRUCTURE.has(reason) ? 'infrastructure' : 'none';
  }
  if (result === 'timed-out') return on.includes('timeout') && attempt.started !== null ? 'own' : 'none';
  if (result !== 'failed') return 'none';
  const listed = on.some((item) => typeof item === 'object' && exitCode !== null && item.exitCodes.includes(exitCode));
  return listed || on.includes('exit') ? 'own' : 'none';
}

/** From 0 to below 1, the same for whoever asks: the next leader waits as long as this one. */
function fraction({ job, run, task }: RunKey & { readonly task: string }, { attempt }: EndedAttempt): number {
  const bytes = createHash('sha256')
    .update(JSON.stringify([job, run, task, attempt.number]))
    .digest();
  return bytes.readUInt32BE(0) / 2 ** 32;
}
