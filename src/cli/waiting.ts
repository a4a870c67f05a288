import { hostname } from 'node:os';
import { createCatalogBuilder } from '../job/catalog.ts';
import type { LedgerView } from '../ledger/port.ts';
import type { RunWait } from '../reconciler/dispatch.ts';
import { waitingRuns } from '../reconciler/waiting.ts';
import { createProcessRunner } from '../runner/process/index.ts';
import type { LiveRun } from '../runner/port.ts';
import type { Repository } from './compose.ts';
import type { Io } from './terminal.ts';

/** The runs of a repository that are claimed on this machine, whoever executes them. Looking changes nothing. */
export async function claimedHere({ stateDir }: Repository, io: Io, signal: AbortSignal): Promise<readonly LiveRun[]> {
  const runner = createProcessRunner({
    stateDir,
    secrets: new Map(),
    env: io.env,
    hostname: hostname(),
    now: () => new Date(),
    observe: true,
    events: { changed: () => undefined, output: () => undefined },
  });
  return runner.list(signal);
}

/**
 * The runs of a repository that wait on this machine, and where in the queue each is now. Changes nothing. Runs in a cluster are not
 * among them: a controller tells of those at `/queue`.
 */
export async function waitingHere(
  repository: Repository,
  { statuses }: LedgerView,
  io: Io,
  signal: AbortSignal,
): Promise<readonly RunWait[]> {
  const live = await claimedHere(repository, io, signal);
  if (live.every(({ attempts }) => attempts.length > 0)) return [];
  // What a run waits for may be a job's that has no run yet.
  const catalog = await createCatalogBuilder().build(await repository.source.fetch(signal), { knownFiles: new Set() });
  const liveByJob = Map.groupBy(live, ({ record }) => record.job);
  return waitingRuns({ live, liveByJob, jobs: catalog.jobs, statuses, now: Date.now() });
}
