/**
 * Breaks the controller and the world around it in every way while jobs run, and then counts: every run in the ledger exactly
 * once and with the exit code that was seen, exactly one pod that could run for each attempt, nothing left in the cluster but
 * claims. Exits with 1 and says what, where one of it does not hold.
 *
 *     npm run chaos -- [--runs 5000] [--real 200] [--warm 0] [--lanes 4] [--only PART-OF-A-FAULT'S-NAME] [--audit FILE]
 *
 * Needs KUBECONFIG and git; simulated nodes (kwok) labelled `type: kwok` for all but the `--real` runs (`--runs 0`: real runs
 * alone). Every pod is known from a watch that is on from before the first one; `--audit` compares with the API server's log.
 */
import { parseArgs } from 'node:util';
import { hasSimulatedNode, openTestCluster } from '../support/cluster.ts';
import { temporaryDirectory } from '../support/git.ts';
import { type Fault, FAULTS, WARM_FAULTS } from './faults.ts';
import type { Played, Round } from './round.ts';
import { removeLeftovers, runChaos } from './run.ts';
import { tableOf } from './table.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '5000' },
    real: { type: 'string', default: '200' },
    warm: { type: 'string', default: '0' },
    lanes: { type: 'string', default: '4' },
    only: { type: 'string', multiple: true, default: [] },
    audit: { type: 'string' },
  },
});

/** More at a time fill a node: it takes 110 pods. */
const MOST_REAL = 20;
const BEATS_MS = 15_000;
const SHOWN_PROBLEMS = 40;

/** All faults on simulated nodes, those that a kubelet has to show on real ones, and some more there. */
function roundsOf(faults: typeof FAULTS, runs: number, real: number): readonly Round[] {
  const simulated = faults.filter(({ needsKubelet }) => !needsKubelet);
  const onKubelet = faults.filter(({ needsKubelet }) => needsKubelet);
  const realRounds = Math.max(onKubelet.length, Math.ceil(real / MOST_REAL));
  const step = Math.max(1, Math.floor(simulated.length / Math.max(1, realRounds - onKubelet.length)));
  const others = runs > 0 ? simulated.filter((_, index) => index % step === 0) : simulated;
  const chosen = [...onKubelet, ...others].slice(0, realRounds);
  const each = (total: number, rounds: number): number => Math.ceil(total / Math.max(1, rounds));
  const most = Math.min(MOST_REAL, each(real, chosen.length));
  return [
    ...(real > 0 ? chosen.map((fault): Round => ({ fault, jobs: most, real: true })) : []),
    ...(runs > 0
      ? simulated.map((fault): Round => ({ fault, jobs: each(runs - real, simulated.length), real: false }))
      : []),
  ];
}

const isWanted = ({ name }: Fault): boolean =>
  values.only.length === 0 || values.only.some((part) => name.includes(part));

/** Runs on the runners of a set: their claims and hand-overs need a kubelet. */
function warmRounds(runs: number): readonly Round[] {
  const faults = WARM_FAULTS.filter(isWanted);
  const jobs = Math.ceil(runs / Math.max(1, faults.length));
  return runs > 0 ? faults.map((fault): Round => ({ fault, jobs, real: true, warm: true })) : [];
}

const faults = FAULTS.filter(isWanted);
const rounds = [...roundsOf(faults, Number(values.runs), Number(values.real)), ...warmRounds(Number(values.warm))];
const wanted = rounds.reduce((sum, { jobs }) => sum + jobs, 0);
const began = performance.now();
const elapsed = (): string => `${Math.round((performance.now() - began) / 1_000)} s`;
const played: Played[] = [];

const stopping = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    console.log(`${signal}: stopping after the rounds that are under way; once more to stop at once`);
    stopping.abort();
  });

const test = await openTestCluster('chaos');
if (!test) process.exit(1);
if (rounds.some(({ real }) => !real) && !(await hasSimulatedNode(test))) {
  console.error('no node is labelled type: kwok, so simulated pods would wait for ever: add one, or say --runs 0');
  await test.remove();
  process.exit(2);
}
const { path: folder, remove } = await temporaryDirectory();
console.log(`${wanted} runs in ${rounds.length} rounds; logs of the controllers: ${folder}`);
const beat = setInterval(() => {
  const done = played.reduce((sum, { recorded }) => sum + recorded, 0);
  console.log(`     ${elapsed()}: ${done} of ${wanted} runs, ${played.length} of ${rounds.length} rounds`);
}, BEATS_MS);
let failed = true;
try {
  await removeLeftovers(test);
  const report = await runChaos({
    test,
    rounds,
    lanes: Math.min(Number(values.lanes), rounds.length),
    folder,
    ...(values.audit === undefined ? {} : { audit: values.audit }),
    signal: stopping.signal,
    onPlayed(one) {
      played.push(one);
      const { fault, missed, real, problems, runs, seconds } = one;
      console.log(
        `${problems.length === 0 ? 'ok  ' : 'FAIL'} ${fault}: ${runs} ${real ? 'real ' : ''}runs, ${Math.round(seconds)} s`,
      );
      for (const problem of problems.slice(0, 5)) console.log(`     ${problem}`);
      if (missed !== undefined) console.log(`     no controller came to ${missed}: once more`);
    },
  });
  const problems = [
    ...report.problems,
    ...report.played.flatMap((one) => one.problems.map((problem) => `${one.fault}: ${problem}`)),
  ];
  console.log(`\n${tableOf(report.played)}\n`);
  for (const problem of problems.slice(0, SHOWN_PROBLEMS)) console.log(`FAIL ${problem}`);
  if (problems.length > SHOWN_PROBLEMS) console.log(`FAIL … and ${problems.length - SHOWN_PROBLEMS} more`);
  const complete = report.played.length >= rounds.length;
  failed = problems.length > 0 || !complete || rounds.length === 0;
  console.log(
    failed
      ? `failed after ${elapsed()}${complete ? '' : ': not every round was played'}`
      : `every run is in the ledger once, every attempt had one pod, and nothing is left (${wanted} runs, ${elapsed()})`,
  );
} finally {
  clearInterval(beat);
  await test.remove();
  if (!failed) await remove();
}
// Connections to servers that were broken on purpose may be left: nobody waits for them.
process.exit(failed ? 1 : 0);
