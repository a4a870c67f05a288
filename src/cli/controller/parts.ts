import { hostname } from 'node:os';
import type { Logger } from 'pino';
import { usageError } from '../../errors.ts';
import type { Branch } from '../../git/port.ts';
import { durationMs } from '../../job/duration.ts';
import type { Ledger } from '../../ledger/port.ts';
import { openLedger } from '../../ledger/writer.ts';
import { compileMasks } from '../../logs/mask-patterns.ts';
import type { ReconcilerEvent } from '../../reconciler/ports.ts';
import type { Reconciler } from '../../reconciler/reconciler.ts';
import type { NameScope } from '../../render/names.ts';
import { systemClock } from '../../runner/kubernetes/clock.ts';
import type { Leadership } from '../../runner/kubernetes/lease.ts';
import type { KubernetesRunnerOptions } from '../../runner/kubernetes/runner.ts';
import type { Runner, RunnerEvents } from '../../runner/port.ts';
import type { LogKeeper } from '../../runner/whole-log.ts';
import type { SourceConfig } from '../../schemas/index.ts';
import type { Source } from '../../sources/port.ts';
import { collectorOf } from '../attempt-desk.ts';
import { authorOf, credentialsOf } from '../config.ts';
import { defaultImage, NODE_LOST_AFTER_MS } from '../kubernetes.ts';
import { openRemote, type Remote } from '../remote.ts';
import { VERSION } from '../version.ts';
import { composeReconciler, HOLD_PODS_FOR_MS } from '../workshop.ts';
import { expirerOf } from '../workspace.ts';
import type { Shared } from './shared.ts';

/** What is put together for the source itself, and for each of its pull requests: whose runs they are, and by whose authority. */
export interface Charge {
  readonly source: SourceConfig;
  /** Whose names and labels its objects have. */
  readonly scope: Pick<NameScope, 'source' | 'partOf'>;
  readonly leadership: Leadership;
  /** Aborts when the lease is lost. */
  readonly lost: AbortSignal;
  readonly shared: Shared;
  readonly log: Logger;
}

/** The repository of a source, with copies below `folder`. Throws usage errors. */
export async function openSource(
  source: SourceConfig,
  folder: string,
  { io, metrics }: Shared,
  log: Logger,
): Promise<Remote> {
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

export function runnerOptions(
  { source, scope, leadership: authority, lost: signal, shared, log }: Charge,
  events: RunnerEvents,
): KubernetesRunnerOptions {
  const { cluster, options, config, io, reached, metrics, address, openStore } = shared;
  const namespace = source.namespace ?? cluster.namespace;
  const { installation } = options;
  const counts = metrics.source(source.name);
  const logMeter = { read: counts.logBytes, masked: counts.redaction };
  return {
    scope: { cluster, namespace, installation, ...scope, authority, clock: systemClock, log, logMeter },
    podContext: {
      image: options.image ?? defaultImage(io),
      imagePullSecrets: source.imagePullSecrets ?? [],
      podDefaults: config.defaults?.pod ?? {},
      ...(address === undefined ? {} : { address }),
      ...(source.policy?.maxResources === undefined ? {} : { maxResources: source.policy.maxResources }),
    },
    events,
    ...(openStore ? { collect: collectorOf(scope.source, openStore) } : {}),
    policy: source.policy,
    announced: config.events === false ? undefined : counts.event,
    keeper: keeperOf(scope.source, shared),
    masks: compileMasks(config.masks ?? []),
    // Runners of sets are warm for the source; what a pull request runs has pods of its own.
    keepsPools: scope.partOf === undefined,
    reached,
    ...(options.orphanGraceMs === undefined ? {} : { orphanGraceMs: options.orphanGraceMs }),
    nodeLostAfterMs: config.nodeLostAfter === undefined ? NODE_LOST_AFTER_MS : durationMs(config.nodeLostAfter),
    signal,
  };
}

/** Where whole logs go: to the artifact store, if the configuration names one. */
function keeperOf(source: string, { openStore, scratch }: Shared): LogKeeper | undefined {
  return openStore === null ? undefined : { source, folder: scratch, openStore };
}

/** Runs that are claimed and not yet recorded; what is due beyond them stays due. */
const MOST_LIVE = 2_000;

/** What a reconciler works with. */
export interface Tools {
  readonly source: Source;
  readonly ledger: Ledger;
  readonly ledgerEveryMs: number;
  readonly runner: Runner;
  /** How many attempts it may have at once, now. */
  readonly capacity: () => number;
  readonly emit: (event: ReconcilerEvent) => void;
}

export function reconcilerOf({ scope, leadership, shared }: Charge, { capacity, ...tools }: Tools): Reconciler {
  const { config, reached, openStore } = shared;
  return composeReconciler({
    ...tools,
    by: { runner: 'kubernetes', version: VERSION, host: hostname(), epoch: leadership.epoch },
    mostLive: MOST_LIVE,
    defaults: config.defaults,
    expireArtifacts: openStore ? expirerOf(scope.source, openStore) : undefined,
    capacities: () => ({ attempts: capacity(), sets: new Map() }),
    recordForMs: Number.POSITIVE_INFINITY,
    holdPodsForMs: config.holdPodsFor === undefined ? HOLD_PODS_FOR_MS : durationMs(config.holdPodsFor),
    reached,
    inTurn: (work) => work(),
  });
}

export const ledgerOf = ({ source, lost: signal, shared: { reached } }: Charge, branch: Branch): Ledger =>
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
