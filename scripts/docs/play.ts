import { isAlike } from './alike.ts';
import { blocksOf, exchangesOf, type Block } from './blocks.ts';
import type { Answer, Shell } from './shell.ts';

/** A command of a page as it went. */
export interface Played extends Answer {
  readonly line: number;
  readonly command: string;
}

/** A file that a page has its reader write. */
export interface Written {
  readonly line: number;
  readonly path: string;
  readonly text: string;
}

export interface PageRun {
  /** What was typed and written, in the page's order. */
  readonly steps: readonly (Played | Written)[];
  /** What differs from the page: where, and how. */
  readonly problems: readonly string[];
  /** Blocks that were not executed: `<what they need>: <first line>`. */
  readonly left: readonly string[];
}

/** Languages of commands. A block of one that is not executed has to say why: `needs=…`. */
const COMMANDS: ReadonlySet<string> = new Set(['sh', 'console', 'bash', 'shell']);

/**
 * Does what a page says, in its order. Marks of its blocks:
 * - `needs=WHAT`: not executed here; told in `left`.
 * - `in=checkout`: executed in the checkout of runledger.
 * - `write=PATH`: the block is what the reader writes to this file. `is=PATH`: the file is there and has these lines.
 * - `exit=CODE`: how the last command of the block ends; 0 without.
 */
export async function playPage(page: string, shell: Shell): Promise<PageRun> {
  const steps: (Played | Written)[] = [];
  const problems: string[] = [];
  const left: string[] = [];
  for (const block of blocksOf(page)) {
    const { line, marks, language, text } = block;
    if (marks['needs'] !== undefined) {
      left.push(`${marks['needs']}: ${text.split('\n')[0]?.replaceAll(/^\$ | +#.*$/g, '')}`);
      continue;
    }
    if (marks['write'] !== undefined) {
      await shell.write(marks['write'], text);
      steps.push({ line, path: marks['write'], text });
    } else if (marks['is'] !== undefined) {
      const { output } = await shell.type(`cat '${marks['is']}'`);
      if (!isAlike(text, output)) problems.push(`line ${line}: ${marks['is']} is\n${output}`);
    } else if (COMMANDS.has(language)) {
      if (marks['in'] === 'checkout') await shell.enterCheckout();
      for await (const { played, problem } of playBlock(block, shell)) {
        steps.push(played);
        if (problem !== null) problems.push(problem);
      }
    }
  }
  return { steps, problems, left };
}

async function* playBlock(
  { line, language, marks, text }: Block,
  shell: Shell,
): AsyncGenerator<{ readonly played: Played; readonly problem: string | null }> {
  const isConsole = language === 'console';
  const exchanges = isConsole ? exchangesOf(text) : [{ command: `set -e\n${text}set +e`, output: '' }];
  for (const [index, { command, output }] of exchanges.entries()) {
    const answer = await shell.type(command);
    const isLast = index === exchanges.length - 1;
    const code = isLast ? Number(marks['exit'] ?? 0) : null;
    const played: Played = { ...answer, line, command: isConsole ? command : text.trimEnd() };
    yield { played, problem: problemOf(played, isConsole ? output : null, code) };
  }
}

function problemOf(
  { line, command, output, code }: Played,
  expected: string | null,
  exit: number | null,
): string | null {
  const said = `line ${line}: ${command.split('\n')[0]}`;
  if (exit !== null && code !== exit) return `${said}: ended with ${code} instead of ${exit}\n${output}`;
  if (expected !== null && !isAlike(expected, output)) return `${said}: printed\n${output}instead of\n${expected}`;
  return null;
}
