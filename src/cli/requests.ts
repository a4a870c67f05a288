import type { Command } from 'commander';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { closest } from 'fastest-levenshtein';
import { transientError, usageError } from '../errors.ts';
import { createCatalogBuilder } from '../job/catalog.ts';
import { durationMs, parseDuration } from '../job/duration.ts';
import type { Catalog } from '../job/model.ts';
import type { GivenAnswer, LedgerView } from '../ledger/port.ts';
import type { Outcome, Request } from '../schemas/index.ts';
import { openTarget, type Repository } from './compose.ts';
import { EXIT } from './exit.ts';
import { gitIdentity, identityText } from './git-identity.ts';
import {
  type CommonOptions,
  type RepositoryOptions,
  withLogOptions,
  withOutput,
  withRepositoryOptions,
  withTarget,
} from './options.ts';
import { stopSignals, type StopSignals } from './signals.ts';
import type { Io } from './terminal.ts';

export interface AskOptions extends CommonOptions, RepositoryOptions {
  readonly in: string;
  readonly run?: string;
  readonly author?: string;
  readonly wait?: boolean;
  readonly timeout?: string;
}

/** The options of commands that put a request on the ledger. */
export function withAskOptions(command: Command): Command {
  return withLogOptions(withOutput(withTarget(withRepositoryOptions(command))))
    .option('--author <author>', 'who asks, as "Name <address>"; default: as git has it')
    .option('--wait', 'wait until it is answered, and say how')
    .option('--timeout <duration>', 'with --wait: for how long; default: 1h');
}

/** What a request is made from. */
export interface Surroundings {
  readonly repository: Repository;
  readonly view: LedgerView;
  readonly stop: StopSignals;
  /** The manifests as they are here; another revision may be in force where the job runs. */
  readonly catalog: () => Promise<Catalog>;
}

export type Wish = Omit<Request, 'apiVersion' | 'kind' | 'requestedBy' | 'at'>;

/** A request that is on the ledger. */
export interface Asked {
  readonly id: string;
  readonly request: Request;
  readonly commit: string | null;
  readonly branch: string;
}

/** How a request was answered; `outcome` is that of the run that it led to. */
export interface Answered extends GivenAnswer {
  readonly outcome?: Outcome;
}

const DEFAULT_WAIT = '1h';

/**
 * Opens the repository, has `wish` make the request of what is there, and commits it to the ledger in the name of whoever asks;
 * `then` goes on with it. Throws usage errors: `LedgerNone`, `AuthorUnknown`, and those of `openTarget` and `wish`.
 */
export async function ask(
  options: AskOptions,
  io: Io,
  wish: (surroundings: Surroundings) => Promise<Wish>,
  then: (asked: Asked, surroundings: Surroundings) => Promise<number>,
): Promise<number> {
  const stop = stopSignals(io, { first: () => io.stderr.write('stopped\n'), second: () => undefined });
  const ending = AbortSignal.any([stop.soft, stop.hard]);
  const author = await gitIdentity(options.author, io.cwd, io);
  const repository = await openTarget(options.in, options, io, ending, undefined, author);
  try {
    const branch = repository.ledgerBranch;
    if (branch === null)
      throw usageError('LedgerNone', 'a request is put on a ledger: --ledger none has no place for it', {
        hint: '`runledger run JOB` runs a job without one',
      });
    const view = await repository.ledger.read(ending);
    const surroundings = { repository, view, stop, catalog: () => readCatalog(repository, view, ending) };
    const request: Request = {
      apiVersion: 'runledger.dev/v1',
      kind: 'Request',
      ...(await wish(surroundings)),
      requestedBy: identityText(author),
      at: new Date().toISOString(),
    };
    const id = randomUUID();
    const commit = await repository.ledger.write({ facts: [], asked: [{ id, request }] }, ending);
    return await then({ id, request, commit, branch }, surroundings);
  } catch (error) {
    if (ending.aborted) return EXIT.interrupted;
    throw error;
  } finally {
    await repository.close();
    stop.close();
  }
}

async function readCatalog(repository: Repository, view: LedgerView, signal: AbortSignal): Promise<Catalog> {
  const snapshot = await repository.source.fetch(signal);
  const paths = [...view.statuses.values()].flatMap(({ source }) => source.path);
  return createCatalogBuilder().build(snapshot, { knownFiles: new Set(paths) });
}

/** Throws `JobUnknown` for a job that neither the manifests nor the ledger know. */
export function assertKnown(job: string, catalog: Catalog, view: LedgerView): void {
  const names = [...new Set([...catalog.jobs.keys(), ...catalog.invalidJobs.keys(), ...view.statuses.keys()])];
  if (names.includes(job)) return;
  const hint = names.length > 0 ? `did you mean ${closest(job, names)}?` : 'there is no manifest and no run';
  throw usageError('JobUnknown', `there is no job "${job}" here`, { hint });
}

const LOOK_MS = { directory: 500, url: 5_000 } as const;
/** How many commits are searched for an answer. */
const HISTORY = 1_000;

/** Waits until a request is answered. Throws `NotAnswered` (transient) when the time is over. */
export async function waitForAnswer(asked: Asked, surroundings: Surroundings, options: AskOptions): Promise<Answered> {
  const { id, request } = asked;
  const { repository, stop } = surroundings;
  const limit = waitLimit(options);
  const signal = AbortSignal.any([stop.soft, stop.hard]);
  for (const began = performance.now(); ;) {
    const view = await repository.ledger.read(signal);
    const isOpen = [...view.requests.values()].some((found) => found.id === id);
    const answer = isOpen ? undefined : await view.answer(id, HISTORY);
    if (answer) return { ...answer, ...(await outcomeOf(answer, request, id, view)) };
    if (!isOpen)
      throw transientError(
        'AnswerMissing',
        `the request ${id} is gone, and none of the last ${HISTORY} commits answers it`,
      );
    if (performance.now() - began >= limit)
      throw transientError('NotAnswered', `nobody has answered the request within ${options.timeout ?? DEFAULT_WAIT}`, {
        hint: `it stays on ${asked.branch}; a controller, \`runledger reconcile\` or \`reconcile --watch\` takes it up`,
      });
    await sleep(LOOK_MS[repository.kind], undefined, { signal });
  }
}

/** For how many milliseconds is waited. Throws `TimeoutForm`. */
export function waitLimit({ timeout = DEFAULT_WAIT }: AskOptions): number {
  if (parseDuration(timeout) === undefined)
    throw usageError('TimeoutForm', `--timeout ${timeout}: write it as 90s or 10m`);
  return durationMs(timeout);
}

async function outcomeOf(
  { verdict, message }: GivenAnswer,
  { job }: Request,
  id: string,
  view: LedgerView,
): Promise<{ readonly outcome?: Outcome }> {
  const run = verdict === 'executed' ? Number(/\/(\d+):/.exec(message)?.[1]) : Number.NaN;
  const outcome = Number.isNaN(run) ? undefined : await view.outcome(job, run);
  return outcome?.trigger.kind === 'request' && outcome.trigger.id === id ? { outcome } : {};
}
