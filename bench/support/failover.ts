import { setTimeout as sleep } from 'node:timers/promises';
import { startController, type ControllerProcess } from './controller.ts';
import { jobManifest, onStage, type Stage } from './stage.ts';

/** The second replica knows that the first one leads. */
const SETTLE_MS = 3_000;

/** Seconds from the signal to the leader until a pod of the next one is there, for a job that was committed just before. */
export function measureFailover(signal: 'SIGKILL' | 'SIGTERM', times: number): Promise<readonly number[]> {
  return onStage(async (stage) => {
    const seconds: number[] = [];
    let leader = await start(stage);
    await leader.said('it leads', ({ msg }) => msg === 'leads');
    for (let index = 0; index < times; index += 1) {
      const next = await start(stage);
      await sleep(SETTLE_MS);
      const job = `${signal.toLowerCase()}-${index}`;
      const stopped = leader.stop(signal);
      const began = Date.now();
      await stage.repository.commit({ [`${job}.yaml`]: jobManifest(job, 'simulated') });
      seconds.push(((await stage.pods.seen(job)) - began) / 1_000);
      await stopped;
      leader = next;
    }
    await leader.stop();
    return seconds;
  });
}

const start = ({ folder, repository, namespace }: Stage): Promise<ControllerProcess> =>
  startController({ folder, url: repository.url, namespace, concurrency: 100, interval: '1s' });
