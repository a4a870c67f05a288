import type { Store } from '../artifacts/port.ts';
import { usageError } from '../errors.ts';
import { type Cluster, openCluster } from '../runner/kubernetes/client.ts';
import { systemClock, type Log } from '../runner/kubernetes/clock.ts';
import { createKubernetesRunner } from '../runner/kubernetes/runner.ts';
import { unopposed } from '../runner/kubernetes/scope.ts';
import type { Runner, RunnerEvents } from '../runner/port.ts';
import type { LogKeeper } from '../runner/whole-log.ts';
import { type RunningServer, startServer } from '../server/server.ts';
import type { Source } from '../sources/port.ts';
import { addressFrom } from './address.ts';
import { collectorOf, createDesk } from './attempt-desk.ts';
import type { RunnerOptions } from './options.ts';
import { sourceName } from './source-name.ts';
import type { Io } from './terminal.ts';
import { VERSION } from './version.ts';

/** The image that gates come from, unless another is named. */
export const defaultImage = (io: Io): string => io.env['RUNLEDGER_IMAGE'] || `ghcr.io/runledger/runledger:${VERSION}`;
export const NODE_LOST_AFTER_MS = 300_000;

/** What a command's runner works for. */
export interface UserParts {
  /** The folder or URL. */
  readonly location: string;
  readonly source: Source;
  /** Whether outcomes are kept in memory alone. */
  readonly forgets: boolean;
  readonly openStore: () => Promise<Store>;
  /** Where whole logs go; undefined: nowhere. */
  readonly keeper: LogKeeper | undefined;
}

/** The runner of a command: with the user's kubeconfig and context, and nobody to compete with. */
export async function openUserRunner(
  { location, source, forgets, openStore, keeper }: UserParts,
  options: RunnerOptions,
  io: Io,
  events: RunnerEvents,
  log: Log,
  signal: AbortSignal,
): Promise<Runner> {
  const address = addressFrom(options.serve);
  const cluster = await openCluster({
    userAgent: `runledger/${VERSION}`,
    env: io.env,
    ...(options.kubeconfig === undefined ? {} : { kubeconfig: options.kubeconfig }),
    ...(options.context === undefined ? {} : { context: options.context }),
    signal,
  });
  const name = sourceName(location);
  const namespace = options.namespace ?? cluster.namespace;
  const installation = options.installation ?? 'cli';
  // A dry run starts no pod that could ask.
  const server =
    address === undefined || options.dryRun === true
      ? undefined
      : await serveAttempts(address, { cluster, installation, name, namespace, source, openStore });
  const runner = await createKubernetesRunner({
    scope: { cluster, namespace, installation, source: name, authority: unopposed, clock: systemClock, log },
    podContext: {
      image: options.image ?? defaultImage(io),
      imagePullSecrets: [],
      podDefaults: {},
      ...(address === undefined ? {} : { address }),
    },
    events,
    // The next command would know nothing of the run, and take its claim for one that was cut off.
    keepsClaims: !forgets,
    collect: collectorOf(name, openStore),
    keeper,
    nodeLostAfterMs: NODE_LOST_AFTER_MS,
    signal,
  });
  return {
    ...runner,
    async close(reason) {
      await runner.close(reason);
      await server?.close();
      await cluster.close();
    },
  };
}

interface ServedSource extends Omit<UserParts, 'location' | 'forgets' | 'keeper'> {
  readonly cluster: Cluster;
  readonly installation: string;
  readonly name: string;
  readonly namespace: string;
}

/** Serves the pods of attempts while the command lasts, and nothing else. Throws `ListenFailed` (usage). */
async function serveAttempts(
  address: string,
  { cluster, installation, name, namespace, source, openStore }: ServedSource,
): Promise<RunningServer> {
  const { port, protocol } = new URL(address);
  const desk = createDesk({
    cluster,
    installation,
    openStore,
    sourceOf: (asked) => (asked === name ? { namespace, files: () => source, leader: async () => null } : undefined),
  });
  try {
    return await startServer({
      host: '0.0.0.0',
      port: Number(port || (protocol === 'https:' ? 443 : 80)),
      healthy: () => true,
      notReady: () => null,
      metrics: async () => ({ contentType: 'text/plain', text: '' }),
      queue: () => [],
      hooks: new Map(),
      attempts: desk,
      onHook: () => undefined,
    });
  } catch (error) {
    throw usageError('ListenFailed', `--serve ${address}: can't listen there: ${String(error)}`, {
      hint: 'name a port that is free',
    });
  }
}
