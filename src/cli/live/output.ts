import { pipeline } from 'node:stream/promises';
import { isCoded, usageError } from '../../errors.ts';
import { EXIT } from '../exit.ts';
import { runNumber } from '../recorded.ts';
import { stopSignals, untilStopped } from '../signals.ts';
import { type Io, paintFor } from '../terminal.ts';
import { type LookOptions, openLookout } from './open.ts';
import { type GoingRun, type GoingTask, type Picture, pictureOf } from './picture.ts';

export interface LiveOutputOptions extends LookOptions {
  readonly run?: string;
  readonly task?: string;
}

/**
 * `artifacts --live`: the output folder of a task that runs, as a tar on standard output. Throws usage errors: a terminal instead of
 * a file, a run that does not run, several tasks to choose from; and what reading the folder throws.
 */
export async function liveOutput(job: string, options: LiveOutputOptions, io: Io): Promise<number> {
  const wanted = options.run === undefined ? undefined : runNumber(options.run);
  if (io.stdout.isTTY) {
    const hint = `runledger artifacts ${job} --live | tar -tv`;
    throw usageError('TarToTerminal', 'a tar is nothing for a terminal', { hint });
  }
  const stop = stopSignals(io, { first: () => undefined, second: () => undefined });
  try {
    return await untilStopped({ ...stop, hard: stop.soft }, async () => {
      const lookout = await openLookout(options, io, stop.soft);
      try {
        const live = await lookout.live.list(stop.soft);
        const view = await lookout.repository.ledger.read(stop.soft);
        const run = runIn(pictureOf(live, view, new Date().toISOString(), job), job, wanted);
        const { stream, ended } = await lookout.live.output(run, taskIn(run, options.task), stop.soft);
        await pipeline(stream, io.stdout, { end: false }).catch((error: unknown) => {
          if (!isCoded(error) && (error as NodeJS.ErrnoException).code !== 'EPIPE') throw error;
        });
        for (const warning of await ended)
          io.stderr.write(`${paintFor(io.stderr, io.env)('yellow', '!')} ${warning}\n`);
        return EXIT.ok;
      } finally {
        await lookout.close();
      }
    });
  } finally {
    stop.close();
  }
}

/** Throws `NotRunning`. */
function runIn({ going, ended }: Picture, job: string, wanted: number | undefined): GoingRun {
  const runs = [...going.values()].filter(({ run, tasks }) => (wanted ?? run) === run && tasks.length > 0);
  const newest = runs.toSorted((one, other) => other.run - one.run)[0];
  if (newest) return newest;
  const which = wanted === undefined ? '' : ` #${wanted}`;
  throw usageError('NotRunning', `${job}${which} does not run`, {
    hint:
      ended.size > 0
        ? `what an ended run has left: runledger artifacts ${job}${wanted === undefined ? '' : ` --run ${wanted}`}`
        : '`runledger top` shows what runs; in a cluster, with --runner kubernetes',
  });
}

/** Throws `TaskUnknown`, `TaskAmbiguous`. */
function taskIn({ job, run, tasks }: GoingRun, wanted: string | undefined): GoingTask {
  const running = tasks.filter(({ phase }) => phase === 'running');
  const chosen = running.filter(({ task }) => task === (wanted ?? task));
  const [first] = chosen;
  const names = running.map(({ task }) => task).join(', ');
  const hint = running.length === 0 ? 'none of its tasks runs just now' : `those that run: ${names}`;
  if (!first) throw usageError('TaskUnknown', `${job} #${run} has no running task ${wanted ?? ''}`.trim(), { hint });
  if (chosen.length === 1) return first;
  throw usageError('TaskAmbiguous', `${chosen.length} tasks of ${job} #${run} run`, {
    hint: `name one by --task: ${names}`,
  });
}
