/** Runs what it is given one after the other, in the order of the calls. A failure concerns its own caller only. */
export type Serial = <T>(work: () => Promise<T>) => Promise<T>;

/** A queue for what must not overlap. */
export function createSerial(): Serial {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const result = last.then(work, work);
    last = result.catch(() => undefined);
    return result;
  };
}
