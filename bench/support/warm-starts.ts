import { ANNOTATIONS, LABELS } from '../../src/render/labels.ts';
import { watchResource } from '../../src/runner/kubernetes/watch.ts';
import { pods, type Pod } from '../../src/runner/kubernetes/wire.ts';
import { viewRunner } from '../../src/runner/kubernetes/pool/view.ts';
import { createJobs, manifestOf, openController, outcomesOf, setManifest } from '../../test/runner/kubernetes/world.ts';
import { eventually, type TestCluster } from '../../test/support/cluster.ts';
import { commitFiles } from '../../test/support/git.ts';
import type { Row } from '../report.ts';

const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined };

/**
 * Jobs one after the other, each on a runner and in a pod of its own in turn: from the claim (or the pod's creation) to the first
 * line of output, as the controller reads it; and from the end of an attempt to the next runner being ready.
 */
export async function measureStarts(test: TestCluster, starts: number): Promise<readonly Row[]> {
  const namespace = await test.createNamespace();
  const jobs = await createJobs('starts');
  const lines = new Map<string, number>();
  const begun = new Map<string, number>();
  const ended: number[] = [];
  const ready: number[] = [];
  const seen = new Set<string>();
  const ending = new AbortController();
  const onPod = (pod: Pod): void => {
    const { labels = {}, annotations = {}, uid = '' } = pod.metadata ?? {};
    const job = labels[LABELS.job];
    const view = viewRunner(pod);
    const now = Date.now();
    if (view?.phase === 'idle' && !seen.has(`ready ${uid}`)) ready.push(now);
    if (view?.phase === 'idle') seen.add(`ready ${uid}`);
    if (view?.claimed && view.phase === 'ended' && !seen.has(`ended ${uid}`)) {
      seen.add(`ended ${uid}`);
      ended.push(now);
    }
    // Creation times are whole seconds: of a pod of its own, what was seen first counts.
    if (job !== undefined && !begun.has(job))
      begun.set(job, annotations[ANNOTATIONS.claimed] ? Date.parse(annotations[ANNOTATIONS.claimed] ?? '') : now);
  };
  const watch = watchResource(test.cluster, pods, {
    namespace,
    signal: ending.signal,
    log: quiet,
    onChange: ({ type, object }) => void (type !== 'deleted' && onPod(object)),
  });
  await watch.ready;
  await commitFiles(jobs.folder, { 'set.yaml': setManifest('starts', { minRunners: 1, maxRunners: 2 }) });
  const controller = await openController(test, {
    target: jobs.folder,
    namespace,
    source: 'starts',
    keepsPools: true,
    onOutput: ({ key }) => void (lines.has(key.job) || lines.set(key.job, Date.now())),
  });
  const settled = controller.settle({ goOn: true });
  const runOne = async (job: string, warm: boolean): Promise<number> => {
    await eventually('a runner is idle', () => ready.length > ended.length, 120_000);
    const spec = warm ? { runsOn: 'starts' } : {};
    await commitFiles(jobs.folder, { [`${job}.yaml`]: manifestOf(job, { ...spec, run: 'echo up; sleep 0.5' }) });
    controller.reconciler.sourceChanged();
    await eventually(`${job} has ended`, async () => (await outcomesOf(controller, [job]))[job], 120_000);
    return (lines.get(job) ?? Number.NaN) - (begun.get(job) ?? Number.NaN);
  };
  const warm: number[] = [];
  const cold: number[] = [];
  for (let index = 0; index < starts; index += 1) {
    warm.push(await runOne(`warm-${index}`, true));
    cold.push(await runOne(`cold-${index}`, false));
  }
  controller.stop();
  await settled;
  await controller.close();
  ending.abort();
  await jobs.remove();
  // The n-th runner that becomes ready after the first replaces the n-th that ended.
  const replaced = ended.flatMap((at, index) => (ready[index + 1] === undefined ? [] : [ready[index + 1]! - at]));
  return [
    { name: 'on a runner: claim → first output', unit: 'ms', values: warm, goal: 300, against: cold },
    { name: 'in a pod of its own: created → first output', unit: 'ms', values: cold },
    { name: 'attempt ended → next runner ready', unit: 'ms', values: replaced },
  ];
}
