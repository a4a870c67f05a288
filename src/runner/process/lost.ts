import { normalizeSpec } from '../../job/defaults.ts';
import { createBoundedLog } from '../../logs/bound.ts';
import { createLiveLogReader } from './livelog.ts';
import type { Processes } from './identity.ts';
import type { AttemptPaths } from './layout.ts';
import type { Claim, FinishedAttempt, RunningState } from './store.ts';
import { killOrphanGroup, killStrays } from './strays.ts';

/** The log of an attempt as far as it was written while it ran, bounded as it would have been. */
function logSoFar(paths: AttemptPaths, maxBytes: number): Buffer {
  const log = createBoundedLog(maxBytes);
  const reader = createLiveLogReader(paths.folder);
  let rest = Buffer.alloc(0);
  let gap = false;
  for (const bytes of reader.read()) {
    if (reader.skipped() && !gap) log.push(Buffer.from('… lines left out …\n'));
    gap = reader.skipped();
    const text = Buffer.concat([rest, bytes]);
    const end = text.lastIndexOf(0x0a) + 1;
    if (end > 0) log.push(text.subarray(0, end));
    rest = Buffer.from(text.subarray(end));
  }
  reader.close();
  return log.content();
}

/** What can be said of a run whose runledger has died: never more than what was seen. */
export function lostAttempt(
  { record, owner }: Claim,
  state: RunningState | undefined,
  paths: AttemptPaths,
  finished: string,
): FinishedAttempt {
  const { logs } = normalizeSpec(record.spec);
  const who = `runledger (process ${owner.pid} on ${owner.host})`;
  const message = state
    ? `${who} ended while step ${JSON.stringify(state.step)} was running, and nobody saw how the step ended`
    : `${who} ended before the attempt had started`;
  const log = logSoFar(paths, Math.min(logs.maxBytes, logs.maxRunBytes));
  return {
    started: state?.started ?? null,
    finished,
    ending: { kind: 'lost', message },
    output: { log, complete: false, vars: {}, annotations: [], warnings: [] },
  };
}

/** Kills what a run has left behind whose runledger has died. */
export async function killLeftOvers(
  state: RunningState | undefined,
  paths: AttemptPaths,
  processes: Processes,
): Promise<void> {
  if (state?.leader) killOrphanGroup(state.leader, processes);
  await killStrays(paths.workspace);
}
