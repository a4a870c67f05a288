import { pino, type Logger } from 'pino';
import { pinoPretty } from './pretty.ts';
import type { Io } from './terminal.ts';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;
export const LOG_FORMATS = ['pretty', 'json'] as const;

export interface LogOptions {
  readonly logLevel?: (typeof LOG_LEVELS)[number];
  readonly logFormat?: (typeof LOG_FORMATS)[number];
}

/**
 * The log of a command, on standard error: pretty on a terminal, one JSON object a line otherwise. Levels are written
 * as words and times as RFC 3339, so that log collectors need no table.
 */
export function createLogger(io: Io, { logLevel, logFormat }: LogOptions, defaultLevel: 'info' | 'warn'): Logger {
  const format = logFormat ?? (io.stderr.isTTY ? 'pretty' : 'json');
  const options = {
    level: logLevel ?? defaultLevel,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
  };
  return pino(options, format === 'pretty' ? pinoPretty(io) : { write: (line: string) => void io.stderr.write(line) });
}
