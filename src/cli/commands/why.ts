import type { Command } from 'commander';
import { messageOf } from '../../errors.ts';
import type { LedgerView } from '../../ledger/port.ts';
import { duration, oneLine } from '../../ledger/text.ts';
import type { LiveRun } from '../../runner/port.ts';
import { refusedFields } from '../../runner/process/index.ts';
import { asksCluster } from '../cluster-logs.ts';
import type { Repository } from '../compose.ts';
import { EXIT } from '../exit.ts';
import type { ClusterLookOptions } from '../live/kubernetes.ts';
import { withWhere } from '../live/open.ts';
import type { GoingRun } from '../live/picture.ts';
import { type RunnerOptions, withLogOptions, withOutput, withRepositoryOptions, withTarget } from '../options.ts';
import { print } from '../print.ts';
import type { Context } from '../program.ts';
import { reading, type ReadingOptions } from '../reading.ts';
import { assertKnown } from '../requests.ts';
import { reasonText } from '../run-entry.ts';
import { ago, type Io, type Paint, paintFor, RESULT_LOOK } from '../terminal.ts';
import { claimedHere } from '../waiting.ts';
import { catalogFor, type Why, whyOf } from '../why.ts';

interface WhyOptions extends ReadingOptions, ClusterLookOptions, Pick<RunnerOptions, 'runner'> {}

export function whyCommand(command: Command, context: Context): Command {
  withWhere(withLogOptions(withOutput(withTarget(withRepositoryOptions(command)))))
    .description('say why a job ran last, why it does not run now, and what it waits for')
    .argument('<job>', 'the name of the job');
  return command.action(async (job: string, options: WhyOptions) => {
    const { io } = context;
    context.exit(
      await reading(options, io, async (repository, signal) => {
        const why = await look(job, repository, options, io, signal);
        print(io, options.output, why, () => whyText(why, paintFor(io.stdout, io.env), new Date()));
        return EXIT.ok;
      }),
    );
  });
}

/** Throws `JobUnknown`, and what reading the repository or a cluster that was named throws. */
async function look(
  job: string,
  repository: Repository,
  options: WhyOptions,
  io: Io,
  signal: AbortSignal,
): Promise<Why> {
  // What is claimed is read before what is recorded: a run in between is seen in one of them.
  const claimed = await claimedHere(repository, io, signal);
  const elsewhere = await claimedElsewhere(repository, options, io, signal);
  const snapshot = await repository.source.fetch(signal);
  const view = await repository.ledger.read(signal);
  const catalog = await catalogFor(snapshot, view);
  assertKnown(job, catalog, view);
  return whyOf({
    job,
    view,
    catalog,
    snapshot,
    live: await unrecorded(claimed, (run) => run.record, view),
    elsewhere: await unrecorded(elsewhere, (run) => run, view),
    // Somebody who asks about a cluster, or a repository that is no folder, does not mean this machine.
    refuses: (spec) => (repository.kind === 'directory' && options.runner !== 'kubernetes' ? refusedFields(spec) : []),
    now: new Date(),
  });
}

async function unrecorded<T extends LiveRun | GoingRun>(
  runs: readonly T[],
  keyOf: (run: T) => { readonly job: string; readonly run: number },
  view: LedgerView,
): Promise<readonly T[]> {
  const open: T[] = [];
  for (const one of runs) {
    const { job, run } = keyOf(one);
    if ((await view.outcome(job, run)) === undefined) open.push(one);
  }
  return open;
}

/** The claims of a cluster, where one is to be asked. One that nobody named and that does not answer is passed over, with a word. */
async function claimedElsewhere(
  { kind }: Repository,
  options: WhyOptions,
  io: Io,
  signal: AbortSignal,
): Promise<readonly GoingRun[]> {
  const isNamed = options.runner === 'kubernetes' || asksCluster(options, 'directory', io);
  if (options.runner === 'process' || !(isNamed || asksCluster(options, kind, io))) return [];
  try {
    const reader = await (await import('../live/kubernetes.ts')).clusterReader(options, io, signal);
    try {
      return await reader.list(signal);
    } finally {
      await reader.close();
    }
  } catch (error) {
    if (isNamed || signal.aborted) throw error;
    io.stderr.write(`what runs in the cluster is not known: ${messageOf(error)}\n`);
    return [];
  }
}

export function whyText({ job, last, now, going, triggers, needs, next }: Why, paint: Paint, at: Date): string {
  const line = (title: string, text: string): string => `${paint('bold', title.padEnd(9))}${text}\n`;
  const lines: string[] = [];
  if (last) {
    const { mark, style } = RESULT_LOOK[last.result];
    const took = last.durationMs === null ? '' : ` in ${duration(last.durationMs)}`;
    const when = last.finished === null ? '' : `, ${ago(last.finished, at)}`;
    lines.push(
      line('last', `#${last.run} ${paint(style, `${mark} ${last.result}`)}${took}${when}: ${reasonText(last)}`),
    );
    if (last.result !== 'succeeded') lines.push(line('', oneLine(last.message, 500)));
    lines.push(line('because', oneLine(last.because, 500)));
  } else lines.push(line('last', 'it never ran'));
  for (const { run, state, waits, queued } of going) {
    const since = `since ${queued}`;
    lines.push(line(state, `#${run} ${waits === undefined ? since : `waits ${waits}`}`));
  }
  lines.push(line('now', now ? oneLine(now.message, 500) : 'nothing: no manifest holds it'));
  for (const { job: name, results, last: upstream, met } of needs) {
    const state = upstream ? `run ${upstream.run} ${upstream.result}` : 'never ran';
    lines.push(line('needs', `${name}: ${state}${met ? '' : `; it has to end with ${results.join(' or ')}`}`));
  }
  lines.push(line('starts', triggers.length > 0 ? triggers.join(', ') : startsText(needs, now)));
  if (next.length > 0) lines.push(line('next', next.slice(0, 3).join(', ')));
  return `${paint('bold', job)}\n${lines.join('')}${nextStep(job, last, now)}`;
}

function startsText(needs: Why['needs'], now: Why['now']): string {
  if (now?.reason === 'Invalid') return 'not while it is invalid';
  if (now === null || now.reason === 'Removed') return 'not without a manifest';
  return needs.length > 0 ? 'after what it needs' : 'on request only';
}

/** The command that somebody who asked may want next. */
function nextStep(job: string, last: Why['last'], now: Why['now']): string {
  if (now?.action === 'run') return '\nNext: runledger reconcile\n';
  if (now?.action === 'invalid') return '\nNext: runledger validate\n';
  if (last && last.result !== 'succeeded') return `\nNext: runledger logs ${job}, runledger diff ${job}\n`;
  return now === null || now.reason === 'Removed' ? '' : `\nNext: runledger run ${job}\n`;
}
