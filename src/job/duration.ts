const UNITS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000 } as const;

const DURATION = /^(?=\d)(?:(\d{1,5})d)?(?:(\d{1,6})h)?(?:(\d{1,7})m)?(?:(\d{1,9})s)?$/;

/** Milliseconds of `90s`, `5m`, `1h30m` or `180d`; undefined when the text is no duration. */
export function parseDuration(text: string): number | undefined {
  const match = DURATION.exec(text);
  if (!match) return undefined;
  const [, days = '0', hours = '0', minutes = '0', seconds = '0'] = match;
  return Number(days) * UNITS.d + Number(hours) * UNITS.h + Number(minutes) * UNITS.m + Number(seconds) * UNITS.s;
}

/** Milliseconds of a duration that the schema has let through. Throws a TypeError for any other text. */
export function durationMs(text: string): number {
  const parsed = parseDuration(text);
  if (parsed === undefined) throw new TypeError(`${JSON.stringify(text)} is not a duration`);
  return parsed;
}

/** Milliseconds as a duration, rounded to whole seconds: `3m12s`, `180d`, `0s`. */
export function formatDuration(milliseconds: number): string {
  let rest = Math.max(0, Math.round(milliseconds / UNITS.s)) * UNITS.s;
  let text = '';
  for (const [unit, size] of Object.entries(UNITS)) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) text += `${count}${unit}`;
  }
  return text === '' ? '0s' : text;
}

const WORDS: ReadonlyMap<string, number> = new Map([
  ['d', UNITS.d],
  ['day', UNITS.d],
  ['days', UNITS.d],
  ['w', 7 * UNITS.d],
  ['week', 7 * UNITS.d],
  ['weeks', 7 * UNITS.d],
  ['h', UNITS.h],
  ['hr', UNITS.h],
  ['hrs', UNITS.h],
  ['hour', UNITS.h],
  ['hours', UNITS.h],
  ['m', UNITS.m],
  ['min', UNITS.m],
  ['mins', UNITS.m],
  ['minute', UNITS.m],
  ['minutes', UNITS.m],
  ['s', UNITS.s],
  ['sec', UNITS.s],
  ['secs', UNITS.s],
  ['second', UNITS.s],
  ['seconds', UNITS.s],
  ['ms', 1],
]);

/** What a person may have meant who wrote `5 minutes`, `1.5h` or `90` (seconds); undefined when it is anyone's guess. */
export function suggestDuration(value: unknown): string | undefined {
  if (typeof value === 'number') return suggestDuration(`${value}s`);
  if (typeof value !== 'string' || value.length > 60) return undefined;
  let total = 0;
  const rest = value
    .toLowerCase()
    .replace(/(\d{1,9}(?:\.\d{1,6})?)\s*([a-z]{1,10})[\s,]*(?:and\s+)?/g, (whole, count: string, word: string) => {
      const size = WORDS.get(word);
      if (size === undefined) return whole;
      total += Number(count) * size;
      return '';
    });
  if (/^\d{1,9}$/.test(rest.trim()) && total === 0) return suggestDuration(`${rest.trim()}s`);
  return rest.trim() === '' && total >= UNITS.s && total < 100_000 * UNITS.d ? formatDuration(total) : undefined;
}
