import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '../src/runner/kubernetes/clock.ts';
import { openCluster } from '../src/runner/kubernetes/client.ts';
import { createObject, deleteObject, getObject } from '../src/runner/kubernetes/objects.ts';
import { createPodOutput, type PodOutput } from '../src/runner/kubernetes/output.ts';
import { namespaces, type Pod, pods } from '../src/runner/kubernetes/wire.ts';
import type { RunRecord } from '../src/runner/port.ts';

const SAMPLES = 30;

/**
 * Pods that print without pause, read as the controller reads them: `npm run bench -- soak [MINUTES] [PODS]` (30 and 50). Prints the
 * memory of this process as a series, and fails when it grows by more than a tenth after the first quarter.
 */
export async function run([minutes = '30', count = '50']: readonly string[]): Promise<void> {
  const totalMs = Number(minutes) * 60_000;
  const { signal } = new AbortController();
  const cluster = await openCluster({ userAgent: 'runledger/soak', signal });
  const namespace = `rl-soak-${createHash('sha256').update(String(Date.now())).digest('hex').slice(0, 8)}`;
  await createObject(cluster, namespaces, { metadata: { name: namespace } }, { signal });
  const outputs: PodOutput[] = [];
  try {
    const names = Array.from({ length: Number(count) }, (_, index) => `noisy-${index}`);
    for (const name of names) await createObject(cluster, pods, noisyPod(name, namespace), { signal });
    for (const name of names) outputs.push(await follow(name));
    console.log(`${names.length} pods print; ${minutes} minutes\n\n minute     MB   heap MB`);
    const series: number[] = [];
    for (let sample = 1; sample <= SAMPLES; sample += 1) {
      await sleep(totalMs / SAMPLES);
      const { rss, heapUsed } = process.memoryUsage();
      series.push(rss / 1e6);
      const minute = ((sample / SAMPLES) * Number(minutes)).toFixed(1);
      console.log(
        `${minute.padStart(7)}  ${(rss / 1e6).toFixed(0).padStart(5)}  ${(heapUsed / 1e6).toFixed(0).padStart(8)}`,
      );
    }
    const quarter = Math.floor(SAMPLES / 4);
    const early = Math.max(...series.slice(quarter, 2 * quarter));
    const late = Math.max(...series.slice(-quarter));
    console.log(`\nhighest in the second quarter: ${early.toFixed(0)} MB; in the last: ${late.toFixed(0)} MB`);
    for (const output of outputs) output.stop();
    const ends = await Promise.all(outputs.map((output) => output.end(1_000)));
    console.log(`kept of the logs: ${(ends.reduce((sum, { log }) => sum + log.length, 0) / 1e6).toFixed(1)} MB`);
    if (late > early * 1.1) process.exitCode = 1;
  } finally {
    await deleteObject(cluster, namespaces, { name: namespace }, { signal });
    await cluster.close();
  }

  async function follow(name: string): Promise<PodOutput> {
    const output = createPodOutput({
      scope: { cluster, namespace, clock: systemClock },
      record: recordOf(name),
      steps: [{ name: 'run', container: 'run' }],
      attempt: { task: 'default', number: 1 },
      secrets: async () => Array.from({ length: 20 }, (_, index) => ({ label: `s${index}`, value: secretOf(index) })),
      masks: undefined,
    });
    for (;;) {
      const pod: Pod = await getObject(cluster, pods, { name, namespace }, { signal });
      if (pod.status?.containerStatuses?.[0]?.state?.running) {
        output.follow(pod);
        return output;
      }
      await sleep(200);
    }
  }
}

const secretOf = (index: number): string => createHash('sha256').update(`secret ${index}`).digest('hex').slice(0, 24);

/** Prints about 100 lines of 90 bytes, a secret among them, then again after a twentieth of a second. */
function noisyPod(name: string, namespace: string): Pod {
  const line = `2026-11-20T01:30:00.112Z INFO handler: request served in 12 ms, token ${secretOf(3)}, cache hit`;
  const script = `lines=$(i=0; while [ $i -lt 100 ]; do i=$((i+1)); echo "$i ${line}"; done); while :; do echo "$lines"; usleep 50000; done`;
  const pod: Pod = {
    metadata: { name, namespace },
    spec: {
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'run', image: 'busybox:1.36', command: ['sh', '-c', script] }],
    },
  };
  return pod;
}

const recordOf = (job: string): RunRecord => ({
  job,
  run: 1,
  trigger: { kind: 'commit', revision: '0'.repeat(40) },
  revision: '0'.repeat(40),
  path: `${job}.yaml`,
  digest: 'v1:0',
  covered: {},
  spec: { run: 'true' },
  labels: {},
  params: {},
  args: [],
  chain: '0'.repeat(40),
  queued: '2026-11-20T01:30:00Z',
});
