import { openCluster } from '../runner/kubernetes/client.ts';
import { systemClock, type Log } from '../runner/kubernetes/clock.ts';
import { createKubernetesRunner } from '../runner/kubernetes/runner.ts';
import { unopposed } from '../runner/kubernetes/scope.ts';
import type { Runner, RunnerEvents } from '../runner/port.ts';
import type { RunnerOptions } from './options.ts';
import type { Io } from './terminal.ts';
import { sourceName } from './source-name.ts';
import { VERSION } from './version.ts';

/** The image that gates come from, unless another is named. */
export const defaultImage = (io: Io): string => io.env['RUNLEDGER_IMAGE'] || `ghcr.io/runledger/runledger:${VERSION}`;
export const NODE_LOST_AFTER_MS = 300_000;

/** The runner of a command: with the user's kubeconfig and context, and nobody to compete with. */
export async function openUserRunner(
  location: string,
  options: RunnerOptions,
  io: Io,
  events: RunnerEvents,
  log: Log,
  signal: AbortSignal,
): Promise<Runner> {
  const cluster = await openCluster({
    userAgent: `runledger/${VERSION}`,
    env: io.env,
    ...(options.kubeconfig === undefined ? {} : { kubeconfig: options.kubeconfig }),
    ...(options.context === undefined ? {} : { context: options.context }),
    signal,
  });
  const runner = await createKubernetesRunner({
    scope: {
      cluster,
      namespace: options.namespace ?? cluster.namespace,
      installation: options.installation ?? 'cli',
      source: sourceName(location),
      authority: unopposed,
      clock: systemClock,
      log,
    },
    podContext: { image: options.image ?? defaultImage(io), imagePullSecrets: [], podDefaults: {} },
    events,
    nodeLostAfterMs: NODE_LOST_AFTER_MS,
    signal,
  });
  return {
    ...runner,
    async close(reason) {
      await runner.close(reason);
      await cluster.close();
    },
  };
}
