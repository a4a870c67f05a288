import { CodedError } from '../errors.ts';
import type { Branch } from '../git/port.ts';
import { createSerial } from '../git/serial.ts';
import { createCoalescer, type Turn } from './coalesce.ts';
import { buildCommit, type BuiltCommit } from './commit.ts';
import type { Ledger } from './port.ts';
import { prepareChange, type PreparedChange } from './prepare.ts';
import { createReadmeClock } from './readme-clock.ts';
import { emptyStage, isChanged, stageChange, type Stage } from './stage.ts';
import { cachedTrees } from './tree.ts';
import { readState, type LedgerFiles, type LedgerState } from './view.ts';

export interface LedgerOptions {
  readonly branch: Branch;
  /** Author and committer of the commits. */
  readonly author: { readonly name: string; readonly email: string };
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Ends everything, timers included. */
  readonly signal: AbortSignal;
  /** While runs keep ending, the README is written this often at most; milliseconds, default one minute. */
  readonly readmeEveryMs?: number;
  /** For how long a change is tried before `write` fails with a transient error; milliseconds, default two minutes. */
  readonly limitMs?: number;
  /** From 0 to below 1, for the pauses between tries. */
  readonly random?: () => number;
  /** Milliseconds from any fixed point, never going back: how long tries take. */
  readonly elapsed?: () => number;
  readonly log?: (event: LedgerEvent) => void;
}

/** What a ledger tells while it works; none of it is needed for correctness. */
export type LedgerEvent =
  | {
      readonly kind: 'pushed';
      readonly commit: string;
      readonly subject: string;
      readonly writes: number;
      readonly tries: number;
    }
  | {
      readonly kind: 'retry';
      readonly writes: number;
      readonly tries: number;
      readonly pauseMs: number;
      readonly error: unknown;
    }
  | { readonly kind: 'readmeFailed'; readonly error: unknown };

/** What waits to be committed: a change, or the README alone. */
type Item = { readonly kind: 'change'; readonly change: PreparedChange } | { readonly kind: 'readme' };
type Batch = readonly Turn<Item, string | null>[];
type Built = { readonly stage: Stage; readonly commit: BuiltCommit | null; readonly withReadme: boolean };

const MINUTE = 60_000;

/**
 * The ledger on a branch. One push is under way at a time; every try takes in all changes that are waiting by then. When
 * the branch has moved, the changes are applied anew to its new head. A change that can't be recorded fails alone. A
 * change whose signal aborts is withdrawn, unless a push with it is under way: then its call rejects all the same, and
 * the next `read` tells what became of it.
 *
 * `write` throws what `prepareChange` and `stageChange` throw (terminal), `LedgerBusy` (transient: not accepted within
 * the limit; the caller still has the change and tries again), what `readState` throws, and what the branch throws.
 */
export function openLedger(options: LedgerOptions): Ledger {
  const { branch, now, signal, log } = options;
  const files: LedgerFiles = { branch, readTree: cachedTrees((id) => branch.readTree(id)) };
  const serial = createSerial();
  let state: LedgerState | undefined;
  /** Whether the last push went through at once: then the next one starts from the head that is known. */
  let undisturbed = false;

  const refresh = (signal: AbortSignal): Promise<LedgerState> =>
    serial(async () => (state = await readState(files, await branch.refresh(signal), state)));

  const build = async (base: LedgerState, batch: Batch): Promise<Built> => {
    const stage = await stageBatch(files, base, batch);
    const withReadme = base.root === null || readme.isDue() || batch.some(({ item }) => item.kind === 'readme');
    const stale = withReadme ? readme.staleBuckets() : null;
    const commit = await buildCommit(files, base, stage, { author: options.author, now: now(), readme: stale });
    return { stage, commit, withReadme };
  };

  const attempt = async (batch: Batch, tries: number, signal: AbortSignal): Promise<void> => {
    let base = tries === 1 && undisturbed && state ? state : await refresh(signal);
    let built = await build(base, batch);
    if (built.commit === null && base.view.head !== (await refresh(signal)).view.head) {
      base = state ?? base;
      built = await build(base, batch);
    }
    const { commit, stage, withReadme } = built;
    if (commit !== null) {
      undisturbed = false;
      for (const turn of batch) turn.sent = true;
      await serial(async () => {
        await branch.advance(base.view.head, commit.id, commit.objects, signal);
        // The remote has it. That it can't be read here is for the next refresh to deal with.
        state = await readState(files, commit.id, base).catch(() => undefined);
      });
      undisturbed = tries === 1;
      readme.committed(commit.buckets, withReadme);
      log?.({ kind: 'pushed', commit: commit.id, subject: commit.subject, writes: batch.length, tries });
    } else if (withReadme) {
      readme.upToDate();
    }
    for (const turn of batch) {
      if (commit !== null && isIn(base, stage, turn.item)) turn.resolve(commit.id);
      else turn.resolve(turn.sent ? base.view.head : null);
    }
  };

  const submit = createCoalescer<Item, string | null>({
    attempt,
    signal,
    limitMs: options.limitMs ?? 2 * MINUTE,
    random: options.random ?? Math.random,
    elapsed: options.elapsed ?? (() => performance.now()),
    onRetry: ({ waiting, tries, pauseMs, error }) => log?.({ kind: 'retry', writes: waiting, tries, pauseMs, error }),
  });

  const readme = createReadmeClock({
    now,
    signal,
    everyMs: options.readmeEveryMs ?? MINUTE,
    onDue: () => {
      submit({ kind: 'readme' }, signal).catch((error: unknown) => log?.({ kind: 'readmeFailed', error }));
    },
  });

  return {
    branch: branch.name,
    read: async (signal) => (await refresh(signal)).view,
    latest: () => state?.view ?? null,
    write: async (change, signal) => submit({ kind: 'change', change: prepareChange(change) }, signal),
    flush: async (signal) => (readme.isStale() ? submit({ kind: 'readme' }, signal) : null),
  };
}

/** Every change of the batch that can be applied to the head; the others fail here and now. */
async function stageBatch(files: LedgerFiles, base: LedgerState, batch: Batch): Promise<Stage> {
  let stage = emptyStage;
  for (const turn of batch) {
    if (turn.item.kind === 'readme') continue;
    try {
      stage = await stageChange(files, base, stage, turn.item.change);
    } catch (error) {
      if (!(error instanceof CodedError) || error.errorClass !== 'terminal') throw error;
      turn.reject(error);
    }
  }
  return stage;
}

/** Whether the commit of this stage holds the item, be it by another call that said the same. */
function isIn(base: LedgerState, stage: Stage, item: Item): boolean {
  if (item.kind === 'readme') return true;
  const { invalid, asked, answered } = item.change;
  if (invalid !== undefined && (invalid.blob?.id ?? null) !== base.invalidBlob) return true;
  if ([...asked, ...answered].some(({ path }) => stage.requests.has(path))) return true;
  return item.change.facts.some(({ facts }) => {
    const job = stage.jobs.get(facts.job);
    return job !== undefined && isChanged(job);
  });
}
