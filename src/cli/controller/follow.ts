import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isCoded, messageOf } from '../../errors.ts';
import type { Forge } from '../../forge/port.ts';
import type { Reconciler } from '../../reconciler/reconciler.ts';
import type { ReconcilerEvent } from '../../reconciler/ports.ts';
import type { Leadership } from '../../runner/kubernetes/lease.ts';
import { createKubernetesRunner } from '../../runner/kubernetes/runner.ts';
import type { Runner, RunnerEvents } from '../../runner/port.ts';
import type { SourceConfig } from '../../schemas/index.ts';
import { DEFAULT_LEDGER } from '../compose.ts';
import { logEvent } from '../progress.ts';
import type { Remote } from '../remote.ts';
import type { StopSignals } from '../signals.ts';
import { createWatch } from '../watch.ts';
import { DEFAULT_CONCURRENCY } from '../workshop.ts';
import { noticeOf } from './announce.ts';
import { createMeasure, type Measure } from './measure.ts';
import { createPoolMeasure } from './measure-pools.ts';
import { guardLedger } from './ledger-guard.ts';
import { type Charge, ledgerOf, openSource, reconcilerOf, runnerOptions } from './parts.ts';
import { createPulls } from './pulls/follow.ts';
import { createPullTelling, type PullTelling } from './pulls/tell.ts';
import { createRunTotals } from './run-totals.ts';
import type { Follower, Shared } from './shared.ts';
import { createShare } from './share.ts';
import { announce, hearOthers, type LeaseRef } from './tell.ts';
import { createOutside, forgeOf, type Outside } from './tell-outside.ts';

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
  const charge: Charge = { source, scope: { source: source.name }, leadership, lost: ending.lost, shared, log };
  const parts: { remote?: Remote; runner?: Runner; outside?: Outside; forge?: Forge; telling?: PullTelling } = {};
  const left = new AbortController();
  const counts = shared.metrics.source(source.name);
  const measure = createMeasure(counts);
  const measures = new Set<Measure>([measure]);
  const totals = createRunTotals();
  const share = createShare(shared.config.concurrency ?? DEFAULT_CONCURRENCY);
  let queue: Reconciler['queue'] = { size: 0, oldestMs: () => 0 };
  const endLead = counts.lead(() => ({
    workDepth: queue.size,
    workAgeSeconds: queue.oldestMs() / 1_000,
    lagSeconds: Math.max(...Array.from(measures, (one) => one.lagSeconds())),
  }));
  try {
    const forge = await forgeOf(source, shared.io);
    if (forge) parts.forge = forge;
    const outside = (parts.outside = createOutside(source, forge, shared.notifier, { ...shared, log }));
    const remote = (parts.remote = await openSource(source, folder, shared, log));
    const branch = await guardLedger({
      open: (notice) => remote.branch(source.ledger?.branch ?? DEFAULT_LEDGER, { notice }),
      cluster: shared.cluster,
      lease,
      log,
      signal: leadership.signal,
    });
    const ledger = ledgerOf(charge, branch);
    follower.files = remote.source;
    const hearing = AbortSignal.any([leadership.signal, left.signal]);
    let isFirst = true;
    const emit = (event: ReconcilerEvent): void => {
      logEvent(log, event);
      if (event.kind === 'passed') totals.set('source', event.runs);
      measure.take(event.kind === 'passed' ? { ...event, runs: totals.all() } : event);
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
    const member = share.join(() => reconciler.setsChanged());
    const runner = (parts.runner = member.counted(await createKubernetesRunner(runnerOptions(charge, events))));
    // Nothing is awaited in between: what the runner tells needs the reconciler.
    const reconciler = reconcilerOf(charge, {
      source: remote.source,
      ledger,
      ledgerEveryMs: remote.intervalMs,
      runner,
      capacity: () => member.capacity(),
      emit,
    });
    ({ queue } = reconciler);
    const watch = createWatch({ source: remote.source, reconciler }, log);
    let pulls: ReturnType<typeof createPulls> | undefined;
    if (source.pullRequests === true && forge) {
      const { installation } = shared.options;
      const telling = (parts.telling = createPullTelling(source, installation, forge, outside, { ...shared, log }));
      const voiceOf = (number: number) => telling.of(number);
      pulls = createPulls({ charge, remote, folder, forge, ending, share, totals, measures, voiceOf });
    }
    const poke = (): void => {
      watch.poke();
      pulls?.poke();
    };
    follower.poke = poke;
    hearOthers(shared.cluster, lease, log, poke, hearing);
    if (shared.self.address !== null) void announce(shared.cluster, lease, shared.self.address, log, hearing);
    const following = pulls?.run(AbortSignal.any([ending.soft, left.signal]));
    try {
      await watch.run(ending);
    } finally {
      left.abort();
      await following;
    }
  } catch (error) {
    if (!leadership.signal.aborted) throw error;
    log.warn({ error: messageOf(error) }, 'ended');
  } finally {
    endLead();
    follower.waits = null;
    follower.files = null;
    left.abort();
    await parts.runner?.close('CancelRequested');
    await Promise.all([parts.outside?.close(), parts.telling?.close()]);
    await parts.forge?.close();
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
