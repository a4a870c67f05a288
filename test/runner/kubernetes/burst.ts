/** A burst of jobs on a runner set, and what a watch of pods says of it. */
import { ANNOTATIONS, LABELS } from '../../../src/render/labels.ts';
import { type RunnerView, viewRunner } from '../../../src/runner/kubernetes/pool/view.ts';
import { watchResource } from '../../../src/runner/kubernetes/watch.ts';
import { configMaps, type Pod, pods } from '../../../src/runner/kubernetes/wire.ts';
import { eventually, type TestCluster } from '../../support/cluster.ts';
import { commitFiles } from '../../support/git.ts';
import { createJobs, manifestOf, openController, outcomesOf, setManifest } from './world.ts';

export interface BurstOptions {
  readonly jobs: number;
  readonly runners: number;
  /** For all of it. */
  readonly limitMs: number;
  readonly progress?: (line: string) => void;
}

export interface Burst {
  /** What is not as it has to be: a job that did not run once, a capacity that was exceeded. */
  readonly problems: readonly string[];
  /** From the commit to the last outcome, in seconds. */
  readonly seconds: number;
  readonly mostBusy: number;
  /** How long runners were idle each time before they got an attempt, while runs waited, in milliseconds. */
  readonly idleMs: readonly number[];
  /** From the moment at which the claim of a runner was sent to the watch telling of it, in milliseconds: what the API server takes. */
  readonly toldMs: readonly number[];
  /** From the claim of a runner to its having taken the attempt, in milliseconds. */
  readonly handedMs: readonly number[];
}

const QUIET = { debug: () => undefined, info: () => undefined, warn: () => undefined };
const SET = 'burst';

/** What the pods of a set, and the claims of runs, were at every moment, as the API server told it. */
function record({ cluster }: TestCluster, namespace: string, { jobs, runners }: BurstOptions) {
  const ending = new AbortController();
  const common = { namespace, signal: ending.signal, log: QUIET };
  const alive = new Map<string, RunnerView>();
  const idleSince = new Map<string, number>();
  /** By job: the uids of the pods that had it. By pod: its attempts. */
  const podsOf = new Map<string, Set<string>>();
  const attemptsOf = new Map<string, Set<string>>();
  const problems = new Set<string>();
  const idleMs: number[] = [];
  const toldMs: number[] = [];
  let begun = Number.POSITIVE_INFINITY;
  let mostBusy = 0;
  const put = (map: Map<string, Set<string>>, key: string, value: string): void => {
    map.set(key, (map.get(key) ?? new Set()).add(value));
  };
  const onPod = (pod: Pod, now: number): void => {
    const view = viewRunner(pod);
    if (!view) return;
    const { labels = {}, annotations = {} } = pod.metadata ?? {};
    if (view.claimed) {
      put(podsOf, labels[LABELS.job] ?? '', view.uid);
      put(
        attemptsOf,
        view.uid,
        [LABELS.job, LABELS.run, LABELS.task, LABELS.attempt].map((key) => labels[key]).join('/'),
      );
      const claimed = annotations[ANNOTATIONS.claimed];
      if (claimed === undefined) problems.add(`${view.name} does not say since when`);
      else if (idleSince.has(view.uid)) toldMs.push(Date.now() - Date.parse(claimed));
    }
    if (view.phase === 'idle') {
      if (!idleSince.has(view.uid)) idleSince.set(view.uid, now);
    } else if (idleSince.has(view.uid)) {
      // A runner that was idle before there was anything to do has waited since then.
      if (Number.isFinite(begun)) idleMs.push(now - Math.max(begun, idleSince.get(view.uid) ?? now));
      idleSince.delete(view.uid);
    }
    if (view.phase === 'ended' || view.phase === 'going') alive.delete(view.uid);
    else alive.set(view.uid, view);
    const busy = [...alive.values()].filter(({ phase }) => phase === 'busy');
    mostBusy = Math.max(mostBusy, busy.length);
    const slots = busy.reduce((sum, one) => sum + one.slots, 0);
    if (slots > runners) problems.add(`${slots} slots of ${runners} were taken at once`);
    if (alive.size > runners) problems.add(`there were ${alive.size} runners, and ${runners} are the most`);
  };
  const watches = [
    watchResource(cluster, pods, {
      ...common,
      labelSelector: LABELS.runnerSet,
      onChange({ type, object }) {
        if (type !== 'deleted') return onPod(object, performance.now());
        alive.delete(object.metadata?.uid ?? '');
        idleSince.delete(object.metadata?.uid ?? '');
      },
    }),
    watchResource(cluster, configMaps, {
      ...common,
      labelSelector: `${LABELS.component}=claim`,
      onChange: () => void (begun = Math.min(begun, performance.now())),
    }),
  ];
  return {
    ready: Promise.all(watches.map(({ ready }) => ready)),
    /** The jobs that have got a runner so far. */
    given: () => podsOf.size,
    idle: () => idleSince.size,
    async stop() {
      ending.abort();
      await Promise.all(watches.map(({ ended }) => ended));
      if (podsOf.size !== jobs) problems.add(`${podsOf.size} of ${jobs} jobs had a runner`);
      for (const [job, uids] of podsOf) if (uids.size !== 1) problems.add(`${job} had ${uids.size} runners`);
      for (const [uid, attempts] of attemptsOf)
        if (attempts.size !== 1) problems.add(`runner ${uid} had the attempts ${[...attempts].join(' and ')}`);
      return { problems: [...problems], mostBusy, idleMs, toldMs };
    },
  };
}

/** Commits so many jobs at once for a set of so many warm runners, and waits until all are in the ledger. */
export async function runBurst(test: TestCluster, options: BurstOptions): Promise<Burst> {
  const { jobs: count, runners, limitMs, progress = () => undefined } = options;
  const namespace = await test.createNamespace();
  const jobs = await createJobs(SET);
  await commitFiles(jobs.folder, { 'set.yaml': setManifest(SET, { minRunners: runners, maxRunners: runners }) });
  const recorded = record(test, namespace, options);
  await recorded.ready;
  const handedMs: number[] = [];
  const controller = await openController(test, {
    target: jobs.folder,
    namespace,
    source: SET,
    keepsPools: true,
    attempts: 2 * runners,
    mostLive: 2_000,
    onPool: (event) => void (event.kind === 'handed' && handedMs.push(event.seconds * 1_000)),
  });
  const settled = controller.settle({ goOn: true });
  const names = Array.from({ length: count }, (_, index) => `job-${index}`);
  const problems: string[] = [];
  let began = Number.NaN;
  let seconds = Number.NaN;
  try {
    await eventually('all runners are idle', () => recorded.idle() === runners, limitMs);
    progress(`${runners} runners are idle`);
    const files = names.map((job) => [`${job}.yaml`, manifestOf(job, { runsOn: SET, run: 'echo up' })] as const);
    began = performance.now();
    await commitFiles(jobs.folder, Object.fromEntries(files));
    controller.reconciler.sourceChanged();
    let told = 0;
    await eventually(
      'every job is in the ledger',
      async () => {
        const view = await controller.repository.ledger.read(test.signal);
        const ended = names.filter((job) => (view.statuses.get(job)?.lastRuns.length ?? 0) > 0).length;
        if (ended >= told + 50) progress(`${(told = ended)} of ${count} jobs have ended`);
        return ended === count;
      },
      limitMs,
    );
    seconds = (performance.now() - began) / 1_000;
    const outcomes = await outcomesOf(controller, names);
    const view = await controller.repository.ledger.read(test.signal);
    for (const job of names) {
      const { result, message, tasks } = outcomes[job] ?? {};
      if (result !== 'succeeded') problems.push(`${job} is ${result}: ${message}`);
      if (tasks?.[0]?.attempts.length !== 1) problems.push(`${job} had ${tasks?.[0]?.attempts.length} attempts`);
      if (view.statuses.get(job)?.nextRun !== 2) problems.push(`${job} ran more than once`);
    }
  } catch (error) {
    problems.push(String(error));
  } finally {
    controller.stop();
    await settled;
    await controller.close();
    await jobs.remove();
  }
  const seen = await recorded.stop();
  return { ...seen, problems: [...problems, ...seen.problems], seconds, handedMs };
}
