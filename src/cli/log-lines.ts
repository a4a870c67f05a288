import { usageError } from '../errors.ts';
import { durationMs } from '../job/duration.ts';
import type { Io } from './terminal.ts';

/** Which lines are shown, and how. */
export interface LineChoice {
  readonly step?: string | undefined;
  /** Milliseconds since 1970: only what was printed later. */
  readonly since?: number | undefined;
  /** `stored`: with time, step and stream, as the ledger keeps them; `json`: an object with these, on standard output. */
  readonly form: 'plain' | 'stored' | 'json';
}

/** Takes a line without its line break, as it is stored: `<time> <step> <stream> <text>`. */
export type WriteLine = (line: string) => void;

/** When `--since` begins: `5m` ago, or at an RFC 3339 time. Throws `SinceForm` (usage). */
export function sinceTime(text: string, now: number): number {
  const at = /^\d{4}-\d\d-\d\dT/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(at)) return at;
  if (/^(\d+(ms|[smhd]))+$/.test(text)) return now - durationMs(text);
  throw usageError('SinceForm', `--since ${text}: that is neither a duration nor a time`, {
    hint: 'write 5m, 1h30m or 2026-11-20T01:30:00Z',
  });
}

/** Shows the chosen lines: what was printed to standard error stays standard error. Lines that runledger adds are always shown. */
export function lineWriter(io: Io, { step, since, form }: LineChoice): WriteLine {
  return (line) => {
    const [, time, of, stream, text] = /^(\S+) (\S+) (stdout|stderr) ?(.*)$/s.exec(line) ?? [];
    if (text === undefined) return void io.stdout.write(`${form === 'json' ? JSON.stringify({ text: line }) : line}\n`);
    if (step !== undefined && of !== step) return;
    if (since !== undefined && Date.parse(time ?? '') < since) return;
    if (form === 'json') io.stdout.write(`${JSON.stringify({ time, step: of, stream, text })}\n`);
    else if (form === 'stored') io.stdout.write(`${line}\n`);
    else (stream === 'stderr' ? io.stderr : io.stdout).write(`${text}\n`);
  };
}

/** Shows every line of a log. */
export function writeLines(log: Uint8Array | undefined, write: WriteLine): void {
  const text = Buffer.from(log ?? '').toString();
  if (text !== '') for (const line of text.replace(/\n$/, '').split('\n')) write(line);
}
