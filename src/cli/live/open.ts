import type { Command } from 'commander';
import { Option } from 'commander';
import { usageError } from '../../errors.ts';
import { parseDuration } from '../../job/duration.ts';
import type { RunnerKind } from '../../schemas/index.ts';
import { openTarget, type Repository } from '../compose.ts';
import { type RepositoryOptions, withLogOptions, withRepositoryOptions, withTarget } from '../options.ts';
import type { LogOptions } from '../logger.ts';
import type { Io } from '../terminal.ts';
import type { ClusterLookOptions } from './kubernetes.ts';
import type { LiveReader } from './picture.ts';
import { processReader } from './process.ts';

/** What commands take that look at what runs. */
export interface LookOptions extends LogOptions, RepositoryOptions, ClusterLookOptions {
  readonly in: string;
  readonly runner?: RunnerKind;
}

export function withLookOptions(command: Command): Command {
  return withWhere(withLogOptions(withTarget(withRepositoryOptions(command)))).option(
    '--interval <duration>',
    'how often a URL is asked; default: 5s',
  );
}

/** The options that say where runs are looked at. */
export function withWhere(command: Command): Command {
  return command
    .addOption(
      new Option('--runner <kind>', 'where to look for what runs; default: this machine').choices([
        'process',
        'kubernetes',
      ]),
    )
    .option('--kubeconfig <file>', 'for --runner kubernetes; default: KUBECONFIG, else ~/.kube/config')
    .option('--context <name>', 'the context of the kubeconfig; default: the current one')
    .option('-n, --namespace <name>', "where the pods are; default: the context's namespace")
    .option('--installation <name>', 'only what this runledger runs; default: every one of the namespace')
    .option('--source <name>', 'only what belongs to this source; default: every one of the namespace');
}

/** How often a remote ledger is asked by somebody who waits for it. */
const DEFAULT_INTERVAL = '5s';

export interface Lookout {
  readonly repository: Repository;
  readonly live: LiveReader;
  close(): Promise<void>;
}

/** The ledger, and what runs beside it. Throws what opening the repository and the cluster throws. */
export async function openLookout(options: LookOptions, io: Io, signal: AbortSignal): Promise<Lookout> {
  const repository = await openLedgerOf(options, io, signal);
  try {
    const live =
      options.runner === 'kubernetes'
        ? await (await import('./kubernetes.ts')).clusterReader(options, io, signal)
        : processReader(repository.stateDir, io);
    return {
      repository,
      live,
      async close() {
        await live.close();
        await repository.close();
      },
    };
  } catch (error) {
    await repository.close();
    throw error;
  }
}

export function openLedgerOf(
  options: RepositoryOptions & { readonly in: string },
  io: Io,
  signal: AbortSignal,
): Promise<Repository> {
  const { interval = DEFAULT_INTERVAL } = options;
  if (parseDuration(interval) === undefined)
    throw usageError('IntervalForm', `--interval ${interval}: write it as 5s or 1m`);
  return openTarget(options.in, { ...options, interval }, io, signal);
}
