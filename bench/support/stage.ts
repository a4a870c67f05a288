import { join } from 'node:path';
import { startGitServer, type Repository } from '../../test/support/git-server.ts';
import { temporaryDirectory } from '../../test/support/git.ts';
import { openTestCluster, type TestCluster } from '../../test/support/cluster.ts';
import { watchPods, type PodWatch } from './pod-watch.ts';

/** A namespace of a real cluster, a repository on a git server, and what is started there. */
export interface Stage {
  readonly test: TestCluster;
  readonly namespace: string;
  readonly pods: PodWatch;
  readonly folder: string;
  readonly repository: Repository;
}

/** Does the work on a stage of its own, and leaves nothing of it. */
export async function onStage<T>(work: (stage: Stage) => Promise<T>): Promise<T> {
  const test = await openTestCluster('bench');
  if (!test) throw new Error('this bench needs a cluster: set KUBECONFIG');
  const { path: folder, remove } = await temporaryDirectory();
  const server = await startGitServer({ root: join(folder, 'git') });
  try {
    const repository = await server.createRepository('jobs.git');
    await repository.commit({ 'README.md': 'jobs\n' });
    const pods = await watchPods(test);
    try {
      return await work({ test, namespace: test.namespace, pods, folder, repository });
    } finally {
      pods.stop();
    }
  } finally {
    await server.close();
    await test.remove();
    await remove();
  }
}

/** The manifest of a one-step job; on a simulated node (labelled `type: kwok`), or where the scheduler puts it. */
export const jobManifest = (name: string, node: 'simulated' | 'any'): string => `apiVersion: runledger.dev/v1
kind: Job
metadata: { name: ${name} }
spec:
  image: busybox:1.36
  run: echo ${name}
${node === 'any' ? '' : '  pod:\n    nodeSelector: { type: kwok }\n    tolerations: [{ key: kwok.test/node, operator: Exists }]\n'}`;
