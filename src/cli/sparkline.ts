const BARS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'] as const;

/**
 * A bar for each value, the highest for the greatest; from zero, so that runs of much the same length look the same. Null: a
 * value that is missing, shown as a dot. Values are not negative.
 */
export function sparkline(values: readonly (number | null)[]): readonly string[] {
  const greatest = Math.max(0, ...values.map((value) => value ?? 0));
  return values.map((value) => {
    if (value === null) return '·';
    const step = greatest === 0 ? 0 : Math.round((value / greatest) * (BARS.length - 1));
    return BARS[step] ?? BARS[0];
  });
}

/** The middle value, the lower one of two; null for none. */
export function median(values: readonly number[]): number | null {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? null;
}
