import { setTimeout as sleep } from 'node:timers/promises';
import path from 'node:path';
import { recordCreations, type Creations } from '../../test/chaos/creations.ts';
import { withNamespace } from '../../test/chaos/kubectl.ts';
import { startGitServer, type Repository } from '../../test/support/git-server.ts';
import { temporaryDirectory } from '../../test/support/git.ts';
import { openAudit, type CallCounts } from './audit.ts';
import { startController, type ControllerProcess } from './controller.ts';

const LIMIT_MS = 600_000;
/** What is let go of after the last outcome is part of the bill. */
const AFTERMATH_MS = 5_000;

/** What a commit of many jobs costs. Seconds count from its push. */
export interface FleetFigures {
  readonly finishedS: number;
  readonly pushedS: number;
  /** Absent without an audit log. */
  readonly calls?: CallCounts;
  readonly memoryMB: number;
  /** Of the controller. */
  readonly cpuS: number;
}

/** The manifest of a one-step job; on a simulated node (labelled `type: kwok`), or where the scheduler puts it. */
export const jobManifest = (name: string, node: 'simulated' | 'any'): string => `apiVersion: runledger.dev/v1
kind: Job
metadata: { name: ${name} }
spec:
  image: busybox:1.36
  run: echo ${name}
${node === 'any' ? '' : '  pod:\n    nodeSelector: { type: kwok }\n    tolerations: [{ key: kwok.test/node, operator: Exists }]\n'}`;

interface Bench {
  readonly repository: Repository;
  readonly creations: Creations;
  readonly controller: ControllerProcess;
}

/** Commits the manifests a batch at a time, each once all of the one before it has been recorded. */
export async function runFleet(batches: readonly Readonly<Record<string, string>>[]): Promise<FleetFigures> {
  const { path: folder, remove } = await temporaryDirectory();
  const server = await startGitServer({ root: path.join(folder, 'git') });
  const figures: FleetFigures[] = [];
  try {
    const repository = await server.createRepository('jobs.git');
    await repository.commit({ 'README.md': 'jobs\n' });
    await withNamespace('bench', async ({ name: namespace }) => {
      const concurrency = Math.max(...batches.map((files) => Object.keys(files).length));
      const audit = openAudit(process.env['RUNLEDGER_TEST_AUDIT_LOG']);
      const creations = await recordCreations(namespace);
      const controller = await startController({ folder, url: repository.url, namespace, concurrency, interval: '1s' });
      try {
        await controller.said('it leads', ({ msg }) => msg === 'leads');
        await sleep(2_000);
        const { finishedS, pushedS } = await measure(batches, { repository, creations, controller });
        await sleep(AFTERMATH_MS);
        const calls = audit?.calls(namespace);
        const memoryMB = controller.maxMemoryMB();
        const cpuS = controller.cpuS();
        figures.push({ finishedS, pushedS, memoryMB, cpuS, ...(calls === undefined ? {} : { calls }) });
      } finally {
        if (process.env['ECON'])
          (await import('node:fs')).writeFileSync(
            process.env['ECON'],
            controller.lines.map((l) => JSON.stringify(l)).join('\n'),
          );
        await controller.stop();
        creations.stop();
      }
    });
  } finally {
    await server.close();
    await remove();
  }
  return figures[0]!;
}

async function measure(
  batches: readonly Readonly<Record<string, string>>[],
  { repository, creations, controller }: Bench,
): Promise<{ readonly finishedS: number; readonly pushedS: number }> {
  let wanted = 0;
  let finishedS = 0;
  const began = performance.now();
  const elapsedS = (): number => (performance.now() - began) / 1_000;
  for (const files of batches) {
    await repository.commit(files);
    wanted += Object.keys(files).length;
    let pods = 0;
    while ((await recorded(repository)) < wanted) {
      if (pods < wanted && (pods = creations.ended()) >= wanted) finishedS = elapsedS();
      if (elapsedS() * 1_000 > LIMIT_MS) throw new Error(`not done: ${controller.lines.at(-1)?.msg}`);
      await sleep(100);
    }
    if (pods < wanted) finishedS = elapsedS();
  }
  return { finishedS, pushedS: elapsedS() };
}

/** How many runs the ledger holds. */
async function recorded({ git }: Repository): Promise<number> {
  const tree = await git('ls-tree', '-r', '--name-only', 'runledger/status').catch(() => '');
  return tree.split('\n').filter((file) => file.endsWith('/1.yaml')).length;
}
