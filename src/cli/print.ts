import { dump } from 'js-yaml';
import type { Output } from './options.ts';
import type { Io } from './terminal.ts';

/** Prints a result on standard output: as JSON or YAML, or as the text that a person reads. */
export function print(io: Io, output: Output, value: unknown, text: () => string): void {
  if (output === 'json') io.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
  else if (output === 'yaml') io.stdout.write(dump(JSON.parse(JSON.stringify(value)), { lineWidth: -1, noRefs: true }));
  else io.stdout.write(text());
}
