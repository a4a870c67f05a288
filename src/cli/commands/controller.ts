import type { Command } from 'commander';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { usageError } from '../../errors.ts';
import { openCluster } from '../../runner/kubernetes/client.ts';
import { systemClock } from '../../runner/kubernetes/clock.ts';
import { sweepAbandonedSets } from '../../runner/kubernetes/pool/abandoned.ts';
import { createMetrics } from '../../server/metrics.ts';
import { configFromEnv, readConfig } from '../config.ts';
import { takePart } from '../controller/lead.ts';
import { serve } from '../controller/serve.ts';
import { type ControllerOptions, type Follower, leaseOf, type LifePoint, type Shared } from '../controller/shared.ts';
import { createNotifier } from '../controller/tell-outside.ts';
import { EXIT } from '../exit.ts';
import { createLogger } from '../logger.ts';
import { withLogOptions } from '../options.ts';
import type { Context } from '../program.ts';
import { addressFrom } from '../address.ts';
import { stopSignals } from '../signals.ts';
import { sharedStore } from '../store.ts';
import { VERSION } from '../version.ts';

export { LIFE_POINTS, type ControllerOptions, type LifePoint } from '../controller/shared.ts';

export function controllerCommand(command: Command, context: Context): Command {
  withLogOptions(command)
    .description('run as a service in a cluster: follow sources, run their jobs as pods, write their ledgers')
    .option('--config <file>', 'the configuration; default: one source from RUNLEDGER_* variables')
    .option('--listen <host:port>', 'where health, metrics and webhooks are served', '0.0.0.0:8080')
    .option('--installation <name>', 'keeps several runledgers in one cluster apart', 'runledger')
    .option('--image <image>', "runledger's own image, for the gates of jobs with several steps")
    .option('--address <url>', 'where pods reach it, for checkout and artifacts; default: RUNLEDGER_ADDRESS')
    .option('--lease-namespace <name>', 'where the leases are; default: the namespace of this process')
    .option('--kubeconfig <file>', 'outside of a cluster; default: KUBECONFIG')
    .option('--context <name>', 'the context of the kubeconfig');
  return command.action(async (options: ControllerOptions) => {
    context.exit(await controller(options, context));
  });
}

/** The controller; `reached` is called at the points of every run's life. */
export async function controller(
  options: ControllerOptions,
  { io }: Context,
  reached: (point: LifePoint) => Promise<void> = async () => undefined,
): Promise<number> {
  const log = createLogger(io, options, 'info');
  const config = options.config === undefined ? configFromEnv(io.env) : await readConfig(options.config);
  if (config.runner?.kind === 'process') {
    throw usageError('RunnerUnavailable', 'the controller runs jobs as pods', {
      hint: 'use `runledger reconcile --watch` for processes',
    });
  }
  const stop = stopSignals(io, {
    first: () => log.info('stopping: runs go on in the cluster'),
    second: () => log.warn('stopped at once'),
  });
  const scratch = await mkdtemp(join(tmpdir(), 'runledger-'));
  const parts: { close(): Promise<void> }[] = [];
  const over = new AbortController();
  try {
    const metrics = createMetrics(
      VERSION,
      config.sources.map(({ name }) => name),
    );
    const cluster = await openCluster({
      userAgent: `runledger/${VERSION}`,
      env: io.env,
      connections: 64,
      meter: metrics.apiCall,
      ...(options.kubeconfig === undefined ? {} : { kubeconfig: options.kubeconfig }),
      ...(options.context === undefined ? {} : { context: options.context }),
      signal: stop.soft,
    });
    parts.unshift(cluster);
    // With the name of the pod, for whoever looks at the Lease.
    const identity = `${hostname()}_${randomUUID()}`;
    const address = addressFrom(options.address ?? io.env['RUNLEDGER_ADDRESS']);
    const openStore = sharedStore(config.artifacts?.store, io);
    const self = { address: null };
    const notifier = await createNotifier({ config, io, log, metrics });
    parts.unshift(notifier);
    const shared: Shared = {
      config,
      options,
      io,
      log,
      cluster,
      metrics,
      notifier,
      identity,
      stop,
      scratch,
      reached,
      address,
      openStore,
      self,
    };
    const followers = new Map(config.sources.map(({ name }) => [name, newFollower()]));
    const server = await serve(shared, followers);
    parts.unshift(server);
    log.info(
      { address: server.address, cluster: cluster.server, sources: config.sources.length, version: VERSION },
      'runledger started',
    );
    void sweepAbandonedSets({
      cluster,
      installation: options.installation,
      namespaces: new Set(config.sources.map(({ namespace }) => namespace ?? cluster.namespace)),
      sources: new Set(config.sources.map(({ name }) => name)),
      leaseOf: (name) => leaseOf({ name }, shared),
      clock: systemClock,
      log,
      signal: AbortSignal.any([stop.soft, over.signal]),
    });
    await Promise.all(
      config.sources.map((source) => takePart(source, followers.get(source.name) ?? newFollower(), shared)),
    );
    return stop.soft.aborted ? EXIT.ok : EXIT.failed;
  } finally {
    over.abort();
    for (const part of parts) await part.close();
    await rm(scratch, { recursive: true, force: true });
    stop.close();
  }
}

const newFollower = (): Follower => ({
  notReady: 'it was not read yet',
  waits: null,
  poke: () => undefined,
  files: null,
});
