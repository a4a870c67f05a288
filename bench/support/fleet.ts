import { setTimeout as sleep } from 'node:timers/promises';
import type { Repository } from '../../test/support/git-server.ts';
import { openAudit, type CallCounts } from './audit.ts';
import { startController, type ControllerProcess } from './controller.ts';
import { onStage, type Stage } from './stage.ts';

const LIMIT_MS = 600_000;
/** How often to look at the ledger: it takes a process, which the controller pays for on a machine of few cores. */
const LOOK_MS = 250;
/** The controller has started, and idles. */
const SETTLE_MS = 2_000;

/** What a commit of many jobs costs. Seconds count from its push. */
export interface FleetFigures {
  readonly finishedS: number;
  readonly pushedS: number;
  /** Absent without an audit log. */
  readonly calls?: CallCounts;
  /** Of the controller: the largest resident set, and CPU. */
  readonly memoryMB: number;
  readonly cpuS: number;
}

/** Commits manifests a batch at a time, each once all runs of the one before it are recorded. */
export function runFleet(batches: readonly Readonly<Record<string, string>>[]): Promise<FleetFigures> {
  return onStage(async (stage) => {
    const { folder, repository, namespace, pods } = stage;
    const concurrency = Math.max(...batches.map((files) => Object.keys(files).length));
    const controller = await startController({ folder, url: repository.url, namespace, concurrency, interval: '1s' });
    try {
      await controller.said('it leads', ({ msg }) => msg === 'leads');
      await sleep(SETTLE_MS);
      // What a leadership costs at its beginning is no run's.
      const audit = openAudit(process.env['RUNLEDGER_TEST_AUDIT_LOG']);
      const times = await measure(batches, stage, controller);
      // What is let go of after the last outcome is part of the bill.
      await pods.gone();
      const calls = audit?.calls(namespace);
      const figures = { ...times, memoryMB: controller.maxMemoryMB(), cpuS: controller.cpuS() };
      return calls === undefined ? figures : { ...figures, calls };
    } finally {
      await controller.stop();
    }
  });
}

async function measure(
  batches: readonly Readonly<Record<string, string>>[],
  { repository, pods }: Stage,
  controller: ControllerProcess,
): Promise<{ readonly finishedS: number; readonly pushedS: number }> {
  let wanted = 0;
  let finishedS = Number.NaN;
  const began = performance.now();
  const elapsedS = (): number => (performance.now() - began) / 1_000;
  for (const files of batches) {
    await repository.commit(files);
    wanted += Object.keys(files).length;
    finishedS = Number.NaN;
    while ((await recorded(repository)) < wanted) {
      if (Number.isNaN(finishedS) && pods.ended() >= wanted) finishedS = elapsedS();
      if (elapsedS() * 1_000 > LIMIT_MS) throw new Error(`not done: ${controller.lines.at(-1)?.msg}`);
      await sleep(LOOK_MS);
    }
  }
  const pushedS = elapsedS();
  return { finishedS: Number.isNaN(finishedS) ? pushedS : finishedS, pushedS };
}

/** How many runs the ledger holds. */
async function recorded(repository: Repository): Promise<number> {
  const tree = await repository.git('ls-tree', '-r', '--name-only', 'runledger/status').catch(() => '');
  return tree.split('\n').filter((file) => file.endsWith('/1.yaml')).length;
}
