import type { Command } from 'commander';
import { artifactRoots } from '../../artifacts/keep.ts';
import { usageError } from '../../errors.ts';
import { PATHS } from '../../render/layout.ts';
import { attemptAccess, fetchWorkspace, uploadArtifacts } from '../attempt-client.ts';
import { EXIT } from '../exit.ts';
import type { Context } from '../program.ts';
import { stopSignals } from '../signals.ts';
import type { Io } from '../terminal.ts';

/** A pod that has not started by then is ended by its time-out in any case. */
const FETCH_LIMIT_MS = 3_600_000;

/** What the init container of a pod with `checkout` runs. */
export function fetchWorkspaceCommand(command: Command, context: Context): Command {
  command
    .description('in the pod of an attempt: put the files of the revision into the workspace')
    .option('--folder <path>', 'the workspace', PATHS.workspace);
  return command.action(async ({ folder }: { readonly folder: string }) => {
    const { io } = context;
    // What it makes, steps of other users may change: the group is that of the volume.
    process.umask(0o002);
    await within(io, FETCH_LIMIT_MS, async (signal) => fetchWorkspace(await attemptAccess(io.env), folder, signal));
    context.exit(EXIT.ok);
  });
}

/** What the last container of a pod with `artifacts` runs. */
export function uploadArtifactsCommand(command: Command, context: Context): Command {
  command
    .description('in the pod of an attempt: send what is to be kept')
    .option('--workspace <path>', 'the workspace', PATHS.workspace)
    .option('--output-folder <path>', 'the folder of which everything is kept', PATHS.output);
  return command.action(async (options: { readonly workspace: string; readonly outputFolder: string }) => {
    const { io } = context;
    const { RUNLEDGER_UPLOAD_SECONDS: seconds = '115', RUNLEDGER_ARTIFACT_PATHS: paths = '[]' } = io.env;
    const roots = artifactRoots(options.outputFolder, options.workspace, pathsOf(paths));
    await within(io, Number(seconds) * 1000, async (signal) =>
      uploadArtifacts(await attemptAccess(io.env), roots, signal),
    );
    context.exit(EXIT.ok);
  });
}

function pathsOf(text: string): readonly string[] {
  const paths: unknown = JSON.parse(text);
  if (Array.isArray(paths) && paths.every((path) => typeof path === 'string')) return paths;
  throw usageError('NotInAPod', 'RUNLEDGER_ARTIFACT_PATHS is no list');
}

/** Until it is done, the time is over, or TERM comes. */
async function within(io: Io, limitMs: number, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const stop = stopSignals(io, { first: () => undefined, second: () => undefined });
  try {
    await work(AbortSignal.any([stop.soft, AbortSignal.timeout(limitMs)]));
  } finally {
    stop.close();
  }
}
