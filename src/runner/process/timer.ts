/** The longest time that setTimeout takes; a longer one would fire at once. */
const LONGEST_MS = 2 ** 31 - 1;

/** Calls `fire` after so many milliseconds, however many; returns how to call it off. */
export function after(milliseconds: number, fire: () => void): () => void {
  let timer: NodeJS.Timeout;
  const arm = (left: number): void => {
    timer = setTimeout(() => (left > LONGEST_MS ? arm(left - LONGEST_MS) : fire()), Math.min(left, LONGEST_MS));
  };
  arm(milliseconds);
  return () => clearTimeout(timer);
}
