import type { Command } from 'commander';
import { resolve } from 'node:path';
import { createCatalogBuilder } from '../../job/catalog.ts';
import type { Catalog } from '../../job/model.ts';
import { allProblems, formatProblem } from '../../job/problems.ts';
import { EXIT } from '../exit.ts';
import { sourceOfPath } from '../folder.ts';
import { type CommonOptions, withLogOptions, withOutput } from '../options.ts';
import { print } from '../print.ts';
import type { Context } from '../program.ts';
import { stopSignals } from '../signals.ts';
import { paintFor } from '../terminal.ts';

export function validateCommand(command: Command, context: Context): Command {
  withLogOptions(withOutput(command))
    .description('check manifests, all problems at once; runs and changes nothing')
    .argument('[path...]', 'files and folders; default: this folder');
  return command.action(async (paths: readonly string[], options: CommonOptions) => {
    context.exit(await validate(paths.length > 0 ? paths : ['.'], options, context));
  });
}

async function validate(paths: readonly string[], options: CommonOptions, { io }: Context): Promise<number> {
  const stop = stopSignals(io);
  const catalogs: Catalog[] = [];
  for (const path of paths) catalogs.push(await catalogOf(resolve(io.cwd, path), stop.soft));
  stop.close();
  const problems = catalogs.flatMap(allProblems);
  const valid = catalogs.reduce((sum, { jobs }) => sum + jobs.size, 0);
  print(io, options.output, { valid, problems }, () => {
    const paint = paintFor(io.stdout, io.env);
    const lines = problems.map((problem) => `${formatProblem(problem)}\n`);
    const total = `${counted(valid, 'valid job')}, ${counted(problems.length, 'problem')}`;
    return `${lines.join('')}${paint(problems.length > 0 ? 'red' : 'green', total)}\n`;
  });
  return problems.length > 0 ? EXIT.invalid : EXIT.ok;
}

const counted = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`;

async function catalogOf(path: string, signal: AbortSignal): Promise<Catalog> {
  const { source, knownFiles } = await sourceOfPath(path);
  return createCatalogBuilder().build(await source.fetch(signal), { knownFiles });
}
