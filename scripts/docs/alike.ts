/** Output of commands compared as far as it is the same each time. */

/** What differs from one time to the next, and what stands for it. The order counts: the longer patterns come first. */
const VOLATILE: readonly (readonly [pattern: RegExp, stand: string])[] = [
  [/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z/g, '2026-01-05T08:00:00Z'],
  [/\b(?=[0-9a-f]*\d)[0-9a-f]{7,64}\b/g, 'c8c0731'],
  [/\b(?:just now|\d+[smhd] ago)(?![\w-])/g, 'just now'],
  [/(?<![\w.:-])\d+(?:\.\d+)?(?:ms|s)\b(?![\w-])/g, '40ms'],
  // The bars of a sparkline.
  [/[▁-█]/g, '▄'],
];

/** Text with what is different each time replaced by what stands for it; what follows in a table keeps its place. */
export function steady(text: string): string {
  let steadied = text;
  for (const [pattern, stand] of VOLATILE) {
    const padded = new RegExp(`${pattern.source}( {2,})?`, 'g');
    steadied = steadied.replace(padded, (...groups: readonly unknown[]) => {
      const found = groups[0] as string;
      const spaces = groups.slice(1).find((group) => typeof group === 'string' && /^ {2,}$/.test(group)) as
        string | undefined;
      const bare = found.trimEnd().replace(pattern, stand);
      return spaces === undefined ? bare : bare.padEnd(Math.max(found.length, bare.length + 2));
    });
  }
  return steadied;
}

/** The same without what follows from lengths: the widths of columns. */
const squeezed = (text: string): string =>
  steady(text)
    .split('\n')
    .map((line) => line.replaceAll(/(?<=\S) {2,}/g, ' ').trimEnd())
    .join('\n')
    .trim();

const literal = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);

/**
 * Whether an output is what a page says. `…` on a line of its own stands for any number of lines, none included, and within a
 * line for anything up to its end or what follows; times, durations and commit ids may be others, and columns wider.
 */
export function isAlike(expected: string, actual: string): boolean {
  const pattern = squeezed(expected)
    .split('\n')
    .map((line) => (line.trim() === '…' ? '(?:.*\n)*?' : `${line.split('…').map(literal).join('.*')}\n`))
    .join('');
  return new RegExp(`^${pattern}$`).test(`${squeezed(actual)}\n`);
}
