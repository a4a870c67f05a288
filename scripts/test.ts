/**
 * Runs the tests: each file in a process of its own, with a time limit, and with everything counted. uvu alone exits
 * with 0 on a file without `.run()`, on no file at all and on a throwing `before`, so a file passes here only if it
 * ran at least one test and all that it counted have passed.
 *
 *     node scripts/test.ts [PART-OF-A-PATH ...]
 */
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { globSync } from 'node:fs';

/** What runs on a cluster waits for most of its time: so one more than there are cores, and not many on any machine. */
const AT_A_TIME = Math.min(3, availableParallelism() + 1);

/** A file may say `// test-timeout: 300s` in its first lines. */
const DEFAULT_LIMIT_S = 120;

interface FileResult {
  readonly file: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly output: string;
  readonly seconds: number;
  readonly problem: string | null;
}

/** What uvu counts, over all of its runs in a file. */
const count = (output: string, word: string): number =>
  [...output.matchAll(new RegExp(`^\\s*${word}:\\s+(\\d+)`, 'gm'))].reduce((sum, [, found]) => sum + Number(found), 0);

/** What is wrong with a file's run although no test failed; null when nothing is. */
function guard(code: number | null, timedOut: boolean, limitS: number, output: string): string | null {
  const total = count(output, 'Total');
  const passed = count(output, 'Passed');
  const saysWhy = /^# skipped: /m.test(output);
  if (timedOut) return `did not end within ${limitS} s (an open handle?)`;
  if (code !== 0) return `exit code ${code}`;
  if (total === 0 && !saysWhy) return 'ran no test (a suite without .run()?), and prints no "# skipped: REASON" line';
  if (passed !== total) return `${total - passed} of ${total} tests failed`;
  return null;
}

async function limitOf(file: string): Promise<number> {
  const { readFile } = await import('node:fs/promises');
  const found = /^\/\/ test-timeout: (\d+)s$/m.exec(await readFile(file, 'utf8'));
  return found ? Number(found[1]) : DEFAULT_LIMIT_S;
}

async function runFile(file: string): Promise<FileResult> {
  const limitS = await limitOf(file);
  const started = performance.now();
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', file], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' },
  });
  let output = '';
  let timedOut = false;
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const timer = setTimeout(() => {
    timedOut = true;
    if (child.pid) process.kill(-child.pid, 'SIGKILL');
  }, limitS * 1000);
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  clearTimeout(timer);
  const total = count(output, 'Total');
  const passed = count(output, 'Passed');
  const problem = guard(code, timedOut, limitS, output);
  const failed = problem === null ? 0 : Math.max(1, total - passed);
  const skipped = count(output, 'Skipped') + (output.match(/^# skipped: /gm)?.length ?? 0);
  return { file, passed, failed, skipped, output, seconds: (performance.now() - started) / 1000, problem };
}

function report(result: FileResult): void {
  const counts = `${result.passed} passed${result.skipped > 0 ? `, ${result.skipped} skipped` : ''}`;
  console.log(`${result.problem ? 'FAIL' : ' ok '} ${result.file} (${counts}, ${result.seconds.toFixed(1)} s)`);
  for (const line of result.output.match(/^# skipped: .*$/gm) ?? []) console.log(`     ${line}`);
  if (result.problem) console.log(`     ${result.problem}\n${result.output.replace(/^/gm, '     | ')}`);
}

const wanted = process.argv.slice(2);
const files = globSync('test/**/*.test.ts')
  .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
  .sort();
const queue = [...files];
const results: FileResult[] = [];
const worker = async (): Promise<void> => {
  for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
    const result = await runFile(file);
    results.push(result);
    report(result);
  }
};
await Promise.all(Array.from({ length: AT_A_TIME }, worker));
const sum = (pick: (result: FileResult) => number): number =>
  results.reduce((total, result) => total + pick(result), 0);
const failed = sum((result) => result.failed);
const skipped = sum((result) => result.skipped);
if (files.length === 0) console.log(`no test file matches ${wanted.join(' ')}`);
console.log(`\n${sum((result) => result.passed)} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exit(failed > 0 || files.length === 0 ? 1 : 0);
