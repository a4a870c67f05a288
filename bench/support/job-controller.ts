import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { kubectl } from '../../test/chaos/kubectl.ts';
import { onStage } from './stage.ts';

const LIMIT_MS = 900_000;
const LOOK_MS = 1_000;

/** Seconds until as many plain Jobs of one step are complete, by the cluster's own Job controller, on a simulated node. */
export function runPlainJobs(jobs: number): Promise<number> {
  return onStage(async ({ folder, namespace }) => {
    const file = join(folder, 'jobs.yaml');
    writeFileSync(file, Array.from({ length: jobs }, (_, index) => plainJob(index)).join('---\n'));
    const began = performance.now();
    const created = kubectl('-n', namespace, 'create', '-f', file);
    const path = 'jsonpath={range .items[?(@.status.succeeded==1)]}x{end}';
    for (;;) {
      await sleep(LOOK_MS);
      const done = (await kubectl('-n', namespace, 'get', 'jobs', '-o', path)).length;
      const elapsedMs = performance.now() - began;
      if (done < jobs && elapsedMs < LIMIT_MS) continue;
      await created;
      return elapsedMs / 1_000;
    }
  });
}

const plainJob = (index: number): string => `apiVersion: batch/v1
kind: Job
metadata: { name: job-${index} }
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      nodeSelector: { type: kwok }
      tolerations: [{ key: kwok.test/node, operator: Exists }]
      containers: [{ name: main, image: "busybox:1.36", command: [echo, "${index}"] }]
`;
