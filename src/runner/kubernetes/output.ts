import { messageOf } from '../../errors.ts';
import { createRecorder, type Recorder } from '../../logs/recorder.ts';
import type { SecretValue } from '../../logs/redact.ts';
import type { AttemptOutput, OutputLine, RunRecord } from '../port.ts';
import { normalizeSpec } from '../../job/defaults.ts';
import { openPodLog } from './log-stream.ts';
import type { Scope } from './scope.ts';
import type { Pod } from './wire.ts';

/** The output of one pod while it runs, and what it amounted to afterwards. */
export interface PodOutput {
  /** Begins to follow the containers that have started; does nothing for those that are followed already. */
  follow(pod: Pod): void;
  /** Resolves to the output once every container that was followed has been read to its end, or after the limit. */
  end(limitMs: number): Promise<AttemptOutput>;
  stop(): void;
}

export interface PodOutputOptions {
  readonly scope: Scope;
  readonly record: RunRecord;
  /** In the order in which they run. */
  readonly steps: readonly { readonly name: string; readonly container: string }[];
  /** What is to be redacted in a pod's output. Nothing is read before it is known, or where it can't be. */
  readonly secrets: (pod: Pod) => Promise<readonly SecretValue[]>;
  readonly onLine: (line: OutputLine) => void;
}

/** A stream that breaks is read anew from its beginning this often; the kubelet keeps what was printed. */
const TRIES = 5;
const PAUSE_MS = 500;

/** How a container's stream came to an end. */
type StreamEnd = 'complete' | { readonly lost: string };

export function createPodOutput(options: PodOutputOptions): PodOutput {
  const { scope, record, steps, secrets, onLine } = options;
  const { maxBytes, maxLine } = normalizeSpec(record.spec).logs;
  const stopping = new AbortController();
  const chunks = new Map<string, Recorder>();
  const streams = new Map<string, Promise<StreamEnd>>();
  const newRecorder = (step: string, values: readonly SecretValue[]): Recorder => {
    const recorder = createRecorder({
      secrets: values,
      limits: { maxBytes: Math.floor(maxBytes / steps.length), maxLine },
      now: () => new Date(scope.clock.now()),
      meter: scope.logMeter,
      onLine: (line) => onLine({ ...line, key: record }),
    });
    chunks.set(step, recorder);
    return recorder;
  };

  const read = async (pod: Pod, { name: step, container }: PodOutputOptions['steps'][number]): Promise<StreamEnd> => {
    let lost = '';
    for (let tries = 0; tries < TRIES && !stopping.signal.aborted; tries += 1) {
      try {
        const recorder = newRecorder(step, await secrets(pod)); // read anew from the beginning: nothing is there twice
        const ref = { name: pod.metadata?.name ?? '', namespace: scope.namespace };
        const stream = await openPodLog(scope.cluster, ref, { container, follow: true, signal: stopping.signal });
        for await (const chunk of stream) recorder.write(step, 'stdout', chunk as Uint8Array);
        recorder.flush();
        return 'complete';
      } catch (error) {
        lost = messageOf(error);
        await scope.clock.sleep(PAUSE_MS * tries, stopping.signal);
      }
    }
    return { lost: lost || 'it was not waited for any longer' };
  };

  return {
    follow(pod) {
      for (const status of pod.status?.containerStatuses ?? []) {
        // A container that never was has no id, whatever its state says.
        const begun = (status.containerID ?? '') !== '' && status.state?.waiting === undefined;
        const step = steps.find(({ container }) => container === status.name);
        if (begun && step && !streams.has(step.name)) streams.set(step.name, read(pod, step));
      }
    },
    async end(limitMs) {
      const timer = setTimeout(() => stopping.abort(), limitMs);
      const ends = await Promise.all([...streams].map(async ([step, end]) => ({ step, end: await end })));
      clearTimeout(timer);
      const lost = ends.flatMap(({ step, end }) =>
        end === 'complete' ? [] : [`the log of step "${step}" could not be read to its end: ${end.lost}`],
      );
      return joined(
        steps.flatMap(({ name }) => chunks.get(name)?.end() ?? []),
        lost,
      );
    },
    stop: () => stopping.abort(),
  };
}

/** The outputs of a pod's steps, in their order, as one. */
function joined(outputs: readonly AttemptOutput[], lost: readonly string[]): AttemptOutput {
  return {
    log: Buffer.concat(outputs.map(({ log }) => log)),
    complete: lost.length === 0 && outputs.every(({ complete }) => complete),
    vars: Object.assign({}, ...outputs.map(({ vars }) => vars)) as Record<string, string>,
    annotations: outputs.flatMap(({ annotations }) => annotations),
    warnings: [...outputs.flatMap(({ warnings }) => warnings), ...lost],
  };
}
