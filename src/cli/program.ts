import tab from '@bomb.sh/tab/commander';
import { Command, CommanderError } from 'commander';
import { isCoded, messageOf } from '../errors.ts';
import { EXIT } from './exit.ts';
import { paintFor, type Io } from './terminal.ts';
import { VERSION } from './version.ts';

/** What a command is handed. */
export interface Context {
  readonly io: Io;
  /** Says with which code the process ends. */
  exit(code: number): void;
}

const EXAMPLES = `
Examples:
  runledger init my-jobs                a repository with a first job
  runledger reconcile --dry-run         what would run here, and why
  runledger reconcile                   run it, and commit outcomes to the branch runledger/status
  runledger get                         how every job ended
  runledger logs nightly-report         what its last run printed
  runledger why nightly-report          why it ran, and why it does not run now
  runledger watch                       what runs and waits, live
  runledger run nightly-report --param REGION=us

Exit codes: 0 all well · 1 a run did not succeed · 2 usage or configuration · 3 a manifest is invalid ·
4 something would run (--dry-run --exit-code) · 130 ended by Ctrl-C
`;

/** Runs a command line; resolves to its exit code. Prints every error as one or two lines, never a stack. */
export async function runProgram(args: readonly string[], io: Io): Promise<number> {
  let code: number = EXIT.ok;
  try {
    const program = await createProgram({ io, exit: (value) => (code = value) }, commandsFor(args));
    await program.parseAsync([...args], { from: 'user' });
    return code;
  } catch (error) {
    return report(error, io);
  }
}

type Build = (command: Command, context: Context) => Command;

/** Loaded when they are asked for: what a controller needs makes no dry run wait. */
const COMMANDS = {
  reconcile: async (): Promise<Build> => (await import('./commands/reconcile.ts')).reconcileCommand,
  validate: async (): Promise<Build> => (await import('./commands/validate.ts')).validateCommand,
  convert: async (): Promise<Build> => (await import('./commands/convert.ts')).convertCommand,
  run: async (): Promise<Build> => (await import('./commands/run.ts')).runCommand,
  rerun: async (): Promise<Build> => (await import('./commands/rerun.ts')).rerunCommand,
  cancel: async (): Promise<Build> => (await import('./commands/cancel.ts')).cancelCommand,
  graph: async (): Promise<Build> => (await import('./commands/graph.ts')).graphCommand,
  get: async (): Promise<Build> => (await import('./commands/get.ts')).getCommand,
  why: async (): Promise<Build> => (await import('./commands/why.ts')).whyCommand,
  history: async (): Promise<Build> => (await import('./commands/history.ts')).historyCommand,
  diff: async (): Promise<Build> => (await import('./commands/diff.ts')).diffCommand,
  open: async (): Promise<Build> => (await import('./commands/open.ts')).openCommand,
  wait: async (): Promise<Build> => (await import('./commands/wait.ts')).waitCommand,
  watch: async (): Promise<Build> => (await import('./commands/watch.ts')).watchCommand,
  top: async (): Promise<Build> => (await import('./commands/watch.ts')).topCommand,
  logs: async (): Promise<Build> => (await import('./commands/logs.ts')).logsCommand,
  artifacts: async (): Promise<Build> => (await import('./commands/artifacts.ts')).artifactsCommand,
  init: async (): Promise<Build> => (await import('./commands/init.ts')).initCommand,
  render: async (): Promise<Build> => (await import('./commands/render.ts')).renderCommand,
  controller: async (): Promise<Build> => (await import('./commands/controller.ts')).controllerCommand,
  doctor: async (): Promise<Build> => (await import('./commands/doctor.ts')).doctorCommand,
  upgrade: async (): Promise<Build> => (await import('./commands/upgrade.ts')).upgradeCommand,
  release: async (): Promise<Build> => (await import('./commands/release.ts')).releaseCommand,
  'fetch-workspace': async (): Promise<Build> => (await import('./commands/attempt.ts')).fetchWorkspaceCommand,
  'upload-artifacts': async (): Promise<Build> => (await import('./commands/attempt.ts')).uploadArtifactsCommand,
} as const;

type CommandName = keyof typeof COMMANDS;
/** What pods run, and no person. */
const HIDDEN: ReadonlySet<CommandName> = new Set(['fetch-workspace', 'upload-artifacts'] as const);
const NAMES = Object.keys(COMMANDS) as readonly CommandName[];

/** The command that a command line names; all of them for help, completion and what is misspelt, none for the version. */
function commandsFor([first]: readonly string[]): readonly CommandName[] {
  if (first === '-V' || first === '--version') return [];
  const named = NAMES.filter((name) => name === first);
  return named.length > 0 ? named : NAMES;
}

export async function createProgram(context: Context, names: readonly CommandName[]): Promise<Command> {
  const { io } = context;
  const program = new Command('runledger')
    .description('Runs jobs from git, and commits what happened back to git.')
    .version(VERSION)
    .showHelpAfterError('(add --help to see what it takes)')
    .addHelpText('after', EXAMPLES)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void io.stdout.write(text),
      writeErr: (text) => void io.stderr.write(text),
      getOutHelpWidth: () => (io.stdout.isTTY ? io.stdout.columns : 100),
    });
  for (const name of names) {
    const build = await COMMANDS[name]();
    build(program.command(name, { hidden: HIDDEN.has(name) }).copyInheritedSettings(program), context);
  }
  tab(program, { completionCommandName: 'completion' });
  return program;
}

function report(error: unknown, io: Io): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  const paint = paintFor(io.stderr, io.env);
  io.stderr.write(`${paint('red', 'error:')} ${messageOf(error)}\n`);
  if (isCoded(error) && error.hint !== undefined) io.stderr.write(`${paint('gray', 'hint:')}  ${error.hint}\n`);
  if (!isCoded(error) && io.env['RUNLEDGER_DEBUG']) io.stderr.write(`${error instanceof Error ? error.stack : ''}\n`);
  // What is typed, configured or reached is wrong in all of these: nothing ran.
  return EXIT.usage;
}
