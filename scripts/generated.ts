import { readFile, writeFile } from 'node:fs/promises';
import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Writes a generated file; with `--check` among the arguments it only tells, with exit code 1, that the file is out of date.
 * `from` is what it is generated from.
 */
export async function writeOrCheck(target: URL, wanted: string, from: string): Promise<void> {
  if (!process.argv.includes('--check')) return writeFile(target, wanted);
  const actual = await readFile(target, 'utf8').catch(() => '');
  if (actual === wanted) return;
  const root = fileURLToPath(new URL('..', import.meta.url));
  console.error(`${relative(root, fileURLToPath(target))} does not match ${from}; run: npm run generate`);
  process.exitCode = 1;
}
