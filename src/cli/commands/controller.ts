import type { Command } from 'commander';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { isCoded, messageOf, usageError } from '../../errors.ts';
import { durationMs } from '../../job/duration.ts';
import { openLedger } from '../../ledger/writer.ts';
import type { ReconcilerEvent, RecordPoint } from '../../reconciler/ports.ts';
import { openCluster, type Cluster } from '../../runner/kubernetes/client.ts';
import { systemClock } from '../../runner/kubernetes/clock.ts';
import { type Leadership, runElected } from '../../runner/kubernetes/lease.ts';
import { selectorOf } from '../../runner/kubernetes/inventory.ts';
import { listObjects, mergePatch } from '../../runner/kubernetes/objects.ts';
import { watchResource } from '../../runner/kubernetes/watch.ts';
import { configMaps, leases } from '../../runner/kubernetes/wire.ts';
import { identityOf } from '../../render/labels.ts';
import { createKubernetesRunner } from '../../runner/kubernetes/runner.ts';
import type { ReleasePoint, StartPoint } from '../../runner/kubernetes/start.ts';
import type { Config, SourceConfig } from '../../schemas/index.ts';
import { createMetrics, type Metrics } from '../../server/metrics.ts';
import { startServer } from '../../server/server.ts';
import { DEFAULT_LEDGER } from '../compose.ts';
import { authorOf, configFromEnv, credentialsOf, readConfig, resolveValue } from '../config.ts';
import { EXIT } from '../exit.ts';
import { defaultImage, NODE_LOST_AFTER_MS } from '../kubernetes.ts';
import { createLogger, type LogOptions } from '../logger.ts';
import { withLogOptions } from '../options.ts';
import type { Context } from '../program.ts';
import { logEvent } from '../progress.ts';
import { openRemote } from '../remote.ts';
import { stopSignals, type StopSignals } from '../signals.ts';
import type { Io } from '../terminal.ts';
import { VERSION } from '../version.ts';
import { watchLoop } from '../watch.ts';
import { composeReconciler, HOLD_PODS_FOR_MS } from '../workshop.ts';

export interface ControllerOptions extends LogOptions {
  readonly config?: string;
  readonly listen: string;
  readonly installation: string;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly image?: string;
  readonly leaseNamespace?: string;
}

export function controllerCommand(command: Command, context: Context): Command {
  withLogOptions(command)
    .description('run as a service in a cluster: follow sources, run their jobs as pods, write their ledgers')
    .option('--config <file>', 'the configuration; default: one source from RUNLEDGER_* variables')
    .option('--listen <host:port>', 'where health, metrics and webhooks are served', '0.0.0.0:8080')
    .option('--installation <name>', 'keeps several runledgers in one cluster apart', 'runledger')
    .option('--image <image>', "runledger's own image, for the gates of jobs with several steps")
    .option('--lease-namespace <name>', 'where the leases are; default: the namespace of this process')
    .option('--kubeconfig <file>', 'outside of a cluster; default: KUBECONFIG')
    .option('--context <name>', 'the context of the kubeconfig');
  return command.action(async (options: ControllerOptions) => {
    context.exit(await controller(options, context));
  });
}

/** Everything that the sources of one process share. */
interface Shared {
  readonly config: Config;
  readonly options: ControllerOptions;
  readonly io: Io;
  readonly log: Logger;
  readonly cluster: Cluster;
  readonly metrics: Metrics;
  readonly identity: string;
  readonly stop: StopSignals;
  readonly scratch: string;
  readonly reached: (point: LifePoint) => Promise<void>;
}

/** A source as the server knows it. */
interface Follower {
  /** Null: reads the source as it should. */
  notReady: string | null;
  /** Looks at the source now. */
  poke: () => void;
}

const newFollower = (): Follower => ({ notReady: 'it was not read yet', poke: () => undefined });

/** Points of a run's life at which a test may end the process. */
export type LifePoint = StartPoint | ReleasePoint | RecordPoint;

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
  const stop = stopSignals(io);
  const scratch = await mkdtemp(join(tmpdir(), 'runledger-'));
  const cluster = await openCluster({
    userAgent: `runledger/${VERSION}`,
    env: io.env,
    connections: 64,
    ...(options.kubeconfig === undefined ? {} : { kubeconfig: options.kubeconfig }),
    ...(options.context === undefined ? {} : { context: options.context }),
    signal: stop.soft,
  });
  const metrics = createMetrics();
  const shared: Shared = { config, options, io, log, cluster, metrics, identity: randomUUID(), stop, scratch, reached };
  const followers = new Map(config.sources.map(({ name }) => [name, newFollower()]));
  const server = await serve(shared, followers);
  log.info(
    { address: server.address, cluster: cluster.server, sources: config.sources.length, version: VERSION },
    'runledger started',
  );
  try {
    await Promise.all(
      config.sources.map((source) => lead(source, followers.get(source.name) ?? newFollower(), shared)),
    );
    return stop.soft.aborted ? EXIT.ok : EXIT.failed;
  } finally {
    await server.close();
    await cluster.close();
    await rm(scratch, { recursive: true, force: true });
    stop.close();
  }
}

async function serve({ config, options, io, metrics, log }: Shared, followers: ReadonlyMap<string, Follower>) {
  const [, host = '0.0.0.0', port = '8080'] = /^(?:(.*):)?(\d+)$/.exec(options.listen) ?? [];
  const hooks = new Map<string, { secret: string; received: () => void }>();
  for (const { name, webhook } of config.sources) {
    if (!webhook) continue;
    const secret = await resolveValue(webhook.secretFrom, io.env);
    hooks.set(name, { secret, received: () => followers.get(name)?.poke() });
  }
  return startServer({
    host: host || '0.0.0.0',
    port: Number(port),
    healthy: () => true,
    notReady: () => {
      const late = [...followers].find(([, { notReady }]) => notReady !== null);
      return late ? `source ${late[0]}: ${late[1].notReady}` : null;
    },
    metrics: () => metrics.text(),
    hooks,
    onHook(source, verdict) {
      metrics.hook(source, verdict);
      log.info({ source, verdict }, 'webhook');
    },
  });
}

/** Takes part in the election for a source, and reconciles it while it leads. */
async function lead(source: SourceConfig, follower: Follower, shared: Shared): Promise<void> {
  const { cluster, options, log, metrics, stop, identity } = shared;
  const namespace = options.leaseNamespace ?? cluster.namespace;
  const name = `runledger-${options.installation}-${source.name}`;
  const tellLeader = (): void => void tell({ name, namespace }, shared, log);
  follower.poke = tellLeader;
  follower.notReady = null; // one that waits for the lease is ready to take over
  await runElected({
    cluster,
    namespace,
    name,
    identity,
    labels: {
      'app.kubernetes.io/managed-by': 'runledger',
      'runledger.dev/installation': options.installation,
      'runledger.dev/source': source.name,
    },
    knownEpoch: () => epochOfClaims(source, shared),
    signal: stop.soft,
    clock: systemClock,
    log,
    async onLead(leadership) {
      metrics.leader(source.name, true);
      log.info({ source: source.name, epoch: leadership.epoch }, 'leads');
      try {
        await reconcileAsLeader(source, follower, { name, namespace }, leadership, shared);
      } finally {
        metrics.leader(source.name, false);
        follower.poke = tellLeader;
      }
    },
  });
}

interface LeaseRef {
  readonly name: string;
  readonly namespace: string;
}

/** Written onto the Lease by a replica that was told of something new and does not lead. */
const POKED = 'runledger.dev/poked';

/** Tells whoever leads to look at the source now; a poll finds it later where this fails. */
async function tell(lease: LeaseRef, { cluster, stop }: Shared, log: Logger): Promise<void> {
  const metadata = { annotations: { [POKED]: new Date().toISOString() } };
  try {
    await mergePatch(cluster, leases, lease, { metadata }, { signal: stop.soft, repeatable: true });
  } catch (error) {
    log.warn({ lease: lease.name, error: messageOf(error) }, 'the leader could not be told');
  }
}

/** Hears what other replicas tell. */
function listen(lease: LeaseRef, { cluster }: Shared, log: Logger, heard: () => void, signal: AbortSignal): void {
  let last: string | undefined;
  const { namespace, name } = lease;
  const watch = watchResource(cluster, leases, {
    namespace,
    fieldSelector: `metadata.name=${name}`,
    signal,
    log,
    onChange({ type, object }) {
      const poked = object.metadata?.annotations?.[POKED];
      if (type !== 'deleted' && poked !== undefined && poked !== last) heard();
      last = poked ?? last;
    },
  });
  watch.ready.catch((error: unknown) => log.warn({ error: messageOf(error) }, 'other replicas are not heard'));
}

/** The highest epoch that the claims of a source carry: a Lease that was deleted by hand has forgotten its own. */
async function epochOfClaims(source: SourceConfig, { cluster, options, stop }: Shared): Promise<number> {
  const namespace = source.namespace ?? cluster.namespace;
  const scope = { installation: options.installation, source: source.name };
  const labelSelector = selectorOf(scope, 'claim');
  const { items } = await listObjects(cluster, configMaps, { namespace, labelSelector }, { signal: stop.hard });
  return items.reduce((highest, claim) => Math.max(highest, identityOf(claim)?.epoch ?? 0), 0);
}

async function reconcileAsLeader(
  source: SourceConfig,
  follower: Follower,
  lease: LeaseRef,
  leadership: Leadership,
  shared: Shared,
): Promise<void> {
  const { cluster, options, io, config, scratch, stop } = shared;
  const log = shared.log.child({ source: source.name });
  // Losing the lease ends everything at once; a signal ends it in good order, and runs go on in the cluster.
  const lost = new AbortController();
  leadership.signal.addEventListener('abort', () => {
    if (!isCoded(leadership.signal.reason, 'Cancelled')) lost.abort(leadership.signal.reason);
  });
  const url = source.url;
  if (url === undefined)
    throw usageError('SourceNeedsUrl', `source ${source.name}: the controller follows URLs`, {
      hint: 'write url: https://…',
    });
  const folder = await mkdtemp(join(scratch, `${source.name}-`));
  const interval = source.interval;
  const credentials = await credentialsOf(source.auth, io.env);
  const remote = await openRemote(
    url,
    folder,
    {
      ...(source.branch === undefined ? {} : { branch: source.branch }),
      ...(source.path === undefined ? {} : { path: source.path }),
      ...(source.caFile === undefined ? {} : { caFile: source.caFile }),
      ...(interval === undefined ? {} : { interval }),
      credentials,
    },
    io,
    (message) => log.info(message),
  );
  const branch = await remote.branch(source.ledger?.branch ?? DEFAULT_LEDGER);
  const ledger = openLedger({
    branch,
    author: authorOf(source.ledger?.author),
    now: () => Date.now(),
    signal: lost.signal,
  });
  const emit = (event: ReconcilerEvent): void => {
    logEvent(log, event);
    measure(event, source.name, shared.metrics);
  };
  const runner = await createKubernetesRunner({
    scope: {
      cluster,
      namespace: source.namespace ?? cluster.namespace,
      installation: options.installation,
      source: source.name,
      authority: leadership,
      clock: systemClock,
      log,
    },
    podContext: {
      image: options.image ?? defaultImage(io),
      imagePullSecrets: source.imagePullSecrets ?? [],
      podDefaults: config.defaults?.pod ?? {},
      ...(source.policy?.maxResources === undefined ? {} : { maxResources: source.policy.maxResources }),
    },
    events: {
      changed: (key) => reconciler.changed(key),
      output: (line) => emit({ kind: 'output', line }),
    },
    policy: source.policy,
    reached: shared.reached,
    nodeLostAfterMs: config.nodeLostAfter === undefined ? NODE_LOST_AFTER_MS : durationMs(config.nodeLostAfter),
    signal: lost.signal,
  });
  const reconciler = composeReconciler({
    source: remote.source,
    ledger,
    runner,
    emit,
    by: { runner: 'kubernetes', version: VERSION, host: hostname(), epoch: leadership.epoch },
    mostLive: config.concurrency ?? 100,
    recordForMs: Number.POSITIVE_INFINITY,
    holdPodsForMs: config.holdPodsFor === undefined ? HOLD_PODS_FOR_MS : durationMs(config.holdPodsFor),
    reached: shared.reached,
    inTurn: (work) => work(),
  });
  follower.poke = () => reconciler.sourceChanged();
  const left = new AbortController();
  listen(lease, shared, log, () => reconciler.sourceChanged(), AbortSignal.any([leadership.signal, left.signal]));
  const ended: StopSignals = {
    soft: leadership.signal,
    hard: AbortSignal.any([stop.hard, lost.signal]),
    close: () => undefined,
  };
  try {
    await watchLoop({ source: remote.source, reconciler }, ended, log);
  } catch (error) {
    if (!ended.soft.aborted) throw error;
    log.warn({ error: messageOf(error) }, 'ended');
  } finally {
    left.abort();
    await runner.close('CancelRequested');
    await remote.close();
    await rm(folder, { recursive: true, force: true });
  }
}

function measure(event: ReconcilerEvent, source: string, metrics: Metrics): void {
  if (event.kind === 'started') metrics.started(source, event.action.trigger?.kind ?? 'unknown');
  if (event.kind === 'trouble') metrics.trouble(source);
  if (event.kind === 'finished') {
    const { result, reason, times } = event.outcome;
    const seconds = (Date.parse(times.finished) - Date.parse(times.started ?? times.finished)) / 1_000;
    metrics.finished(source, result, reason, Math.max(0, seconds));
  }
}
