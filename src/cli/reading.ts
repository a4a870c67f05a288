import { openTarget, type Repository } from './compose.ts';
import { EXIT } from './exit.ts';
import type { CommonOptions, RepositoryOptions } from './options.ts';
import { stopSignals } from './signals.ts';
import type { Io } from './terminal.ts';

/** The options of a command that reads a repository and its ledger. */
export interface ReadingOptions extends CommonOptions, RepositoryOptions {
  readonly in: string;
}

/** Opens the repository, has `work` read it, and closes it again. The signal aborts at Ctrl-C. Throws what `openTarget` throws. */
export async function reading(
  options: RepositoryOptions & { readonly in: string },
  io: Io,
  work: (repository: Repository, signal: AbortSignal) => Promise<number>,
): Promise<number> {
  const stop = stopSignals(io, { first: () => undefined, second: () => undefined });
  try {
    const repository = await openTarget(options.in, options, io, stop.soft);
    try {
      return await work(repository, stop.soft);
    } finally {
      await repository.close();
    }
  } catch (error) {
    if (stop.soft.aborted) return EXIT.interrupted;
    throw error;
  } finally {
    stop.close();
  }
}
