import { pino, type DestinationStream, type Logger } from 'pino';
import { pinoPretty } from './pretty.ts';
import type { Io } from './terminal.ts';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;
export const LOG_FORMATS = ['pretty', 'json'] as const;

export interface LogOptions {
  readonly logLevel?: (typeof LOG_LEVELS)[number];
  readonly logFormat?: (typeof LOG_FORMATS)[number];
}

/** Lines that come within this time are written together: with a thousand runs, a system call a line is felt. */
const TOGETHER_MS = 20;

/**
 * The log of a command, on standard error: pretty on a terminal, one JSON object a line otherwise. Levels are written
 * as words and times as RFC 3339, so that log collectors need no table. JSON lines may be written some milliseconds late,
 * but at the latest when the process ends.
 */
export function createLogger(io: Io, { logLevel, logFormat }: LogOptions, defaultLevel: 'info' | 'warn'): Logger {
  const format = logFormat ?? (io.stderr.isTTY ? 'pretty' : 'json');
  const options = {
    level: logLevel ?? defaultLevel,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return pino(options, format === 'pretty' ? pinoPretty(io) : together(io));
}

/** What is worth a warning is written at once, with all that came before it. */
const AT_ONCE = pino.levels.values['warn'] ?? 40;

/** pino tells the level of each line to a destination that asks for it. */
interface Destination extends DestinationStream {
  lastLevel: number;
  readonly [pino.symbols.needsMetadataGsym]: true;
}

function together({ stderr }: Io): Destination {
  let lines: string[] = [];
  let timer: NodeJS.Timeout | undefined;
  const flush = (): void => {
    clearTimeout(timer);
    process.removeListener('exit', flush);
    const text = lines.join('');
    lines = [];
    stderr.write(text);
  };
  return {
    lastLevel: 0,
    [pino.symbols.needsMetadataGsym]: true,
    write(line: string) {
      const isFirst = lines.push(line) === 1;
      if (isFirst) process.once('exit', flush);
      if (this.lastLevel >= AT_ONCE) flush();
      else if (isFirst) timer = setTimeout(flush, TOGETHER_MS).unref();
    },
  };
}
