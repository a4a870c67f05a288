import { spawn, type ChildProcess } from 'node:child_process';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { runProgram } from '../../src/cli/program.ts';

const MAIN = path.join(import.meta.dirname, '../../src/cli/main.ts');

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
}

/** The command line as a process of its own, with nothing of this process's environment but PATH and a home of its own. */
export function startCli(
  args: readonly string[],
  { cwd, env = {}, input }: CliOptions,
): { child: ChildProcess; ended: Promise<CliResult> } {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', MAIN, ...args], {
    cwd,
    env: { PATH: process.env['PATH'], HOME: path.join(cwd, '.home'), LANG: 'C.UTF-8', ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.end(input ?? '');
  const text = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (text.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (text.stderr += chunk.toString()));
  const ended = new Promise<CliResult>((resolve) => child.on('close', (code) => resolve({ code, ...text })));
  return { child, ended };
}

/** Runs a command line to its end. */
export const cli = (args: readonly string[], options: CliOptions): Promise<CliResult> => startCli(args, options).ended;

/** The same within this process, for commands that only read: starting a process takes longer than they do. */
export async function cliHere(args: readonly string[], { cwd, env = {} }: CliOptions): Promise<CliResult> {
  const text = { stdout: '', stderr: '' };
  const stream = (name: keyof typeof text): NodeJS.WriteStream => {
    const sink = new PassThrough();
    sink.on('data', (chunk: Buffer) => (text[name] += chunk.toString()));
    return sink as unknown as NodeJS.WriteStream;
  };
  const streams = { stdin: process.stdin, stdout: stream('stdout'), stderr: stream('stderr') };
  const surroundings = { PATH: process.env['PATH'], HOME: path.join(cwd, '.home'), ...env };
  const code = await runProgram(args, { ...streams, env: surroundings, cwd });
  await new Promise((resolve) => setImmediate(resolve));
  return { code, ...text };
}
