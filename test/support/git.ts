import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The environment of the real git in tests: nothing of the machine's own configuration. */
export const gitEnv: NodeJS.ProcessEnv = {
  PATH: process.env['PATH'],
  HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_TERMINAL_PROMPT: '0',
  GIT_AUTHOR_NAME: 'Tester',
  GIT_AUTHOR_EMAIL: 'tester@example.com',
  GIT_COMMITTER_NAME: 'Tester',
  GIT_COMMITTER_EMAIL: 'tester@example.com',
};

/** Runs the real git; returns what it printed, without the last line feed. */
export async function git(directory: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await run('git', [...args], { cwd: directory, env: gitEnv, maxBuffer: 256 * 1024 * 1024 });
  return stdout.replace(/\n$/, '');
}

/** A temporary directory and how to remove it. */
export async function temporaryDirectory(): Promise<{ readonly path: string; readonly remove: () => Promise<void> }> {
  const directory = await mkdtemp(path.join(tmpdir(), 'runledger-test-'));
  return { path: directory, remove: () => rm(directory, { recursive: true, force: true, maxRetries: 5 }) };
}

/** Makes a repository with a work tree and the branch `main`. */
export async function initRepository(directory: string): Promise<string> {
  await mkdir(directory, { recursive: true });
  await git(directory, 'init', '--quiet', '--initial-branch=main');
  return directory;
}

/** Makes a bare repository that can be pushed to over http. */
export async function initBare(directory: string): Promise<string> {
  await mkdir(directory, { recursive: true });
  await git(directory, 'init', '--quiet', '--bare', '--initial-branch=main');
  await git(directory, 'config', 'http.receivepack', 'true');
  return directory;
}

/** Writes files into a work tree (null removes one) and commits all of it; returns the commit. */
export async function commitFiles(
  workTree: string,
  files: Readonly<Record<string, string | Uint8Array | null>>,
  message: string = 'change',
): Promise<string> {
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(workTree, name);
    if (content === null) await rm(file);
    else {
      await mkdir(path.dirname(file), { recursive: true });
      await writeFile(file, content);
    }
  }
  await git(workTree, 'add', '--all');
  await git(workTree, 'commit', '--quiet', '--allow-empty', '--message', message);
  return git(workTree, 'rev-parse', 'HEAD');
}
