import type { Command } from 'commander';
import { join, resolve } from 'node:path';
import { extractArchive } from '../../artifacts/extract.ts';
import { keyPart } from '../../artifacts/key.ts';
import type { Store } from '../../artifacts/port.ts';
import { usageError } from '../../errors.ts';
import { formatBytes } from '../../job/quantity.ts';
import { oneLine } from '../../ledger/text.ts';
import type { Artifact, Outcome } from '../../schemas/index.ts';
import { openTarget, type Repository } from '../compose.ts';
import { EXIT } from '../exit.ts';
import { type LookOptions, withWhere } from '../live/open.ts';
import { liveOutput } from '../live/output.ts';
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
import { recordedOutcome, runNumber } from '../recorded.ts';
import { stopSignals, untilStopped } from '../signals.ts';
import { localStore, namesStore, storeFrom, type StoreOptions, withStoreOptions } from '../store.ts';
import { type Paint, paintFor, table, widthOf } from '../terminal.ts';
import { statusOf } from './get.ts';

interface ArtifactsOptions extends CommonOptions, RepositoryOptions, StoreOptions, LookOptions {
  readonly in: string;
  readonly run?: string;
  readonly task?: string;
  readonly extract?: string;
  readonly live?: boolean;
}

/** What the command finds; what `-o json` and `-o yaml` print. */
interface Found {
  readonly job: string;
  readonly run: number;
  readonly artifacts: readonly Artifact[];
  readonly archives: readonly TaskArchive[];
  /** Where the archives were unpacked. */
  readonly extracted?: readonly Extracted[];
}

/** The archive of the attempt that decided a task. */
interface TaskArchive {
  readonly task: string;
  readonly attempt: number;
  readonly key?: string;
  readonly bytes?: number;
  readonly sha256?: string;
  readonly complete: boolean;
  readonly reason?: string;
}

interface Extracted {
  readonly task: string;
  readonly folder: string;
  readonly files: number;
  readonly bytes: number;
}

export function artifactsCommand(command: Command, context: Context): Command {
  withWhere(withLogOptions(withOutput(withStoreOptions(withTarget(withRepositoryOptions(command))))))
    .description('list the files that a run left behind, and get them')
    .argument('<job>', 'the name of the job')
    .option('--run <number>', 'which run; default: the newest')
    .option('--task <name>', 'only those of one task')
    .option('--extract <folder>', 'unpack them into a folder, which is made or has to be empty')
    .option('--live', 'the output folder of a task that runs, as a tar on standard output');
  return command.action(async (job: string, options: ArtifactsOptions) => {
    context.exit(
      await (options.live === true ? liveOutput(job, options, context.io) : artifacts(job, options, context)),
    );
  });
}

async function artifacts(job: string, options: ArtifactsOptions, { io }: Context): Promise<number> {
  const wanted = options.run === undefined ? undefined : runNumber(options.run);
  const stop = stopSignals(io, {
    first: () => io.stderr.write('stopping: what is half unpacked is removed\n'),
    second: () => io.stderr.write('stopped at once\n'),
  });
  const repository = await openTarget(options.in, options, io, stop.hard);
  try {
    return await untilStopped({ ...stop, hard: stop.soft }, async () => {
      const view = await repository.ledger.read(stop.soft);
      const run = wanted ?? statusOf(view, job).lastRuns[0]?.run;
      if (run === undefined)
        throw usageError('NoRun', `${job} never ran`, { hint: `\`runledger run ${job}\` runs it` });
      const outcome = await recordedOutcome(view, job, run);
      const found = foundIn(outcome, options.task);
      const extracted =
        options.extract === undefined
          ? {}
          : {
              extracted: await extract(
                found,
                resolve(io.cwd, options.extract),
                await storeOf(outcome, options, repository, io),
                stop.soft,
              ),
            };
      const result: Found = { ...found, ...extracted };
      print(io, options.output, result, () => text(result, widthOf(io.stdout, io.env), paintFor(io.stdout, io.env)));
      return EXIT.ok;
    });
  } finally {
    await repository.close();
    stop.close();
  }
}

/** The store that is named, else the one that runs of this machine's processes use. Throws what `storeFrom` throws. */
const storeOf = (
  { by }: Outcome,
  options: StoreOptions,
  { stateDir }: Repository,
  io: Context['io'],
): Promise<Store> =>
  by.runner === 'process' && !namesStore(options, io) ? localStore(stateDir).open() : storeFrom(options, io);

/** Throws `TaskUnknown`, with the tasks that there are. */
function foundIn({ job, run, tasks, artifacts = [] }: Outcome, task: string | undefined): Found {
  const chosen = tasks.filter(({ name }) => task === undefined || name === task);
  if (chosen.length === 0)
    throw usageError('TaskUnknown', `${job} #${run} has no task "${task ?? ''}"`, {
      hint: `its tasks are ${tasks.map(({ name }) => name).join(', ')}`,
    });
  const archives = chosen.flatMap(({ name, attempts }): readonly TaskArchive[] => {
    const last = attempts.at(-1);
    return last?.archive ? [{ task: name, attempt: last.number, ...last.archive }] : [];
  });
  const [only] = tasks.length === 1 ? tasks : [];
  const files = artifacts.filter(({ task: of = only?.name }) => task === undefined || of === task);
  return { job, run, artifacts: files, archives };
}

/** Names of tasks that are names of folders, too. */
const PLAIN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** Into the folder itself, or into a folder for each task where there are several. Throws `NoArtifacts` and what the store throws. */
async function extract(
  { job, run, archives }: Found,
  folder: string,
  store: Store,
  signal: AbortSignal,
): Promise<readonly Extracted[]> {
  const stored = archives.flatMap(({ task, key, bytes, sha256 }) =>
    key === undefined || bytes === undefined || sha256 === undefined ? [] : [{ task, key, bytes, sha256 }],
  );
  if (stored.length === 0)
    throw usageError('NoArtifacts', `${job} #${run} has no artifacts that could be unpacked`, {
      hint: `\`runledger artifacts ${job} --run ${run}\` says what it left`,
    });
  const done: Extracted[] = [];
  try {
    for (const { task, key, ...expected } of stored) {
      const target = stored.length === 1 ? folder : join(folder, PLAIN.test(task) ? task : keyPart(task));
      const { files } = await extractArchive(await store.get(key, expected, signal), target, { signal });
      const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
      done.push({ task, folder: target, files: files.length, bytes });
    }
    return done;
  } finally {
    store.close();
  }
}

function text(found: Found, width: number, paint: Paint): string {
  const { job, run, artifacts, archives, extracted = [] } = found;
  const several = artifacts.some(({ task }) => task !== undefined);
  const columns = [{ title: 'TASK' }, { title: 'PATH' }, { title: 'SIZE' }, { title: 'SHA-256', shrinkTo: 13 }];
  const rows = artifacts.map(({ task, path, bytes, sha256 }) => [
    { text: task ?? '' },
    { text: oneLine(path, 500) },
    { text: formatBytes(bytes) },
    { text: sha256 },
  ]);
  const shown = <T>(cells: readonly T[]): readonly T[] => (several ? cells : cells.slice(1));
  const missing = archives.flatMap(({ task, complete, reason }) =>
    complete ? [] : [`${paint('yellow', '!')} ${task}: not complete${reason ? `: ${oneLine(reason, 500)}` : ''}\n`],
  );
  const unpacked = extracted.map(({ folder, files, bytes }) => {
    const count = files === 1 ? '1 file' : `${files} files`;
    return `${count} (${formatBytes(bytes)}) in ${folder}\n`;
  });
  const list =
    rows.length > 0 ? table(shown(columns), rows.map(shown), width, paint) : `${job} #${run} left no artifacts\n`;
  return [list, ...missing, ...unpacked].join('');
}
