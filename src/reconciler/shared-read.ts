/**
 * A reading that many ask for at once: whoever asks while one is under way shares the next one with all others that wait, since
 * the one under way may have seen what was before. So each answer was begun after it was asked for.
 */
export function shareReads<T>(read: () => Promise<T>): () => Promise<T> {
  let underWay: Promise<unknown> = Promise.resolve();
  let next: Promise<T> | undefined;
  const begin = (): Promise<T> => {
    next = undefined;
    const reading = read();
    underWay = reading;
    return reading;
  };
  return () => (next ??= underWay.then(begin, begin));
}
