import { EXIT } from './exit.ts';
import type { Io } from './terminal.ts';

/** Ctrl-C (or SIGTERM) once: finish cleanly. Twice: stop at once. */
export interface StopSignals {
  /** Aborts at the first signal. */
  readonly soft: AbortSignal;
  /** Aborts at the second. */
  readonly hard: AbortSignal;
  close(): void;
}

/** Runs the work of a command; what it throws after the second signal is that signal. */
export async function untilStopped(stop: StopSignals, work: () => Promise<number>): Promise<number> {
  try {
    return await work();
  } catch (error) {
    if (stop.hard.aborted) return EXIT.interrupted;
    throw error;
  }
}

/** What is told at the first and at the second signal. */
export interface SignalTexts {
  readonly first: () => void;
  readonly second: () => void;
}

const textsFor = ({ stderr }: Io): SignalTexts => ({
  first: () => stderr.write('stopping: what runs is ended and recorded; press Ctrl-C again to stop at once\n'),
  second: () => stderr.write('stopped at once; a later reconcile records what was cut off\n'),
});

export function stopSignals(io: Io, texts: SignalTexts = textsFor(io)): StopSignals {
  const soft = new AbortController();
  const hard = new AbortController();
  const onSignal = (): void => {
    if (soft.signal.aborted) {
      texts.second();
      hard.abort(new Error('stopped by a second signal'));
    } else {
      texts.first();
      soft.abort(new Error('stopped by a signal'));
    }
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return {
    soft: soft.signal,
    hard: hard.signal,
    close() {
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
    },
  };
}
