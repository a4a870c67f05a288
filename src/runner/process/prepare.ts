import { cp, mkdir, open, writeFile, rm } from 'node:fs/promises';
import { dirname, isAbsolute, join, resolve, sep } from 'node:path';
import { DEFAULT_FILE_MODE, type NormalJobSpec, type NormalStep } from '../../job/defaults.ts';
import type { Job } from '../../schemas/index.ts';
import type { RunFile } from '../port.ts';
import { systemCode } from './durable.ts';
import type { AttemptPaths } from './layout.ts';
import type { Secrets } from './secrets.ts';

/** A program with its arguments. */
export interface Command {
  readonly program: string;
  readonly args: readonly string[];
}

async function writeReadOnly(folder: string, { path, mode, content }: RunFile): Promise<void> {
  const target = resolve(folder, path);
  if (isAbsolute(path) || !target.startsWith(`${resolve(folder)}${sep}`))
    throw new Error(`the file ${JSON.stringify(path)} would lie outside $RUNLEDGER_FILES`);
  await mkdir(dirname(target), { recursive: true });
  const handle = await open(target, 'wx', 0o600);
  try {
    await handle.writeFile(content);
    await handle.chmod(mode & 0o555);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Writes what the run mounts, read-only and on to the disk. Throws an Error with a sentence for a path that leaves the folder. */
export async function writeFiles(folder: string, files: readonly RunFile[]): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const file of files) await writeReadOnly(folder, file);
}

/** Copies the files of the run for one attempt, which then has them to itself. */
export async function copyFiles(from: string, to: string): Promise<void> {
  await cp(from, to, { recursive: true, preserveTimestamps: true }).catch((error: unknown) => {
    if (systemCode(error) !== 'ENOENT') throw error;
  });
}

/** The files whose contents the values of a task have changed; what was copied in their places is removed. */
export async function filledIn(
  { files: written = [] }: Job['spec'],
  { files = [] }: Job['spec'],
  folder: string,
): Promise<readonly RunFile[]> {
  const changed = files.filter(({ content }, index) => content !== undefined && content !== written[index]?.content);
  for (const { path } of changed) await rm(resolve(folder, path), { force: true });
  return changed.map(({ path, mode, content = '' }) => ({
    path,
    mode: Number.parseInt(mode ?? DEFAULT_FILE_MODE, 8),
    content: Buffer.from(content),
  }));
}

/** Those files of the spec that come from secrets; the values have to be there. */
export const secretFiles = ({ files }: NormalJobSpec, secrets: Secrets): readonly RunFile[] =>
  files.flatMap(({ path, mode, secret }) => {
    const value = secret && secrets.get(secret.name)?.get(secret.key);
    return value === undefined
      ? []
      : [{ path, mode: Number.parseInt(mode ?? DEFAULT_FILE_MODE, 8), content: Buffer.from(value) }];
  });

/** Makes the folders that the steps work in. */
export async function makeFolders(paths: AttemptPaths): Promise<void> {
  const { workspace, home, tmp, files, output, shared, scripts } = paths;
  for (const folder of [workspace, home, tmp, files, output, shared, scripts]) await mkdir(folder, { recursive: true });
}

/**
 * The command of a step. A script becomes a file that its shell reads: its text is never part of a command line.
 * `extra` follows the step's own arguments; a script finds it in `$1`, `$2`, ….
 */
export async function stepCommand(
  { name, execute }: NormalStep,
  index: number,
  paths: AttemptPaths,
  extra: readonly string[],
): Promise<Command> {
  if (execute.kind === 'command') {
    const [program = '', ...args] = execute.command;
    return { program, args: [...args, ...execute.args, ...extra] };
  }
  const script = join(paths.scripts, `${index + 1}-${name}`);
  await writeFile(script, execute.script, { flag: 'wx', mode: 0o500 });
  const [shell = '/bin/sh', ...options] = execute.shell;
  return { program: shell, args: [...options, script, ...extra] };
}

/** Where a step starts. */
export const startFolder = (paths: AttemptPaths, { workingDirectory }: NormalStep): string =>
  resolve(paths.workspace, workingDirectory);
