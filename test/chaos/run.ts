import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { messageOf } from '../../src/errors.ts';
import { listObjects } from '../../src/runner/kubernetes/objects.ts';
import { namespaces } from '../../src/runner/kubernetes/wire.ts';
import { removeNamespace, type TestCluster } from '../support/cluster.ts';
import { openAuditOfPods } from './audit.ts';
import { eventually } from '../support/cluster.ts';
import { startCrew } from './crew.ts';
import { CHAOS_LABEL, openLane, type Lane, onceASecond } from './lane.ts';
import { historyProblems } from './ledger.ts';
import { playRound, type Numbers, type Played, type Round } from './round.ts';

export interface ChaosOptions {
  readonly test: TestCluster;
  readonly rounds: readonly Round[];
  /** How many sources are broken at the same time. */
  readonly lanes: number;
  /** For repositories and logs. */
  readonly folder: string;
  /** The API server's audit log: a second witness of which pods were created. */
  readonly audit?: string;
  readonly onPlayed: (played: Played) => void;
  /** Ends everything after the rounds that are under way. */
  readonly signal: AbortSignal;
}

export interface ChaosReport {
  readonly played: readonly Played[];
  /** What is wrong with a lane as a whole: its history, its claims, its witnesses. */
  readonly problems: readonly string[];
}

const DRAIN_MS = 60_000;

/** A fault that did not happen is tried again so often: on a busy machine a leader may lose its lease before it. */
const TRIES = 3;

/** Plays the rounds, each in the lane that is free next, and then looks at what the lanes have become. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { test, rounds, folder, onPlayed, signal } = options;
  const audit = openAuditOfPods(options.audit);
  const queue = rounds.values();
  const played: Played[] = [];
  const problems: string[] = [];
  const work = async (name: string): Promise<void> => {
    const own = path.join(folder, name);
    await mkdir(own, { recursive: true });
    const lane = await openLane(test, name, own);
    const numbers: Numbers = new Map();
    try {
      for (const round of queue) {
        for (let tries = 1; ; tries += 1) {
          const result = await playRound(lane, round, numbers);
          played.push(result);
          onPlayed(result);
          if (result.missed === undefined) break;
          if (tries < TRIES) continue;
          problems.push(`${result.fault}: it did not happen: no controller came to ${result.missed}`);
          break;
        }
        if (signal.aborted) break;
      }
      problems.push(...(await drainProblems(lane)).map((problem) => `${name}: ${problem}`));
      problems.push(...(await laneProblems(lane, numbers, audit)).map((problem) => `${name}: ${problem}`));
    } catch (error) {
      problems.push(`${name}: ${messageOf(error)}`);
    } finally {
      await lane.close();
    }
  };
  await Promise.all(Array.from({ length: options.lanes }, (_, index) => work(`lane-${index + 1}`)));
  return { played, problems };
}

/** Takes the runner sets of a lane out of its source: nothing of them stays. */
async function drainProblems(lane: Lane): Promise<readonly string[]> {
  if ((await lane.runners()).length === 0) return [];
  await lane.repository.commit({ 'warm.yaml': null });
  const crew = await startCrew({ members: [{}], optionsFor: (member) => lane.optionsFor(member), log: lane.log });
  const isEmpty = onceASecond(async () => (await lane.runners()).length === 0);
  await eventually('no runner is left', isEmpty, DRAIN_MS).catch(() => undefined);
  await crew.dismiss();
  return (await lane.runners()).map((object) => `left of a set that was removed: ${object}`);
}

async function laneProblems(
  lane: Lane,
  numbers: Numbers,
  audit: ReturnType<typeof openAuditOfPods>,
): Promise<readonly string[]> {
  const problems: string[] = [];
  const runs = [...numbers.values()].reduce((sum, count) => sum + count, 0);
  if (runs === 0) return problems;
  problems.push(...(await historyProblems(lane.repository)));
  const claims = await lane.claims();
  if (claims !== runs) problems.push(`${claims} claims for ${runs} runs`);
  const pods = lane.creations.pods();
  if (!lane.creations.unbroken()) problems.push('the watch of pods was broken off: it proves nothing');
  const audited = audit?.created(lane.namespace);
  if (audited && (audited.least > pods.length || audited.most < pods.length))
    problems.push(`the audit log tells of ${audited.least} to ${audited.most} pods, the watch of ${pods.length}`);
  return problems;
}

/** Removes the namespaces that calls have left which were killed themselves. */
export async function removeLeftovers({ cluster, signal }: TestCluster): Promise<void> {
  const { items } = await listObjects(cluster, namespaces, { labelSelector: CHAOS_LABEL }, { signal });
  for (const { metadata } of items) {
    const pid = Number(metadata?.labels?.[CHAOS_LABEL]);
    if (metadata?.name && !isAlive(pid)) await removeNamespace(cluster, metadata.name, signal);
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
