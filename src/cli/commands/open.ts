import { Option, type Command } from 'commander';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { usageError } from '../../errors.ts';
import { jobFolder, outcomePath } from '../../ledger/layout.ts';
import { openBrowser } from '../browser.ts';
import type { Repository } from '../compose.ts';
import { EXIT } from '../exit.ts';
import { withLogOptions, withOutput, withRepositoryOptions, withTarget } from '../options.ts';
import { print } from '../print.ts';
import type { Context } from '../program.ts';
import { reading, type ReadingOptions } from '../reading.ts';
import { recordedOutcome, runNumber } from '../recorded.ts';
import type { Io } from '../terminal.ts';
import { webAddress, type WebPlace } from '../../forge/web-address.ts';
import { type ForgeKind, FORGES } from '../../forge/address.ts';
import { statusOf } from './get.ts';

interface OpenOptions extends ReadingOptions {
  readonly run?: string;
  readonly print?: boolean;
  readonly forge?: ForgeKind;
  readonly remote: string;
}

export function openCommand(command: Command, context: Context): Command {
  withLogOptions(withOutput(withTarget(withRepositoryOptions(command))))
    .description("open the ledger's page of the forge in a browser")
    .argument('[job]', 'the page of this job; default: the table of all')
    .option('--run <number>', 'the outcome of this run of the job')
    .option('--print', 'only print the address')
    .addOption(new Option('--forge <kind>', "what kind of forge it is, where its name doesn't say").choices(FORGES))
    .option('--remote <name>', 'the remote of a folder whose page is meant', 'origin');
  return command.action(async (job: string | undefined, options: OpenOptions) => {
    const { io } = context;
    const run = options.run === undefined ? undefined : runNumber(options.run);
    if (run !== undefined && job === undefined) throw usageError('RunOfNothing', '--run goes with a job');
    context.exit(
      await reading(options, io, async (repository, signal) => {
        const place = await placeOf(repository, job, run, signal);
        const remote =
          repository.kind === 'url' ? repository.location : await remoteOf(repository.location, options.remote, io);
        const address = webAddress(remote, place, options.forge);
        print(io, options.output, { address }, () => `${address}\n`);
        if (options.print !== true && options.output === 'text') await openBrowser(address, io, process.platform);
        return EXIT.ok;
      }),
    );
  });
}

/** Throws `LedgerNone`, and, for a job or a run that the ledger does not know, `JobUnknown` and `RunUnknown`. */
async function placeOf(
  { ledger, ledgerBranch }: Repository,
  job: string | undefined,
  run: number | undefined,
  signal: AbortSignal,
): Promise<WebPlace> {
  if (ledgerBranch === null) throw usageError('LedgerNone', '--ledger none: there is no page of it');
  if (job === undefined) return { branch: ledgerBranch, kind: 'folder', path: '' };
  const view = await ledger.read(signal);
  statusOf(view, job);
  if (run === undefined) return { branch: ledgerBranch, kind: 'folder', path: jobFolder(job) };
  await recordedOutcome(view, job, run);
  return { branch: ledgerBranch, kind: 'file', path: outcomePath(job, run) };
}

const GIT_LIMIT_MS = 5_000;

/** The address of a folder's remote, as git would use it (`url.….insteadOf` included). Throws `RemoteUnknown`. */
async function remoteOf(folder: string, name: string, { env }: Io): Promise<string> {
  const said = await promisify(execFile)('git', ['remote', 'get-url', '--', name], {
    cwd: folder,
    env: { ...env },
    timeout: GIT_LIMIT_MS,
  }).catch(() => undefined);
  const address = said?.stdout.trim() ?? '';
  if (address !== '') return address;
  throw usageError('RemoteUnknown', `${folder} has no remote "${name}", so its ledger has no web page`, {
    hint: `git remote add ${name} https://…, or give the repository as -C https://host/owner/name`,
  });
}
