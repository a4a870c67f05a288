/** Text for people: what goes into commit messages and READMEs. All pure. */

/**
 * Characters that would break a line, move the cursor or reorder text: controls (C0, DEL, C1), line and paragraph
 * separators, bidirectional marks and isolates, zero-width characters.
 */
// oxlint-disable-next-line no-control-regex
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]+/g;

/** Terminal colour and cursor sequences (ECMA-48 CSI), which would leave their digits behind. */
// oxlint-disable-next-line no-control-regex
const ESCAPES = /\u001b\[[0-9;?]*[ -/]*[@-~]/g;

/** One line of at most `limit` characters (code points) without anything that could act on a terminal or a page. */
export function oneLine(text: string, limit: number): string {
  const flat = text.toWellFormed().replace(ESCAPES, '').replace(UNSAFE, ' ').replace(/\s+/g, ' ').trim();
  if (flat.length <= limit) return flat;
  const points = Array.from(flat);
  return points.length <= limit
    ? flat
    : `${points
        .slice(0, limit - 1)
        .join('')
        .trimEnd()}…`;
}

/** Text within a Markdown table cell: on one line, with nothing that Markdown or HTML would act on. */
export function cell(text: string, limit = 120): string {
  return oneLine(text, limit)
    .replace(/&/g, '&amp;')
    .replace(/</g, '&lt;')
    .replace(/>/g, '&gt;')
    .replace(/@/g, '&#64;')
    .replace(/:\/\//g, '&#58;//')
    .replace(/\bwww\./gi, 'www&#46;')
    .replace(/[\\`*_{}[\]()#+!|~^$]/g, (found) => `\\${found}`);
}

/** A length of time as people write it: `28ms`, `3.2s`, `12s`, `3m12s`, `1h5m`, `2d3h`. Takes milliseconds. */
export function duration(ms: number): string {
  if (!Number.isFinite(ms) || ms < 0.5) return '0s';
  if (ms < 995) return `${Math.round(ms)}ms`;
  if (ms < 9950) return `${Math.round(ms / 100) / 10}s`;
  const seconds = Math.round(ms / 1000);
  const units: readonly (readonly [string, number])[] = [
    ['d', 86_400],
    ['h', 3600],
    ['m', 60],
    ['s', 1],
  ];
  const first = units.findIndex(([, size]) => seconds >= size);
  return units
    .slice(first, first + 2)
    .map(
      ([unit, size], index) => [unit, Math.floor((index === 0 ? seconds : seconds % units[first]![1]) / size)] as const,
    )
    .filter(([, count]) => count > 0)
    .map(([unit, count]) => `${count}${unit}`)
    .join('');
}

/** The milliseconds between two RFC 3339 times; null when one is missing or no time. */
export function between(from: string | null | undefined, to: string | null | undefined): number | null {
  if (!from || !to) return null;
  const ms = Date.parse(to) - Date.parse(from);
  return Number.isFinite(ms) ? ms : null;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/**
 * `20 Nov 2026, 01:33`, in UTC, for an RFC 3339 time; an empty string for none. Its spaces do not break, and it has no
 * hyphen, at which browsers break lines: it stays whole in a narrow column.
 */
export function minuteOf(time: string | null | undefined): string {
  const at = new Date(time ?? '');
  if (Number.isNaN(at.getTime())) return '';
  const day = `${at.getUTCDate()} ${MONTHS[at.getUTCMonth()]} ${at.getUTCFullYear()}`;
  return `${day}, ${at.toISOString().slice(11, 16)}`.replaceAll(' ', '\u00a0');
}

/** `1 job`, `3 jobs`. */
export const counted = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`;
