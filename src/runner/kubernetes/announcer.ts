import { isCoded, messageOf } from '../../errors.ts';
import type { RunKey, RunNotice } from '../port.ts';
import { createObject, mergePatch } from './objects.ts';
import { runName, type Scope } from './scope.ts';
import { type Event, events } from './wire.ts';

/** Puts notices of runs onto their claims, as Kubernetes Events: as well as it can, and never in the way of anything. */
export interface Announcer {
  announce(notice: RunNotice): void;
  /** What was not sent by now is not sent. */
  close(): void;
}

/** `failed`: the API server did not take it; `dropped`: there were too many. */
export type AnnouncementResult = 'sent' | 'failed' | 'dropped';

export interface AnnouncerOptions {
  readonly scope: Scope;
  /** The claim of a run, where there is one. */
  readonly claimOf: (key: RunKey) => { readonly name: string; readonly uid: string } | undefined;
  readonly meter: (result: AnnouncementResult) => void;
  readonly signal: AbortSignal;
  /** How long a start waits, in ms: the end of a run that ends meanwhile says it all. */
  readonly startDelayMs?: number;
}

/** Events of a source that may go out at once, and how many more each second. */
const BURST = 50;
const PER_SECOND = 5;
/** Events that wait; what comes beyond them is dropped. */
const MOST_WAITING = 500;
/** Events that are remembered, so that a further one of the kind counts up. */
const MOST_REMEMBERED = 500;
const START_DELAY_MS = 2_000;
/** The API server's limit (core/v1 Event validation). */
const MAX_MESSAGE = 1_024;
const TIMEOUT_MS = 5_000;

interface Waiting {
  readonly notice: RunNotice;
  readonly claim: { readonly name: string; readonly uid: string };
  readonly first: number;
  /** When it may go out, in ms of the monotonic clock. */
  readonly due: number;
  last: number;
  count: number;
}

interface Sent {
  readonly name: string;
  count: number;
}

const idOf = ({ key, reason, message }: RunNotice): string => `${runName(key)} ${reason} ${message}`;

export function createAnnouncer(options: AnnouncerOptions): Announcer {
  const { scope, claimOf, meter, startDelayMs = START_DELAY_MS } = options;
  const { clock, log } = scope;
  const closing = new AbortController();
  const signal = AbortSignal.any([options.signal, closing.signal]);
  /** By what they say, the oldest first. */
  const waiting = new Map<string, Waiting>();
  const sent = new Map<string, Sent>();
  const tokens = createTokens(() => clock.monotonic());
  let isForbidden = false;
  let isSending = false;

  const send = async (id: string, one: Waiting): Promise<void> => {
    const before = sent.get(id);
    const named = { namespace: scope.namespace, name: before?.name ?? nameFor(one.claim.name, clock) };
    const count = (before?.count ?? 0) + one.count;
    const call = { signal, attempts: 1, timeoutMs: TIMEOUT_MS };
    if (before) {
      const lastTimestamp = timeOf(one.last);
      await mergePatch(scope.cluster, events, named, { count, lastTimestamp }, { ...call, repeatable: true });
    } else await createObject(scope.cluster, events, eventOf(one, named), call);
    sent.delete(id);
    sent.set(id, { name: named.name, count });
    for (const [oldest] of sent) if (sent.size > MOST_REMEMBERED) sent.delete(oldest);
  };

  const sendAll = async (): Promise<void> => {
    while (waiting.size > 0 && !signal.aborted) {
      const now = clock.monotonic();
      const next = [...waiting].find(([, { due }]) => due <= now);
      const earliest = Math.min(...Array.from(waiting.values(), ({ due }) => due));
      const pause = next ? tokens.waitMs() : earliest - now;
      if (!next || pause > 0) {
        await clock.sleep(Math.max(1, Math.min(pause, 1_000)), signal);
        continue;
      }
      const [id, one] = next;
      waiting.delete(id);
      tokens.take();
      await send(id, one).then(
        () => meter('sent'),
        (error: unknown) => refused(error, one),
      );
    }
  };

  const refused = (error: unknown, { claim }: Waiting): void => {
    meter('failed');
    if (signal.aborted) return;
    if (!isCoded(error, 'Forbidden'))
      log.debug({ claim: claim.name, error: messageOf(error) }, 'an Event was not taken');
    else if (!isForbidden) {
      log.warn({ error: messageOf(error) }, 'no Events are made from here on; allow them, or write `events: false`');
      isForbidden = true;
      waiting.clear();
    }
  };

  const begin = async (): Promise<void> => {
    if (isSending) return;
    isSending = true;
    await sendAll();
    isSending = false;
  };

  return {
    announce(notice) {
      const claim = claimOf(notice.key);
      if (!claim || isForbidden || signal.aborted) return;
      const id = idOf(notice);
      const now = clock.now();
      const known = waiting.get(id);
      if (known) {
        known.count += 1;
        known.last = now;
        return;
      }
      if (notice.kind === 'ended')
        for (const [other, one] of waiting)
          if (one.notice.kind === 'started' && runName(one.notice.key) === runName(notice.key)) waiting.delete(other);
      if (waiting.size >= MOST_WAITING) return meter('dropped');
      const due = clock.monotonic() + (notice.kind === 'started' ? startDelayMs : 0);
      waiting.set(id, { notice, claim, first: now, last: now, count: 1, due });
      void begin();
    },
    close() {
      for (let left = waiting.size; left > 0; left -= 1) meter('dropped');
      waiting.clear();
      closing.abort();
    },
  };
}

/** So many at once, and so many a second after that. */
function createTokens(monotonic: () => number) {
  let left = BURST;
  let at = monotonic();
  const refill = (): void => {
    const now = monotonic();
    left = Math.min(BURST, left + ((now - at) / 1_000) * PER_SECOND);
    at = now;
  };
  return {
    waitMs(): number {
      refill();
      return left >= 1 ? 0 : ((1 - left) / PER_SECOND) * 1_000;
    },
    take(): void {
      left -= 1;
    },
  };
}

/** As client-go names them: the object, and a number that no other has. */
const nameFor = (claim: string, clock: Scope['clock']): string =>
  `${claim.slice(0, 200)}.${clock.now().toString(16)}${Math.floor(clock.random() * 0xffff_ffff).toString(16)}`;

const timeOf = (ms: number): string => new Date(Math.floor(ms / 1_000) * 1_000).toISOString().replace('.000', '');

function eventOf(
  { notice, claim, first, last, count }: Waiting,
  metadata: { readonly namespace: string; readonly name: string },
): Event {
  const { kind, reason, message } = notice;
  const { namespace } = metadata;
  return {
    metadata,
    involvedObject: { apiVersion: 'v1', kind: 'ConfigMap', namespace, ...claim },
    type: notice.isWell ? 'Normal' : 'Warning',
    reason,
    message: message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE - 1)}…` : message,
    action: kind,
    count,
    firstTimestamp: timeOf(first),
    lastTimestamp: timeOf(last),
    source: { component: 'runledger' },
    reportingComponent: 'runledger.dev/runledger',
    reportingInstance: '',
  };
}
