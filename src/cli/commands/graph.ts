import { type Command, Option } from 'commander';
import { createCatalogBuilder } from '../../job/catalog.ts';
import { formatProblem } from '../../job/problems.ts';
import { openTarget } from '../compose.ts';
import { EXIT } from '../exit.ts';
import { graphMermaid } from '../graph-mermaid.ts';
import { graphText } from '../graph-text.ts';
import { graphOf, type JobGraph } from '../graph.ts';
import type { LogOptions } from '../logger.ts';
import { type RepositoryOptions, withLogOptions, withRepositoryOptions } from '../options.ts';
import { print } from '../print.ts';
import type { Context } from '../program.ts';
import { stopSignals } from '../signals.ts';
import { type Io, paintFor, widthOf } from '../terminal.ts';

const FORMATS = ['text', 'mermaid', 'json', 'yaml'] as const;

interface GraphOptions extends LogOptions, RepositoryOptions {
  readonly output: (typeof FORMATS)[number];
}

export function graphCommand(command: Command, context: Context): Command {
  withLogOptions(withRepositoryOptions(command))
    .description('show which jobs run after which, and what starts them')
    .argument('[target]', 'a folder or an http(s) URL', '.')
    .addOption(new Option('-o, --output <format>', 'how the graph is printed').choices(FORMATS).default('text'));
  return command.action(async (target: string, options: GraphOptions) => {
    context.exit(await graph(target, options, context));
  });
}

async function graph(target: string, options: GraphOptions, { io }: Context): Promise<number> {
  const stop = stopSignals(io);
  const signal = AbortSignal.any([stop.soft, stop.hard]);
  // What depends on what stands in the manifests alone.
  const repository = await openTarget(target, { ...options, ledger: 'none' }, io, signal);
  try {
    const snapshot = await repository.source.fetch(signal);
    const catalog = await createCatalogBuilder().build(snapshot, { knownFiles: new Set() });
    const found = graphOf(catalog);
    io.stderr.write(catalog.problems.map((problem) => `invalid: ${formatProblem(problem)}\n`).join(''));
    show(found, catalog.revision, options, io);
    return catalog.invalidJobs.size + catalog.problems.length > 0 ? EXIT.invalid : EXIT.ok;
  } finally {
    await repository.close();
    stop.close();
  }
}

function show(found: JobGraph, revision: string, { output }: GraphOptions, io: Io): void {
  if (output === 'json' || output === 'yaml') return print(io, output, { revision, ...found }, () => '');
  if (output === 'mermaid') return void io.stdout.write(graphMermaid(found));
  const text = graphText(found, widthOf(io.stdout, io.env), paintFor(io.stdout, io.env));
  io.stdout.write(text === '' ? 'no jobs\n' : text);
}
