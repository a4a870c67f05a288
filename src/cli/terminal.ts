import stringWidth from 'string-width';
import { styleText } from 'node:util';
import type { Outcome } from '../schemas/index.ts';

/** Where a command writes and reads: the process's own streams, or a test's. */
export interface Io {
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

type Style = Parameters<typeof styleText>[0];
export type Paint = (style: Style, text: string) => string;

/** Colours for a stream: none where it is no terminal, or where NO_COLOR is set (https://no-color.org). */
export function paintFor(stream: NodeJS.WriteStream, env: Io['env']): Paint {
  const forced = env['FORCE_COLOR'] !== undefined && env['FORCE_COLOR'] !== '0' && env['FORCE_COLOR'] !== '';
  const wanted = (env['NO_COLOR'] ?? '') === '' && (forced || (stream.isTTY && env['TERM'] !== 'dumb'));
  return wanted ? (style, text) => styleText(style, text, { validateStream: false }) : (_style, text) => text;
}

/** How each result looks: the same mark and colour everywhere. */
export const RESULT_LOOK: Readonly<Record<Outcome['result'], { readonly mark: string; readonly style: Style }>> = {
  succeeded: { mark: '✓', style: 'green' },
  warning: { mark: '!', style: 'yellow' },
  skipped: { mark: '–', style: 'gray' },
  failed: { mark: '✗', style: 'red' },
  'timed-out': { mark: '✗', style: 'red' },
  cancelled: { mark: '✗', style: 'yellow' },
  error: { mark: '✗', style: 'red' },
};

/** Text cut to a number of terminal columns, with an ellipsis where something was cut. */
export function fit(text: string, columns: number): string {
  if (stringWidth(text) <= columns) return text;
  let cut = '';
  for (const character of text) {
    if (stringWidth(cut + character) > columns - 1) break;
    cut += character;
  }
  return `${cut}…`;
}

export interface Column {
  readonly title: string;
  /** Cut first, down to this width, when the terminal is too narrow; absent: never cut. */
  readonly shrinkTo?: number;
}

export interface Cell {
  readonly text: string;
  readonly style?: Style;
}

/** A table that fits `width` columns: two spaces between the columns, no lines, no trailing spaces. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly Cell[])[],
  width: number,
  paint: Paint,
): string {
  const widths = columns.map(({ title }, index) =>
    Math.max(stringWidth(title), ...rows.map((row) => stringWidth(row[index]?.text ?? ''))),
  );
  let excess = widths.reduce((sum, each) => sum + each + 2, -2) - width;
  for (const [index, { shrinkTo }] of columns.entries()) {
    const own = widths[index] ?? 0;
    if (excess <= 0 || shrinkTo === undefined) continue;
    const cut = Math.min(excess, Math.max(0, own - shrinkTo));
    widths[index] = own - cut;
    excess -= cut;
  }
  const line = (cells: readonly Cell[]): string =>
    cells
      .map(({ text, style }, index) => {
        const shown = fit(text, widths[index] ?? 0);
        const padding = ' '.repeat(Math.max(0, (widths[index] ?? 0) - stringWidth(shown)));
        return (style ? paint(style, shown) : shown) + (index === cells.length - 1 ? '' : padding);
      })
      .join('  ')
      .trimEnd();
  return [line(columns.map(({ title }) => ({ text: title, style: 'bold' }))), ...rows.map(line)]
    .map((l) => `${l}\n`)
    .join('');
}

/** Columns of a stream: what the terminal says, COLUMNS where it is none, else 100. */
export function widthOf(stream: NodeJS.WriteStream, env: Io['env']): number {
  return (stream.isTTY ? stream.columns : Number(env['COLUMNS']) || undefined) ?? 100;
}

/** How long ago, for a person: `just now`, `5m ago`, `3d ago`. */
export function ago(then: string, now: Date): string {
  const seconds = Math.max(0, (now.getTime() - Date.parse(then)) / 1_000);
  if (seconds < 10) return 'just now';
  if (seconds < 60) return `${Math.floor(seconds)}s ago`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)}h ago`;
  return `${Math.floor(seconds / 86_400)}d ago`;
}

/** From the first thing that ran to the end, in milliseconds; from the queue where nothing ran. */
export function durationOf({ times }: Pick<Outcome, 'times'>): number {
  return Math.max(
    0,
    Date.parse(times.finished ?? times.queued ?? '') - Date.parse(times.started ?? times.queued ?? ''),
  );
}
