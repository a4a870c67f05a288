import { messageOf } from '../../errors.ts';
import { normalizeSpec } from '../../job/defaults.ts';
import { createIdleWatch } from '../../logs/idle.ts';
import type { MaskPatterns } from '../../logs/mask-patterns.ts';
import { createRecorder, type Recorder } from '../../logs/recorder.ts';
import { createRedactor, type SecretValue } from '../../logs/redact.ts';
import { RUNNER_CONTAINER } from '../../render/runner-pod.ts';
import { planRecord } from '../../render/steps.ts';
import type { AttemptOutput, OutputLine, RunRecord } from '../port.ts';
import { createWholeLog, type LogKeeper, type WholeLog } from '../whole-log.ts';
import { createEarlyText, type EarlyText } from './early-text.ts';
import { followLog, type Missing } from './follow-log.ts';
import { createNews } from './news.ts';
import type { Scope } from './scope.ts';
import type { Pod } from './wire.ts';

/** The output of one pod while it runs, and what it amounted to afterwards. */
export interface PodOutput {
  /** Tells how the pod is now: the containers that have started are read, one after the other. */
  follow(pod: Pod): void;
  /** Resolves to the output once every container that has started was read to its end, or nothing has come for so long. */
  end(limitMs: number): Promise<AttemptOutput>;
  /** A text about the pod with all that is secret in it masked. Throws where the secrets can't be read. */
  readonly redact: (text: string) => Promise<string>;
  stop(): void;
}

export interface PodOutputOptions {
  readonly scope: Pick<Scope, 'cluster' | 'namespace' | 'clock' | 'logMeter'>;
  readonly record: RunRecord;
  /** In the order in which they run. */
  readonly steps: readonly { readonly name: string; readonly container: string }[];
  /** What is to be redacted in the pod's output. Nothing is read before it is known; where it can't be, the log is withheld. */
  readonly secrets: () => Promise<readonly SecretValue[]>;
  readonly masks: MaskPatterns | undefined;
  /** Where the whole log goes; absent: nowhere. */
  readonly keeper?: LogKeeper | undefined;
  /** Of which attempt this is the output. */
  readonly attempt: { readonly task: string; readonly number: number };
  /** What there is now, and no waiting for more. */
  readonly once?: boolean | undefined;
  /** Absent: nobody looks on. */
  readonly onLine?: ((line: OutputLine) => void) | undefined;
  /** Told once: when the first of it was printed, in milliseconds since 1970. */
  readonly onFirst?: ((at: number) => void) | undefined;
}

const PAUSE_MS = 500;

export function createPodOutput(options: PodOutputOptions): PodOutput {
  const { scope, record, steps, secrets, masks, keeper, once, onLine } = options;
  const { maxBytes, maxRunBytes, maxLine, upload } = normalizeSpec(record.spec).logs;
  const stopping = new AbortController();
  const storing = new AbortController();
  const { signal } = stopping;
  const news = createNews();
  let recorder: Recorder | undefined;
  let whole: WholeLog | undefined;
  let latest: Pod | undefined;
  let isOver = false;
  let reading: Promise<Missing> | undefined;
  let limit: NodeJS.Timeout | undefined;
  let { onFirst } = options;

  const openRecorder = async (): Promise<Recorder> => {
    const { task, number } = options.attempt;
    const key = { job: record.job, run: record.run, task, attempt: number };
    if (keeper && upload !== 'never') whole ??= createWholeLog(keeper, key, upload);
    for (;;) {
      try {
        return createRecorder({
          secrets: await secrets(),
          masks,
          meter: scope.logMeter,
          limits: { maxBytes: Math.min(maxBytes, maxRunBytes), maxLine },
          now: () => new Date(scope.clock.now()),
          onLine: onLine && ((line) => onLine({ ...line, key: record })),
          onStored: whole && ((lines) => whole?.push(lines)),
        });
      } catch (error) {
        if (signal.aborted || isOver) throw error;
        await scope.clock.sleep(PAUSE_MS, signal);
      }
    }
  };
  const statusOf = (container: string) => {
    const { containerStatuses = [], initContainerStatuses = [] } = latest?.status ?? {};
    return [...containerStatuses, ...initContainerStatuses].find(({ name }) => name === container);
  };
  /** False: it never began. */
  const begins = async (container: string): Promise<boolean> => {
    for (;;) {
      if (hasBegun(container)) return true;
      if (isOver || once || signal.aborted) return false;
      await news.next(PAUSE_MS, signal);
    }
  };
  /** One after the other, so that a mask of one step holds in the next, and lines are stored in the order of the steps. */
  const readAll = async (): Promise<Missing> => {
    const missing: string[] = [];
    for (const { name: step, container } of steps) {
      if (!(await begins(container))) continue;
      try {
        recorder ??= await openRecorder();
      } catch (error) {
        missing.push(`the log of step "${step}" is withheld, since nobody could redact it: ${messageOf(error)}`);
        continue;
      }
      const { text, whole: read } = listen(container);
      const into = recorder;
      const idle = createIdleWatch(() => into.peek());
      text.turnTo((bytes, at) => {
        onFirst?.(at);
        onFirst = undefined;
        into.write(step, 'stdout', bytes, new Date(at));
        idle.touch();
        limit?.refresh();
      });
      const unread = await read;
      idle.stop();
      into.flush();
      if (text.leftOut > 0) unread.push(`${text.leftOut} bytes that came before its turn were left out`);
      missing.push(...unread.map((why) => `the log of step "${step}" could not be read to its end: ${why}`));
    }
    return missing;
  };
  const listening = new Map<string, { readonly text: EarlyText; readonly whole: Promise<string[]> }>();
  /** Reads a container's log, once. */
  const listen = (container: string) => {
    const known = listening.get(container);
    if (known) return known;
    const text = createEarlyText();
    const read = followLog({
      cluster: scope.cluster,
      pod: { name: latest?.metadata?.name ?? '', namespace: scope.namespace },
      container,
      clock: scope.clock,
      hasEnded: () => isOver || statusOf(container)?.state?.terminated !== undefined,
      isGoing,
      beganAt: () => beganAt(container),
      news: (ms) => news.next(ms, signal),
      onText: text.take,
      once,
      signal,
    }).then(
      (why) => [...why],
      (error: unknown) => [messageOf(error)],
    );
    const listener = { text, whole: read };
    listening.set(container, listener);
    return listener;
  };
  /** A step waits in its container for the one before it, the first for services; a warm runner's container is older than its attempt. */
  const beganAt = (container: string): number | undefined => {
    const plan = planRecord(record); // all steps of the pod, whichever are read
    const before = plan.steps[plan.steps.findIndex((step) => step.container === container) - 1];
    if (container === RUNNER_CONTAINER || (!before && plan.services.length > 0)) return undefined;
    const { running, terminated } = statusOf(container)?.state ?? {};
    const started = Date.parse((running ?? terminated)?.startedAt ?? '');
    const ended = Date.parse((before && statusOf(before.container)?.state?.terminated?.finishedAt) ?? '');
    if (Number.isNaN(started)) return undefined;
    return Number.isNaN(ended) ? started : Math.max(started, ended);
  };
  const isGoing = (): boolean => latest?.metadata?.deletionTimestamp !== undefined;
  const hasBegun = (container: string): boolean => {
    const status = statusOf(container);
    // A container that never was has no id, whatever its state says.
    return (status?.containerID ?? '') !== '' && status?.state?.waiting === undefined;
  };

  return {
    follow(pod) {
      latest = pod;
      news.ring();
      reading ??= readAll();
      // The logs of a pod that is deleted are gone soon after its last container ends: for some, their turn would come too late.
      if (isGoing() && !once) for (const { container } of steps) if (hasBegun(container)) listen(container);
    },
    async end(limitMs) {
      isOver = true;
      news.ring();
      limit = setTimeout(() => stopping.abort(), limitMs);
      const missing = (await reading) ?? [];
      clearTimeout(limit);
      const kept = recorder?.end() ?? NOTHING_PRINTED;
      const stored = await whole?.end(!kept.complete, storing.signal);
      const output = stored ? { ...kept, upload: stored } : kept;
      if (missing.length === 0) return output;
      const why = missing.map((text) => recorder?.redact(text) ?? text);
      return { ...output, complete: false, missing: why.join('; '), warnings: [...output.warnings, ...why] };
    },
    redact: async (text) => (recorder ? recorder.redact(text) : createRedactor(await secrets(), masks).redact(text)),
    stop() {
      stopping.abort();
      storing.abort();
      if (!isOver) whole?.discard();
    },
  };
}

const NOTHING_PRINTED: AttemptOutput = {
  log: new Uint8Array(),
  complete: true,
  vars: {},
  annotations: [],
  warnings: [],
};
