import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { transientError } from '../../../errors.ts';
import type { LedgerView } from '../../../ledger/port.ts';
import { pullRequestLedger } from '../../../pulls/ledger-branch.ts';
import { asksForMore } from '../../../pulls/standing.ts';
import type { Subject } from '../../../pulls/subject.ts';
import type { ReconcilerEvent } from '../../../reconciler/ports.ts';
import type { Overtaken, PullRequestOrder } from '../../../reconciler/pull-request.ts';
import type { Reconciler, SettleReport } from '../../../reconciler/reconciler.ts';
import { pullRequestScope } from '../../../render/names.ts';
import { createKubernetesRunner } from '../../../runner/kubernetes/runner.ts';
import type { RunKey, Runner } from '../../../runner/port.ts';
import type { Source } from '../../../sources/port.ts';
import { logEvent } from '../../progress.ts';
import type { Remote } from '../../remote.ts';
import type { StopSignals } from '../../signals.ts';
import { noticeOf } from '../announce.ts';
import { createMeasure, type Measure } from '../measure.ts';
import { type Charge, ledgerOf, reconcilerOf, runnerOptions } from '../parts.ts';
import type { RunTotals } from '../run-totals.ts';
import type { Share } from '../share.ts';
import { judge, type Judged } from './judge.ts';
import type { PullVoice } from './tell.ts';

/** What a pull request is to come to: its head, or with null that nothing of it is left. */
export interface Aim {
  readonly number: number;
  readonly subject: Subject | null;
  /** Why nothing is left; absent: it is closed. */
  readonly why?: Overtaken;
}

/** What the passes of a source have in common. */
export interface PassParts {
  readonly charge: Omit<Charge, 'scope'>;
  readonly remote: Remote;
  /** The folder for copies of repositories. */
  readonly folder: string;
  readonly ending: Pick<StopSignals, 'hard'>;
  readonly share: Share;
  readonly totals: RunTotals;
  readonly measures: Set<Measure>;
  /** Told of runs that are let go of, whose claims stay. */
  readonly released: (scope: string, keys: readonly RunKey[]) => void;
  readonly voiceOf: (number: number) => PullVoice;
}

/** How a pass is called: whether something of the pull request may be in the cluster, and whether this process has told of it before. */
export interface PassHints {
  readonly isInUse: boolean;
  readonly isFirst: boolean;
}

/**
 * Has everything run that a pull request asks for at its head, records it on a ledger branch of its own and says what became of it;
 * runs of older heads end. Without anything to do it opens nothing in the cluster. When `stop` aborts, what runs goes on in the
 * cluster, for the pass that comes after. Throws CodedErrors; the pass can be repeated.
 */
export async function pass(parts: PassParts, aim: Aim, hints: PassHints, stop: AbortSignal): Promise<void> {
  const { remote, folder } = parts;
  const { number, subject } = aim;
  const charge: Charge = {
    ...parts.charge,
    scope: pullRequestScope(parts.charge.source.name, number),
    log: parts.charge.log.child({ pullRequest: number }),
  };
  const copy = `pr-${number}`;
  try {
    const judged = subject ? await judge(charge, remote.source, subject, stop) : null;
    const ledger = ledgerOf(charge, await remote.branch(pullRequestLedger(number), { folder: copy }));
    const view = await ledger.read(stop);
    const voice = parts.voiceOf(number);
    if (judged) voice.refuse(judged);
    if (hints.isFirst) void voice.catchUp(view, stop);
    const isIdle = judged !== null && !asksForMore(judged.order, view);
    if ((isIdle || judged === null) && !hints.isInUse) {
      if (judged) await voice.say(judged, { view, actions: [], failures: [], isFirst: hints.isFirst });
      return;
    }
    const report = await settle(parts, charge, { aim, judged, ledger, voice }, stop);
    if (stop.aborted) return;
    const latest = ledger.latest() ?? view;
    if (judged)
      await voice.say(judged, { view: latest, actions: report.plan, failures: report.failures, isFirst: false });
    const [failure] = report.failures;
    if (failure) throw transientError(failure.code, failure.message, { cause: failure });
  } finally {
    await rm(join(folder, copy), { recursive: true, force: true });
  }
}

/** Nothing, at no commit: of a pull request that is closed, every job is gone. */
const nothing: Source = {
  description: { location: '', path: '.' },
  fetch: async () => ({
    revision: 'none',
    manifests: [],
    find: async () => undefined,
    match: async () => [],
    read: async () => new Uint8Array(),
  }),
  // Reads nothing either.
  async *checkout() {},
  watch: async () => undefined,
};

interface Work {
  readonly aim: Aim;
  readonly judged: Judged | null;
  readonly ledger: ReturnType<typeof ledgerOf>;
  readonly voice: PullVoice;
}

async function settle(
  parts: PassParts,
  charge: Charge,
  { aim: { number, why = 'PullRequestClosed' }, judged, ledger, voice }: Work,
  stop: AbortSignal,
): Promise<SettleReport> {
  const { remote, share, totals, measures, ending } = parts;
  const { shared, source, scope, log } = charge;
  const order: PullRequestOrder = judged
    ? { ...judged.order, overtakes: 'Superseded' }
    : { number, revision: '', jobs: new Map(), overtakes: why };
  const measure = createMeasure(shared.metrics.source(source.name));
  const held: { runner?: Runner; reconciler?: Reconciler } = {};
  let view: LedgerView | null = ledger.latest();
  const emit = (event: ReconcilerEvent): void => {
    logEvent(log, event);
    if (event.kind === 'passed') totals.set(number, event.runs);
    else measure.take(event);
    voice.take(event);
    const notice = noticeOf(event);
    if (notice) held.runner?.announce?.(notice);
    view = ledger.latest() ?? view;
    if (judged && view && event.kind === 'planned') void voice.progress(judged, { view, actions: event.actions });
    if (judged && view && event.kind === 'recorded') void voice.progress(judged, { view, actions: [] });
  };
  const member = share.join(() => held.reconciler?.setsChanged());
  measures.add(measure);
  try {
    const opened = await createKubernetesRunner(
      runnerOptions(charge, {
        changed: (key) => reconciler.changed(key),
        ...(log.isLevelEnabled('trace') ? { output: (line) => emit({ kind: 'output', line }) } : {}),
      }),
    );
    const runner: Runner = (held.runner = {
      ...member.counted(opened),
      release(keys, signal) {
        parts.released(scope.source, keys);
        return opened.release(keys, signal);
      },
    });
    // Nothing is awaited in between: what the runner tells needs the reconciler.
    const reconciler = (held.reconciler = reconcilerOf(charge, {
      source: judged?.jobs ?? nothing,
      ledger,
      ledgerEveryMs: remote.intervalMs,
      runner,
      capacity: () => member.capacity(),
      emit,
    }));
    return await reconciler.settle({ triggers: true, requests: [], pullRequest: order }, stop, ending.hard);
  } finally {
    await held.runner?.close('CancelRequested');
    member.leave();
    measures.delete(measure);
    totals.remove(number);
  }
}
