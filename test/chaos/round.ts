import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../../src/errors.ts';
import { eventually } from '../support/cluster.ts';
import { startCrew, type Crew } from './crew.ts';
import type { Fault } from './faults.ts';
import { type Lane, onceASecond } from './lane.ts';
import { readOutcomes, recordedRuns } from './ledger.ts';
import { judge, type Verdict } from './verdict.ts';

/** A fault, and for how many runs. */
export interface Round {
  readonly fault: Fault;
  readonly jobs: number;
  /** On a kubelet, and not on a simulated node. */
  readonly real: boolean;
  /** On the runners of a set; these are real ones always. */
  readonly warm?: boolean;
}

export interface Played extends Verdict {
  readonly fault: string;
  /** The point that no controller came to, one that was to lead having lost its lease before: the fault was not tried. */
  readonly missed: string | undefined;
  readonly real: boolean;
  readonly seconds: number;
  /** Controllers that ended of their own accord, and were started again. */
  readonly restarts: number;
}

/** How many runs each job of a lane has had. */
export type Numbers = Map<string, number>;

/** A limit for what hangs: a machine that others use too takes its time. */
const RECORDED_MS = 600_000;
/** Orphans are looked for once a minute. */
const EMPTY_MS = 150_000;

/** Of real runs, one in four fails: outcomes have to tell the one from the other. */
const exitCodeOf = (index: number, { real }: Round): number => (real && index % 4 === 0 ? 3 : 0);

/** Runners that are kept: fewer than there are runs, so that some wait for others. */
export const MOST_RUNNERS = 6;
const SET = `apiVersion: runledger.dev/v1
kind: RunnerSet
metadata: { name: warm }
spec: { minRunners: 2, maxRunners: ${MOST_RUNNERS}, image: "busybox:1.36" }
`;

const manifest = (index: number, round: Round, run: number): string => `apiVersion: runledger.dev/v1
kind: Job
metadata: { name: job-${index} }
spec:
  image: busybox:1.36
  run: "echo run ${run}; sleep 0.2; exit ${exitCodeOf(index, round)}"
${round.warm ? '  runsOn: warm\n' : ''}${round.real ? '' : '  pod:\n    nodeSelector: { type: kwok }\n    tolerations: [{ key: kwok.test/node, operator: Exists }]\n'}`;

/** The runs that the round's commit asks for, with their exit codes, and the files of that commit. */
function ask(round: Round, numbers: Numbers) {
  const wanted = new Map<string, number>();
  const files: Record<string, string> = {};
  for (let index = 0; index < round.jobs; index += 1) {
    const job = `job-${index}`;
    const run = (numbers.get(job) ?? 0) + 1;
    numbers.set(job, run);
    wanted.set(`${job}/${run}`, exitCodeOf(index, round));
    files[`${job}.yaml`] = manifest(index, round, run);
  }
  if (round.warm) files['warm.yaml'] = SET;
  return { wanted, files };
}

/** Plays a round in a lane and judges it. Ends every controller that it has started. */
export async function playRound(lane: Lane, round: Round, numbers: Numbers): Promise<Played> {
  const { fault, jobs, real } = round;
  const began = performance.now();
  const troubles: string[] = [];
  const trouble = (error: unknown): void => void troubles.push(messageOf(error));
  lane.log(`{"round":${JSON.stringify(fault.name)},"at":"${new Date().toISOString()}"}\n`);
  const podsBefore = new Set(lane.creations.pods().map(({ uid }) => uid));
  const { wanted, files } = ask(round, numbers);
  const newPods = () => lane.creations.pods().filter(({ uid }) => !podsBefore.has(uid));
  const recorded = async (): Promise<boolean> => {
    const there = await recordedRuns(lane.repository);
    return [...wanted.keys()].every((run) => there.has(run));
  };
  const end = await fault.before?.(lane);
  let crew: Crew | undefined;
  try {
    crew = await startCrew({
      members: fault.members(jobs),
      optionsFor: (member) => lane.optionsFor(member),
      log: lane.log,
    });
    await lane.repository.commit(files);
    const scene = { lane, crew, recorded, created: () => newPods().length };
    await Promise.all([fault.during?.(scene).catch(trouble), untilDone(recorded)]);
  } catch (error) {
    trouble(error);
  } finally {
    end?.();
    await Promise.all([lane.gitGate.open(), lane.apiGate.open()]);
  }
  if (crew) {
    const isEmpty = onceASecond(async () => (await lane.left()).length === 0);
    await eventually('nothing is left', isEmpty, EMPTY_MS).catch(() => undefined);
    troubles.push(...(await crew.dismiss()));
  }
  const outcomes = await readOutcomes(lane.repository);
  const unwanted = [...outcomes.keys()].filter((run) => {
    const [job = '', number] = run.split('/');
    return Number(number) > (numbers.get(job) ?? 0);
  });
  const runners = await lane.runners();
  if (runners.length > MOST_RUNNERS + 1) troubles.push(`there are ${runners.length} idle runners and sets`);
  const verdict = judge({ wanted, outcomes, unwanted, pods: newPods(), left: await lane.left() });
  const seconds = (performance.now() - began) / 1_000;
  const problems = [...troubles, ...verdict.problems];
  const restarts = crew?.gaveUp() ?? 0;
  return {
    ...verdict,
    fault: fault.name,
    missed: crew && missed(fault, jobs, crew),
    real,
    seconds,
    restarts,
    problems,
  };
}

/** Waits for the round's outcomes, and a moment longer, in which a second record or pod would show up. */
async function untilDone(recorded: () => Promise<boolean>): Promise<void> {
  await eventually('every run is in the ledger', onceASecond(recorded), RECORDED_MS);
  await sleep(1_500);
}

const missed = (fault: Fault, jobs: number, { started }: Crew): string | undefined =>
  fault.members(jobs).find(({ point }, index) => point !== undefined && !started[index]?.struck())?.point;
