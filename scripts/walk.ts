/** Records docs/walk.md: does what docs/tutorial.md says in an empty home, with the runledger of this checkout. */
import { readFile, writeFile } from 'node:fs/promises';
import { isAlike } from './docs/alike.ts';
import { playPage } from './docs/play.ts';
import { openShell } from './docs/shell.ts';
import { walkOf } from './docs/walk.ts';

const WALK = new URL('../docs/walk.md', import.meta.url);

const shell = await openShell();
try {
  const run = await playPage(await readFile(new URL('../docs/tutorial.md', import.meta.url), 'utf8'), shell);
  for (const problem of run.problems) console.error(`docs/tutorial.md: ${problem}`);
  if (run.problems.length > 0) process.exitCode = 1;
  else {
    const walk = walkOf(run);
    // Only the widths of columns differ from one time to the next: no reason for a commit.
    const isCurrent = isAlike(await readFile(WALK, 'utf8').catch(() => ''), walk);
    if (!isCurrent) await writeFile(WALK, walk);
    console.log(`docs/walk.md ${isCurrent ? 'is current' : 'is recorded anew'}: ${run.steps.length} steps`);
  }
} finally {
  await shell.close();
}
