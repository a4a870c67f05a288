import { isCoded, messageOf } from '../../errors.ts';
import type { Cluster } from './client.ts';
import type { Clock } from './clock.ts';
import { createLogCursor, type LogCursor, type TakeText } from './log-cursor.ts';
import { openPodLog } from './log-stream.ts';
import { createLostBeginning } from './lost-beginning.ts';
import type { Ref } from './wire.ts';

export interface FollowLogOptions {
  readonly cluster: Cluster;
  readonly pod: Ref;
  readonly container: string;
  readonly clock: Clock;
  /** Whether the container is known to have ended. */
  readonly hasEnded: () => boolean;
  /**
   * Whether its pod is being deleted: a kubelet says how the containers of such a pod ended only when the last of them has, and their
   * logs are gone soon after. So whoever waited for that would come too late for those that end after this one.
   */
  readonly isGoing?: () => boolean;
  /** From when on the program may have printed, in milliseconds since 1970; absent, or undefined: not known. */
  readonly beganAt?: (() => number | undefined) | undefined;
  /** Resolves when more is known of the container, after so many milliseconds, or when the signal aborts. */
  readonly news: (ms: number) => Promise<void>;
  readonly onText: TakeText;
  /** What there is now, and no waiting for more. */
  readonly once?: boolean | undefined;
  readonly signal: AbortSignal;
}

/** What of a container's log could not be had, as sentences; empty: all of it was read. */
export type Missing = readonly string[];

/**
 * From so many bytes on, the log of a container that has ended is looked at once more. containerd says that a container has ended
 * once it has read all output, and may still be writing the last of it, a buffer of 4 KiB at most, to the file of the log; and a
 * stream that ends while its file is being rotated (by default from 10 MiB on) may have left out the new one.
 */
const LOOKS_AGAIN_FROM = 4096;
const PAUSE_MS = 250;
const MAX_PAUSE_MS = 5_000;
/** A stream ends before the container's status says that it has ended: on a busy node by a long time, so each wait doubles the last. */
const STATUS_LAG_MS = 2_000;
const MAX_STATUS_LAG_MS = 16_000;

/**
 * Reads a container's log from its first byte to its end, through streams that break, API servers that restart and logs that are
 * rotated: each new stream goes on behind the last byte that was taken. Ends with the signal at the latest; does not throw.
 */
export async function followLog(options: FollowLogOptions): Promise<Missing> {
  const { clock, container, beganAt, onText } = options;
  const beginning = createLostBeginning();
  const cursor = createLogCursor((text, at) => {
    beginning.took(text.length, at);
    onText(text, at);
  });
  const missing = await follow(options, cursor, () => beginning.opened(clock.now()));
  const began = beganAt?.();
  if (began === undefined || !beginning.isLikely(began)) return missing;
  return [`the kubelet has probably rotated away what container "${container}" printed at first`, ...missing];
}

async function follow(options: FollowLogOptions, cursor: LogCursor, onOpen: () => void): Promise<Missing> {
  const { clock, signal, container } = options;
  const missing: string[] = [];
  let trouble = 'it was not waited for any longer';
  let failures = 0;
  let wasRead = false; // in good form, to an end that may have been too early
  while (!signal.aborted) {
    const before = cursor.taken();
    const wasOver = options.hasEnded();
    try {
      const end = await readStream(options, cursor, onOpen);
      // It had come to its end before: its file was put aside meanwhile, and nothing newer is there.
      if (end === 'absent' && wasRead) return missing;
      if (end !== 'more') {
        missing.push(`the kubelet had rotated away what container "${container}" printed after ${cursor.last()}`);
        if (missing.length > MAX_GAPS) missing.shift();
        continue;
      }
      if (options.once || wasOver) return missing;
      if (cursor.taken() > before) failures = 0;
      const lagMs = Math.min(MAX_STATUS_LAG_MS, STATUS_LAG_MS * 2 ** failures);
      if ((await endsSoon(options, lagMs)) && cursor.taken() < LOOKS_AGAIN_FROM) return missing;
      wasRead = options.hasEnded();
      if (wasRead) continue;
      trouble = 'the stream ended before the container';
    } catch (error) {
      trouble = messageOf(error);
      wasRead = false;
      // The pod is gone, or its log is: another try finds neither.
      if (isCoded(error, 'NotFound') || (error instanceof KubeletNotice && wasOver)) return [...missing, trouble];
    }
    failures = cursor.taken() > before ? 0 : failures + 1;
    if (failures > 0) await clock.sleep(Math.min(MAX_PAUSE_MS, PAUSE_MS * failures), signal);
  }
  return [...missing, trouble];
}

/** Sentences about gaps that are kept. */
const MAX_GAPS = 5;

/** Words of the kubelet in place of a log. */
class KubeletNotice extends Error {}

/** Reads one stream to its end; `absent`: the last line is not in it, and nothing newer either. Throws what broke it. */
async function readStream(
  options: FollowLogOptions,
  cursor: LogCursor,
  onOpen: () => void,
): Promise<'more' | 'gap' | 'absent'> {
  const { cluster, pod, container, once, signal } = options;
  const sinceTime = cursor.since();
  const asked = { container, follow: once !== true, timestamps: true, attempts: 1, signal };
  const stream = await openPodLog(cluster, pod, { ...asked, ...(sinceTime === undefined ? {} : { sinceTime }) });
  onOpen();
  cursor.begin();
  try {
    for await (const chunk of stream) {
      if (cursor.push(chunk as Buffer) === 'gap') return 'gap';
    }
  } finally {
    stream.destroy();
  }
  if (cursor.notice() !== '') throw new KubeletNotice(cursor.notice());
  return cursor.end() === 'gap' ? 'absent' : 'more';
}

/** Whether the container's end, or that of its pod, explains the end of its stream. */
async function endsSoon(
  { clock, hasEnded, isGoing, news, signal }: FollowLogOptions,
  withinMs: number,
): Promise<boolean> {
  const until = clock.monotonic() + withinMs;
  const isExplained = (): boolean => hasEnded() || isGoing?.() === true;
  while (!isExplained() && !signal.aborted) {
    const left = until - clock.monotonic();
    if (left <= 0) return false;
    await news(left);
  }
  return isExplained();
}
