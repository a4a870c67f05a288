import { mkdtemp, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { isCoded, messageOf, usageError } from '../../errors.ts';
import type { Branch } from '../../git/port.ts';
import { durationMs } from '../../job/duration.ts';
import type { Ledger } from '../../ledger/port.ts';
import { openLedger } from '../../ledger/writer.ts';
import { compileMasks } from '../../logs/mask-patterns.ts';
import type { Reconciler } from '../../reconciler/reconciler.ts';
import type { ReconcilerEvent } from '../../reconciler/ports.ts';
import { systemClock } from '../../runner/kubernetes/clock.ts';
import type { Leadership } from '../../runner/kubernetes/lease.ts';
import { createKubernetesRunner, type KubernetesRunnerOptions } from '../../runner/kubernetes/runner.ts';
import type { LogKeeper } from '../../runner/whole-log.ts';
import type { Runner, RunnerEvents } from '../../runner/port.ts';
import type { SourceConfig } from '../../schemas/index.ts';
import { DEFAULT_LEDGER } from '../compose.ts';
import { authorOf, credentialsOf } from '../config.ts';
import { collectorOf } from '../attempt-desk.ts';
import { defaultImage, NODE_LOST_AFTER_MS } from '../kubernetes.ts';
import { logEvent } from '../progress.ts';
import { openRemote, type Remote } from '../remote.ts';
import type { StopSignals } from '../signals.ts';
import { VERSION } from '../version.ts';
import { createWatch } from '../watch.ts';
import { expirerOf } from '../workspace.ts';
import { composeReconciler, DEFAULT_CONCURRENCY, HOLD_PODS_FOR_MS } from '../workshop.ts';
import { noticeOf } from './announce.ts';
import { createMeasure } from './measure.ts';
import { createPoolMeasure } from './measure-pools.ts';
import { guardLedger } from './ledger-guard.ts';
import type { Follower, Shared } from './shared.ts';
import { announce, hearOthers, type LeaseRef } from './tell.ts';
import { createOutside, type Outside } from './tell-outside.ts';

/** Reconciles a source until the leadership ends. Throws what trying again can't help. */
export async function follow(
  source: SourceConfig,
  follower: Follower,
  lease: LeaseRef,
  leadership: Leadership,
  shared: Shared,
): Promise<void> {
  const log = shared.log.child({ source: source.name });
  const ending = endingOf(leadership, shared.stop);
  const folder = await mkdtemp(join(shared.scratch, `${source.name}-`));
  const parts: { remote?: Remote; runner?: Runner; outside?: Outside } = {};
  const left = new AbortController();
  const counts = shared.metrics.source(source.name);
  const measure = createMeasure(counts);
  let queue: Reconciler['queue'] = { size: 0, oldestMs: () => 0 };
  const endLead = counts.lead(() => ({
    workDepth: queue.size,
    workAgeSeconds: queue.oldestMs() / 1_000,
    lagSeconds: measure.lagSeconds(),
  }));
  try {
    const outside = (parts.outside = await createOutside(source, shared.notifier, { ...shared, log }));
    const remote = (parts.remote = await openSource(source, folder, shared, log));
    const unguarded = await remote.branch(source.ledger?.branch ?? DEFAULT_LEDGER);
    const branch = await guardLedger(unguarded, shared.cluster, lease, log, leadership.signal);
    const ledger = ledgerOf(source, branch, ending.lost, shared);
    follower.files = remote.source;
    const hearing = AbortSignal.any([leadership.signal, left.signal]);
    let isFirst = true;
    const emit = (event: ReconcilerEvent): void => {
      logEvent(log, event);
      measure.take(event);
      outside.take(event);
      const view = event.kind === 'planned' && isFirst ? ledger.latest() : null;
      if (view) {
        isFirst = false;
        void outside.catchUp(view, hearing);
      }
      const notice = noticeOf(event);
      if (notice) parts.runner?.announce?.(notice);
      if (event.kind === 'waiting') follower.waits = event.waits;
    };
    const pool = createPoolMeasure(counts, () => reconciler.setsChanged());
    const events: RunnerEvents = {
      changed: (key) => reconciler.changed(key),
      // A line is an object and a text: nobody needs them but whoever traces.
      ...(log.isLevelEnabled('trace') ? { output: (line) => emit({ kind: 'output', line }) } : {}),
      pool: (event) => pool(event),
    };
    const runner = (parts.runner = await createKubernetesRunner(
      runnerOptions(source, leadership, events, ending.lost, shared, log),
    ));
    // Nothing is awaited in between: what the runner tells needs the reconciler.
    const reconciler = reconcilerOf(source, leadership, { remote, ledger, runner }, emit, shared);
    ({ queue } = reconciler);
    const watch = createWatch({ source: remote.source, reconciler }, log);
    follower.poke = () => watch.poke();
    hearOthers(shared.cluster, lease, log, () => watch.poke(), hearing);
    if (shared.self.address !== null) void announce(shared.cluster, lease, shared.self.address, log, hearing);
    await watch.run(ending);
  } catch (error) {
    if (!leadership.signal.aborted) throw error;
    log.warn({ error: messageOf(error) }, 'ended');
  } finally {
    endLead();
    follower.waits = null;
    follower.files = null;
    left.abort();
    await parts.runner?.close('CancelRequested');
    await parts.outside?.close();
    await parts.remote?.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Losing the lease ends everything at once; a signal ends it in good order, and runs go on in the cluster. */
function endingOf({ signal }: Leadership, stop: StopSignals): StopSignals & { readonly lost: AbortSignal } {
  const losing = new AbortController();
  const onEnd = (): void => {
    if (!isCoded(signal.reason, 'Cancelled')) losing.abort(signal.reason);
  };
  if (signal.aborted) onEnd();
  else signal.addEventListener('abort', onEnd, { once: true });
  return {
    lost: losing.signal,
    soft: signal,
    hard: AbortSignal.any([stop.hard, losing.signal]),
    close: () => undefined,
  };
}

async function openSource(source: SourceConfig, folder: string, { io, metrics }: Shared, log: Logger): Promise<Remote> {
  const { url, branch, path, caFile, interval } = source;
  if (url === undefined)
    throw usageError('SourceNeedsUrl', `source ${source.name}: the controller follows URLs`, {
      hint: 'write url: https://…',
    });
  const options = {
    ...(branch === undefined ? {} : { branch }),
    ...(path === undefined ? {} : { path }),
    ...(caFile === undefined ? {} : { caFile }),
    ...(interval === undefined ? {} : { interval }),
    credentials: await credentialsOf(source.auth, io.env),
    meter: metrics.source(source.name).git,
  };
  return openRemote(url, folder, options, io, (message) => log.info(message));
}

function runnerOptions(
  source: SourceConfig,
  authority: Leadership,
  events: RunnerEvents,
  signal: AbortSignal,
  shared: Shared,
  log: Logger,
): KubernetesRunnerOptions {
  const { cluster, options, config, io, reached, metrics, address, openStore } = shared;
  const namespace = source.namespace ?? cluster.namespace;
  const { installation } = options;
  const counts = metrics.source(source.name);
  const logMeter = { read: counts.logBytes, masked: counts.redaction };
  return {
    scope: { cluster, namespace, installation, source: source.name, authority, clock: systemClock, log, logMeter },
    podContext: {
      image: options.image ?? defaultImage(io),
      imagePullSecrets: source.imagePullSecrets ?? [],
      podDefaults: config.defaults?.pod ?? {},
      ...(address === undefined ? {} : { address }),
      ...(source.policy?.maxResources === undefined ? {} : { maxResources: source.policy.maxResources }),
    },
    events,
    ...(openStore ? { collect: collectorOf(source.name, openStore) } : {}),
    policy: source.policy,
    announced: config.events === false ? undefined : counts.event,
    keeper: keeperOf(source, shared),
    masks: compileMasks(config.masks ?? []),
    keepsPools: true,
    reached,
    ...(options.orphanGraceMs === undefined ? {} : { orphanGraceMs: options.orphanGraceMs }),
    nodeLostAfterMs: config.nodeLostAfter === undefined ? NODE_LOST_AFTER_MS : durationMs(config.nodeLostAfter),
    signal,
  };
}

/** Where whole logs go: to the artifact store, if the configuration names one. */
function keeperOf({ name }: SourceConfig, { openStore, scratch }: Shared): LogKeeper | undefined {
  return openStore === null ? undefined : { source: name, folder: scratch, openStore };
}

/** Runs that are claimed and not yet recorded; what is due beyond them stays due. */
const MOST_LIVE = 2_000;

function reconcilerOf(
  source: SourceConfig,
  { epoch }: Leadership,
  { remote, ledger, runner }: { readonly remote: Remote; readonly ledger: Ledger; readonly runner: Runner },
  emit: (event: ReconcilerEvent) => void,
  { config, reached, openStore }: Shared,
): Reconciler {
  return composeReconciler({
    source: remote.source,
    ledger,
    ledgerEveryMs: remote.intervalMs,
    runner,
    emit,
    by: { runner: 'kubernetes', version: VERSION, host: hostname(), epoch },
    mostLive: MOST_LIVE,
    defaults: config.defaults,
    expireArtifacts: openStore ? expirerOf(source.name, openStore) : undefined,
    capacities: () => ({ attempts: config.concurrency ?? DEFAULT_CONCURRENCY, sets: new Map() }),
    recordForMs: Number.POSITIVE_INFINITY,
    holdPodsForMs: config.holdPodsFor === undefined ? HOLD_PODS_FOR_MS : durationMs(config.holdPodsFor),
    reached,
    inTurn: (work) => work(),
  });
}

const ledgerOf = (source: SourceConfig, branch: Branch, signal: AbortSignal, { reached }: Shared): Ledger =>
  openLedger({
    branch: withPoints(branch, reached),
    author: authorOf(source.ledger?.author),
    badges: source.ledger?.badges,
    now: () => Date.now(),
    signal,
  });

/** The branch, with the points around what moves it. */
const withPoints = (branch: Branch, reached: Shared['reached']): Branch => ({
  ...branch,
  async advance(...move) {
    await reached('beforePush');
    await branch.advance(...move);
    await reached('afterPush');
  },
});
