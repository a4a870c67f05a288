import { LABELS } from '../../src/render/labels.ts';
import type { CreatedPod } from './creations.ts';
import type { Recorded } from './ledger.ts';

/** What a round was to bring about, and what it did. */
export interface Evidence {
  /** The round's runs, as `job/number`, and the exit code that each one ends with. */
  readonly wanted: ReadonlyMap<string, number>;
  /** What the ledger says of the round's runs. */
  readonly outcomes: ReadonlyMap<string, Recorded>;
  /** Runs in the lane's ledger that no round has asked for. */
  readonly unwanted: readonly string[];
  /** Pods of the round's runs, and pods of no run that was asked for. */
  readonly pods: readonly CreatedPod[];
  /** Objects that nobody has removed. */
  readonly left: readonly string[];
}

export interface Verdict {
  readonly runs: number;
  readonly recorded: number;
  /** Pods that could run. */
  readonly pods: number;
  /** Pods that a leader of the past created after the payload was gone: they never start. */
  readonly fenced: number;
  /** Empty: all is as it has to be. */
  readonly problems: readonly string[];
}

/** `job/number` of a pod's run, by its labels. */
export const runOfPod = ({ labels }: CreatedPod): string => `${labels[LABELS.job]}/${labels[LABELS.run]}`;

/**
 * Judges a round: every run in the ledger once, with the exit code that its container had; one pod that could run for each;
 * nothing left.
 */
export function judge({ wanted, outcomes, unwanted, pods, left }: Evidence): Verdict {
  const problems: string[] = [];
  const able = pods.filter(({ fenced }) => !fenced);
  const podsOf = Map.groupBy(able, runOfPod);
  for (const [run, exitCode] of wanted) {
    const outcome = outcomes.get(run);
    const result = exitCode === 0 ? 'succeeded' : 'failed';
    if (!outcome) problems.push(`run ${run} is not in the ledger`);
    else if (outcome.result !== result || outcome.exitCode !== String(exitCode))
      problems.push(
        `run ${run} is ${outcome.result} with exit code ${outcome.exitCode}, not ${result} with ${exitCode}`,
      );
    const count = podsOf.get(run)?.length ?? 0;
    if (count !== 1) problems.push(`run ${run} had ${count} pods`);
  }
  for (const run of unwanted) problems.push(`run ${run} is in the ledger, and nobody asked for it`);
  for (const run of podsOf.keys()) if (!wanted.has(run)) problems.push(`run ${run} had a pod, and nobody asked for it`);
  for (const { name, attempts } of pods)
    if (attempts.length > 1) problems.push(`pod ${name} had the attempts ${attempts.join(' and ')}`);
  for (const pod of pods)
    if (pod.fenced && pod.started) problems.push(`pod ${pod.name} started although its payload was gone`);
  for (const object of left) problems.push(`left over: ${object}`);
  return {
    runs: wanted.size,
    recorded: [...wanted.keys()].filter((run) => outcomes.has(run)).length,
    pods: able.length,
    fenced: pods.length - able.length,
    problems,
  };
}
