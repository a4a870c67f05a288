import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { git, initBare, initRepository, commitFiles } from '../../test/support/git.ts';
import type { WritersResult, WritersTask } from './ledger-writers.ts';

const message = <T>(child: ChildProcess): Promise<T> =>
  new Promise((resolve, reject) => {
    child.once('message', (value) => resolve(value as T));
    child.once('exit', (code) => reject(new Error(`a process of the bench ended with ${code}`)));
  });

/** A git server in a process of its own. */
export async function startServer(root: string): Promise<{ readonly url: string; readonly stop: () => void }> {
  const child = fork(join(import.meta.dirname, 'git-server-process.ts'), [root]);
  return { url: await message<string>(child), stop: () => child.disconnect() };
}

/** A bare repository with one commit on main. */
export async function seededRepository(root: string, name: string): Promise<string> {
  const directory = await initBare(join(root, name));
  const work = await initRepository(join(root, `${name}.seed`));
  await commitFiles(work, { 'jobs/a.yaml': 'kind: Job\n' }, 'first');
  await git(work, 'push', '--quiet', directory, 'main');
  return directory;
}

/** Lets `writers` write at once, spread over a few processes, and collects what they measured. */
export async function runWriters(
  script: string,
  writers: number,
  processes: number,
  task: Omit<WritersTask, 'writers'>,
): Promise<WritersResult> {
  const children = Array.from({ length: processes }, (_, index) => {
    const own = Array.from({ length: writers }, (_, writer) => writer).filter((writer) => writer % processes === index);
    return fork(join(import.meta.dirname, script), [JSON.stringify({ ...task, writers: own } satisfies WritersTask)]);
  });
  await Promise.all(children.map((child) => message<'ready'>(child)));
  const results = await Promise.all(
    children.map((child) => {
      const result = message<WritersResult>(child);
      child.send('go');
      return result;
    }),
  );
  const sum = (pick: (result: WritersResult) => number): number =>
    results.reduce((total, result) => total + pick(result), 0);
  return {
    delays: results.flatMap((result) => result.delays),
    pushes: sum((result) => result.pushes),
    retries: sum((result) => result.retries),
    left: sum((result) => result.left),
    taken: sum((result) => result.taken),
    errors: results.flatMap((result) => result.errors),
  };
}
