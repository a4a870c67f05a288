import { cancelled, networkError, type Asked } from './errors.ts';

/**
 * Runs `work` under the caller's signal and a time limit, and throws a CodedError for whatever goes wrong: `Cancelled`,
 * `Timeout`, or what {@link networkError} makes of it. The signal that `work` gets aborts with either; `work` is left
 * behind at once, because undici takes no notice of a signal while a request waits for a connection.
 */
export async function withDeadline<T>(
  outer: AbortSignal,
  timeoutMs: number,
  asked: Asked,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  if (outer.aborted) throw cancelled(asked.doing);
  const inner = new AbortController();
  const left = Promise.withResolvers<never>();
  let timedOut = false;
  const leave = (): void => {
    const error = outer.aborted ? cancelled(asked.doing) : networkError(undefined, asked, true);
    left.reject(error);
    inner.abort(error);
  };
  const timer = setTimeout(() => {
    timedOut = true;
    leave();
  }, timeoutMs);
  outer.addEventListener('abort', leave, { once: true });
  const running = work(inner.signal);
  running.catch(() => undefined);
  try {
    return await Promise.race([running, left.promise]);
  } catch (error) {
    if (outer.aborted) throw cancelled(asked.doing);
    throw networkError(error, asked, timedOut);
  } finally {
    clearTimeout(timer);
    outer.removeEventListener('abort', leave);
  }
}
