import { type Command, Option } from 'commander';
import { closest } from 'fastest-levenshtein';
import { setTimeout as sleep } from 'node:timers/promises';
import { isCoded, messageOf, usageError } from '../../errors.ts';
import { createCatalogBuilder } from '../../job/catalog.ts';
import type { Catalog } from '../../job/model.ts';
import { durationMs, parseDuration } from '../../job/duration.ts';
import { duration } from '../../ledger/text.ts';
import type { LedgerView } from '../../ledger/port.ts';
import type { Repository } from '../compose.ts';
import { EXIT, exitCodeOf, isWell } from '../exit.ts';
import { openLedgerOf } from '../live/open.ts';
import type { EndedRun } from '../live/picture.ts';
import { type Settled, settledAt } from '../live/settled.ts';
import {
  type CommonOptions,
  type RepositoryOptions,
  withLogOptions,
  withOutput,
  withRepositoryOptions,
  withTarget,
} from '../options.ts';
import { print } from '../print.ts';
import type { Context } from '../program.ts';
import { stopSignals, untilStopped } from '../signals.ts';
import { type Io, paintFor, RESULT_LOOK } from '../terminal.ts';

interface WaitOptions extends CommonOptions, RepositoryOptions {
  readonly in: string;
  readonly revision?: string;
  readonly timeout: string;
  readonly strict?: boolean;
}

const LEAST_DIGITS = 7;
/** Looks at a folder are cheap; a URL has its own interval. */
const FOLDER_MS = 1_000;
/** How often somebody who looks on is told what it waits for. */
const TELL_MS = 30_000;

export function waitCommand(command: Command, context: Context): Command {
  withLogOptions(withOutput(withTarget(withRepositoryOptions(command))))
    .description('wait until the runs of a commit are in the ledger; ends with the exit code of what they came to')
    .argument('[job]', 'only this job, with what it needs; default: all jobs')
    .option('--revision <sha>', 'the commit; default: the newest one of the branch')
    .addOption(new Option('--timeout <duration>', 'gives up after so long, with exit code 1').default('1h'))
    .option('--interval <duration>', 'how often a URL is asked; default: 5s')
    .option('--strict', 'count warning and skipped as not succeeded');
  return command.action(async (job: string | undefined, options: WaitOptions) => {
    context.exit(await wait(job, options, context));
  });
}

async function wait(job: string | undefined, options: WaitOptions, { io }: Context): Promise<number> {
  const timeoutMs = timeoutOf(options.timeout);
  const named = revisionOf(options.revision);
  const stop = stopSignals(io, { first: () => undefined, second: () => undefined });
  const repository = await openLedgerOf(options, io, stop.soft);
  try {
    return await untilStopped({ ...stop, hard: stop.soft }, async () => {
      const waiting = { repository, job, named, io, quiet: options.output !== 'text' };
      const done = await untilSettled(waiting, timeoutMs, stop.soft);
      if (stop.soft.aborted) return EXIT.interrupted;
      const { settled, revision } = done;
      if (settled.kind === 'waits') {
        const told = `${revision.slice(0, 12)} is not done within ${duration(timeoutMs)}: it waits for ${settled.for}`;
        io.stderr.write(`${paintFor(io.stderr, io.env)('red', 'error:')} ${told}\n`);
        return EXIT.failed;
      }
      print(io, options.output, { revision, runs: settled.runs, invalid: settled.invalid }, () =>
        text(settled, revision, job, io),
      );
      const failed = settled.runs.some(({ result }) => !isWell(result, options.strict === true));
      return exitCodeOf({ invalid: settled.invalid.length > 0, failed });
    });
  } finally {
    await repository.close();
    stop.close();
  }
}

function timeoutOf(text: string): number {
  if (parseDuration(text) !== undefined) return durationMs(text);
  throw usageError('TimeoutForm', `--timeout ${text}: write it as 90s, 10m or 2h`);
}

function revisionOf(text: string | undefined): string | undefined {
  if (text === undefined || (/^[0-9a-f]+$/i.test(text) && text.length >= LEAST_DIGITS)) return text?.toLowerCase();
  throw usageError('RevisionForm', `--revision ${text}: write a commit's SHA, at least ${LEAST_DIGITS} digits of it`, {
    hint: 'git rev-parse HEAD',
  });
}

interface Waiting {
  readonly repository: Repository;
  readonly job: string | undefined;
  readonly named: string | undefined;
  readonly io: Io;
  /** Says nothing on the way. */
  readonly quiet: boolean;
}

interface Done {
  readonly settled: Settled;
  readonly revision: string;
}

/** Looks until all is in the ledger, the time is over, or the signal aborts. Throws what the first look throws. */
async function untilSettled(waiting: Waiting, timeoutMs: number, signal: AbortSignal): Promise<Done> {
  const { repository, job, io } = waiting;
  const until = performance.now() + timeoutMs;
  const catalogs = createCatalogBuilder();
  let revision = waiting.named;
  let last: Done | undefined;
  let told = { what: '', at: Number.NEGATIVE_INFINITY };
  const tell = (what: string): void => {
    if (waiting.quiet || (told.what === what && performance.now() - told.at < TELL_MS)) return;
    told = { what, at: performance.now() };
    io.stderr.write(`${paintFor(io.stderr, io.env)('gray', what)}\n`);
  };
  for (;;) {
    try {
      const snapshot = await repository.source.fetch(signal);
      const view = await repository.ledger.read(signal);
      const catalog = await catalogs.build(snapshot, { knownFiles: new Set() });
      revision ??= catalog.revision;
      if (job !== undefined) assertKnown(job, catalog, view);
      last = { settled: settledAt({ catalog, view, revision, job, now: new Date() }), revision };
      if (last.settled.kind === 'settled') return last;
      tell(`waits for ${last.settled.for}`);
    } catch (error) {
      const passes = isCoded(error) && (error.errorClass === 'transient' || error.errorClass === 'waiting');
      if (last === undefined || !passes || signal.aborted) throw error;
      tell(`${messageOf(error)}; tried again`);
    }
    const left = until - performance.now();
    if (left <= 0) return last;
    const pause = repository.kind === 'url' ? repository.ledgerEveryMs : FOLDER_MS;
    await sleep(Math.min(left, pause), undefined, { signal });
  }
}

/** Throws `JobUnknown`, with the nearest name. A job that has been removed may have runs all the same. */
function assertKnown(job: string, { jobs, invalidJobs }: Catalog, { statuses }: LedgerView): void {
  const names = [...jobs.keys(), ...invalidJobs.keys(), ...statuses.keys()];
  if (names.includes(job)) return;
  const hint = names.length > 0 ? `did you mean ${closest(job, names)}?` : 'there is no job';
  throw usageError('JobUnknown', `there is no job "${job}"`, { hint });
}

function text(
  { runs, invalid }: Extract<Settled, { kind: 'settled' }>,
  revision: string,
  job: string | undefined,
  io: Io,
): string {
  const paint = paintFor(io.stdout, io.env);
  const lines = runs.map((run: EndedRun) => {
    const { mark, style } = RESULT_LOOK[run.result];
    const code = run.exitCode === null ? '' : ` (exit code ${run.exitCode})`;
    const other = run.revision.startsWith(revision) ? '' : `, unchanged since ${run.revision.slice(0, 12)}`;
    return `${paint(style, mark)} ${run.job} #${run.run} ${paint(style, run.result)}: ${run.reason}${code}${other}\n`;
  });
  const wrong = invalid.map((name) => `${paint('red', '✗')} ${name} is invalid: runledger validate\n`);
  const nothing = lines.length + wrong.length === 0;
  const none = job === undefined ? 'nothing ran for it' : `${job} did not run for it`;
  return nothing ? `${revision.slice(0, 12)}: ${none}\n` : [...lines, ...wrong].join('');
}
