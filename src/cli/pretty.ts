import { createRequire } from 'node:module';
import type { DestinationStream } from 'pino';
import type { PrettyOptions } from 'pino-pretty';
import { paintFor, type Io } from './terminal.ts';

/** pino-pretty in this process, loaded only where it is used: a worker thread would outlive short commands. */
export function pinoPretty(io: Io): DestinationStream {
  const { prettyFactory } = createRequire(import.meta.url)('pino-pretty') as {
    prettyFactory: (options: PrettyOptions) => (line: string) => string | undefined;
  };
  const colorize = paintFor(io.stderr, io.env)('red', 'x') !== 'x';
  const pretty = prettyFactory({ colorize, translateTime: 'HH:MM:ss.l', ignore: 'pid,hostname', singleLine: true });
  return { write: (line: string) => void io.stderr.write(pretty(line) ?? '') };
}
