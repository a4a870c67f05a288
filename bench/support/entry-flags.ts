import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The flags that the image gives to Node, so that a bench measures what is shipped. */
export const ENTRY_FLAGS: readonly string[] = flagsOf(
  readFileSync(join(import.meta.dirname, '../../Dockerfile'), 'utf8'),
);

function flagsOf(dockerfile: string): readonly string[] {
  const [, entry = '[]'] = /^ENTRYPOINT (\[.*\])$/m.exec(dockerfile) ?? [];
  return (JSON.parse(entry) as readonly string[]).filter((word) => word.startsWith('--'));
}
