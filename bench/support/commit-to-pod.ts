import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findForge, type Forge } from '../../test/support/forge.ts';
import { git } from '../../test/support/git.ts';
import { startController, type ControllerProcess } from './controller.ts';
import { jobManifest, onStage, type Stage } from './stage.ts';

/** Milliseconds, a value for each push. */
export interface DelayFigures {
  /** From the push that a person begins to its end. */
  readonly push: readonly number[];
  /** From the end of the push until the forge's webhook is there; negative where it comes before. */
  readonly forge: readonly number[];
  /** From the webhook to the pod. */
  readonly ours: readonly number[];
  /** All of it. */
  readonly whole: readonly number[];
}

type Sample = Readonly<Record<keyof DelayFigures, number>>;

/** Pushes one job after another to a forge whose webhook tells the controller; undefined where there is no forge. */
export async function measureDelays(pushes: number): Promise<DelayFigures | undefined> {
  const forge = findForge();
  if (!forge) return undefined;
  const { name, url } = await forge.createRepository('bench');
  try {
    return await onStage((stage) => delays(forge, { name, url }, stage, pushes));
  } finally {
    await forge.deleteRepository(name);
  }
}

async function delays(
  forge: Forge,
  { name, url }: { readonly name: string; readonly url: string },
  { folder, namespace, pods }: Stage,
  pushes: number,
): Promise<DelayFigures> {
  const secret = randomBytes(16).toString('hex');
  const { user, token } = forge;
  const controller = await startController({
    folder,
    url,
    namespace,
    concurrency: 100,
    interval: '10m', // the webhook alone tells
    source: {
      auth: { usernameFrom: { env: 'BENCH_USER' }, passwordFrom: { env: 'BENCH_TOKEN' } },
      webhook: { secretFrom: { env: 'BENCH_SECRET' } },
    },
    env: { BENCH_USER: user, BENCH_TOKEN: token, BENCH_SECRET: secret },
  });
  try {
    await controller.said('it leads', ({ msg }) => msg === 'leads');
    const hook = { url: `http://127.0.0.1:${controller.port}/hooks/bench`, content_type: 'json', secret };
    await forge.api('POST', `/repos/${user}/${name}/hooks`, {
      type: 'gitea',
      config: hook,
      events: ['push'],
      branch_filter: 'main', // pushes to the ledger are none of a person's
      active: true,
    });
    const clone = join(folder, 'clone');
    await git(folder, 'clone', '--quiet', url.replace('://', `://${user}:${token}@`), clone);
    const samples: Sample[] = [];
    for (let index = 0; index < pushes; index += 1) {
      const job = `job-${index}`;
      writeFileSync(join(clone, `${job}.yaml`), jobManifest(job, 'simulated'));
      await git(clone, 'add', '.');
      await git(clone, 'commit', '--quiet', '-m', job);
      const began = Date.now();
      await git(clone, 'push', '--quiet');
      const pushed = Date.now();
      const hooked = Date.parse((await webhook(controller, began)).time);
      const made = await pods.seen(job);
      samples.push({ push: pushed - began, forge: hooked - pushed, ours: made - hooked, whole: made - began });
    }
    const column = (of: keyof DelayFigures): readonly number[] => samples.map((sample) => sample[of]);
    return { push: column('push'), forge: column('forge'), ours: column('ours'), whole: column('whole') };
  } finally {
    await controller.stop();
  }
}

const webhook = (controller: ControllerProcess, since: number) =>
  controller.said('a webhook came', ({ msg, time }) => msg === 'webhook' && Date.parse(time) >= since);
