import { type Command, Option } from 'commander';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { type Conversion, convertFile, type ConvertedJob } from '../../convert/convert.ts';
import { detectSystem } from '../../convert/detect.ts';
import { type System, SYSTEMS } from '../../convert/system.ts';
import { messageOf, usageError } from '../../errors.ts';
import { formatProblem } from '../../job/problems.ts';
import { YAML_LIMITS } from '../../job/yaml.ts';
import { EXIT } from '../exit.ts';
import { type LogOptions } from '../logger.ts';
import { withLogOptions } from '../options.ts';
import type { Context } from '../program.ts';
import type { Io } from '../terminal.ts';

interface ConvertCommandOptions extends LogOptions {
  readonly from?: System;
  readonly out?: string;
  readonly allowTodo?: boolean;
}

export function convertCommand(command: Command, context: Context): Command {
  withLogOptions(command)
    .description(
      'turn job files of other systems into manifests; what a person has to decide is a TODO(convert) comment',
    )
    .argument('<file...>', 'job files; - for standard input')
    .addOption(
      new Option('--from <system>', 'where the files come from; needed unless they say so themselves').choices(SYSTEMS),
    )
    .option('--out <folder>', 'write a file for each job there, instead of all to standard output')
    .option('--allow-todo', "what can't be carried over becomes a comment instead of an error");
  return command.action(async (files: readonly string[], options: ConvertCommandOptions) => {
    context.exit(await convert(files, options, context));
  });
}

async function convert(files: readonly string[], options: ConvertCommandOptions, { io }: Context): Promise<number> {
  const conversions: Conversion[] = [];
  for (const file of files) conversions.push(await convertOne(file, options, io));
  const jobs = conversions.flatMap((conversion) => conversion.jobs);
  checkNames(jobs);
  if (options.out === undefined) io.stdout.write(jobs.map(({ text }) => `---\n${text}`).join(''));
  else await writeJobs(jobs, resolve(io.cwd, options.out), io);
  const problems = conversions.flatMap((conversion) => conversion.problems);
  const notes = conversions.flatMap((conversion) => conversion.notes);
  io.stderr.write(notes.map((note) => `note: ${formatProblem(note)}\n`).join(''));
  io.stderr.write(problems.map((problem) => `error: ${formatProblem(problem)}\n`).join(''));
  io.stderr.write(summary(jobs, problems.length, options.allowTodo === true));
  return problems.length > 0 ? EXIT.invalid : EXIT.ok;
}

async function convertOne(
  file: string,
  { from, allowTodo = false }: ConvertCommandOptions,
  io: Io,
): Promise<Conversion> {
  const bytes = await read(file, io);
  const path = file === '-' ? 'stdin' : file;
  const system = from ?? detectSystem(bytes);
  if (system === undefined)
    throw usageError('SystemUnknown', `${path} does not say what system it is of`, {
      hint: `name it: --from ${SYSTEMS.join('|')}`,
    });
  return convertFile(bytes, { system, path, allowTodo });
}

/** The bytes of a file, of which no more is read than tells that it is too long. Throws `FileUnreadable`. */
async function read(file: string, io: Io): Promise<Uint8Array> {
  const stream = file === '-' ? io.stdin : createReadStream(resolve(io.cwd, file), { end: YAML_LIMITS.bytes });
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of stream) {
      chunks.push(Buffer.from(chunk as Uint8Array));
      length += chunks.at(-1)?.byteLength ?? 0;
      if (length > YAML_LIMITS.bytes) break;
    }
  } catch (error) {
    throw usageError('FileUnreadable', `${file}: ${messageOf(error)}`);
  }
  return Buffer.concat(chunks);
}

/** Throws `NameTaken`: jobs of one source have names of their own. */
function checkNames(jobs: readonly ConvertedJob[]): void {
  const names = new Set<string>();
  for (const { name } of jobs) {
    if (names.has(name))
      throw usageError('NameTaken', `two jobs would be called ${name}`, {
        hint: 'convert them one at a time, and rename one',
      });
    names.add(name);
  }
}

/** All or nothing. Throws `FileExists`. */
async function writeJobs(jobs: readonly ConvertedJob[], folder: string, io: Io): Promise<void> {
  const targets = jobs.map(({ name, text }) => ({ path: join(folder, `${name}.yaml`), text }));
  const there = targets.find(({ path }) => existsSync(path));
  if (there)
    throw usageError('FileExists', `${relative(io.cwd, there.path)} exists already, and nothing is overwritten`, {
      hint: 'remove it, or choose another folder with --out',
    });
  await mkdir(folder, { recursive: true });
  for (const { path, text } of targets) {
    await writeFile(path, text, { flag: 'wx' });
    io.stdout.write(`created  ${relative(io.cwd, path)}\n`);
  }
}

function summary(jobs: readonly ConvertedJob[], problems: number, allowed: boolean): string {
  const todos = jobs.reduce((sum, job) => sum + job.todos, 0);
  const decide = todos > 0 ? `; ${counted(todos, 'comment')} TODO(convert) to look at` : '';
  const hint =
    problems > 0 && !allowed
      ? "hint: --allow-todo writes jobs without what can't be carried over, with a comment for each\n"
      : '';
  return `${counted(jobs.length, 'job')} converted${decide}${problems > 0 ? `; ${counted(problems, 'problem')}` : ''}\n${hint}`;
}

const counted = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`;
