import { closeSync, openSync, readSync } from 'node:fs';

const CHUNK = 16 * 1024 * 1024;

/** The lines of a file from a byte on, as far as they are complete; the file may be long, and may still grow. */
export function* linesFrom(file: string, from: number): Iterable<string> {
  const handle = openSync(file, 'r');
  try {
    const bytes = Buffer.alloc(CHUNK);
    let rest = '';
    for (let at = from; ;) {
      const size = readSync(handle, bytes, 0, CHUNK, at);
      if (size === 0) return;
      at += size;
      const lines = (rest + bytes.toString('latin1', 0, size)).split('\n');
      rest = lines.pop() ?? '';
      yield* lines;
    }
  } finally {
    closeSync(handle);
  }
}
