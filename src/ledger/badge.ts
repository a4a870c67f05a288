import type { JobStatus } from '../schemas/index.ts';

type Result = JobStatus['lastRuns'][number]['result'];

/** Dark enough for white letters: a contrast of 4.5 at least (WCAG 2.2, 1.4.3). */
const COLOURS: Readonly<Record<Result, string>> = {
  succeeded: '#1a7f37',
  warning: '#8a6100',
  skipped: '#666',
  failed: '#c62828',
  'timed-out': '#c62828',
  cancelled: '#6b5b00',
  error: '#8e24aa',
};

/** About what a letter takes in Verdana at 11 px; `textLength` makes it exact with whatever font there is. */
const letterWidth = (letter: string): number => (/[fijlrt.-]/.test(letter) ? 4.2 : /[mw]/.test(letter) ? 9.8 : 6.9);
const PADDING = 6;

/**
 * The badge of a job as SVG: its name, and how its last run ended. It holds neither number nor time, so that it changes only when
 * the result does. About 500 bytes; any text is escaped.
 */
export function badgeSvg(job: string, result: Result): string {
  const [left, right] = [widthOf(job), widthOf(result)];
  const width = left + right;
  const name = escaped(job);
  const text = (x: number, room: number, words: string): string =>
    `<text x="${x + PADDING}" y="14" textLength="${room - 2 * PADDING}">${words}</text>`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="20" role="img" aria-label="${name}: ${result}">`,
    `<title>${name}: ${result}</title>`,
    `<rect width="${width}" height="20" rx="3" fill="${COLOURS[result]}"/>`,
    `<path d="M3 0h${left - 3}v20H3a3 3 0 0 1-3-3V3a3 3 0 0 1 3-3" fill="#444"/>`,
    `<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">`,
    `${text(0, left, name)}${text(left, right, result)}</g></svg>\n`,
  ].join('');
}

const widthOf = (text: string): number =>
  Math.round(Array.from(text).reduce((width, letter) => width + letterWidth(letter), 0)) + 2 * PADDING;

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
const escaped = (text: string): string => text.replace(/[&<>"]/g, (found) => ESCAPES[found] ?? '');
