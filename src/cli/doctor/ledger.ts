import { openTarget } from '../compose.ts';
import type { RepositoryOptions } from '../options.ts';
import type { Io } from '../terminal.ts';
import { type Check, failed } from './check.ts';

/** Reads the ledger whole: its format, and every status. */
export async function ledgerCheck(
  target: string,
  options: RepositoryOptions,
  io: Io,
  signal: AbortSignal,
): Promise<Check> {
  const common = { area: 'ledger', name: 'format' } as const;
  try {
    const repository = await openTarget(target, options, io, signal);
    try {
      if (repository.ledgerBranch === null) return { ...common, state: 'skipped', message: '--ledger none' };
      const { head, statuses } = await repository.ledger.read(signal);
      const branch = repository.ledgerBranch;
      if (head === null)
        return { ...common, state: 'ok', message: `there is no branch ${branch} yet: the first outcome makes it` };
      const count = `${statuses.size} ${statuses.size === 1 ? 'job' : 'jobs'}`;
      return { ...common, state: 'ok', message: `${branch} can be read: ${count}, at ${head.slice(0, 12)}` };
    } finally {
      await repository.close();
    }
  } catch (error) {
    return failed('ledger', 'format', error);
  }
}
