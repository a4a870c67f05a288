import type { Command } from 'commander';
import { join } from 'node:path';
import { ledgerCheck } from '../doctor/ledger.ts';
import { EXIT } from '../exit.ts';
import { gitDirOf } from '../folder.ts';
import { type CommonOptions, withLogOptions, withOutput } from '../options.ts';
import { print } from '../print.ts';
import type { Context } from '../program.ts';
import { stopSignals } from '../signals.ts';
import type { Io } from '../terminal.ts';
import { type Upgrade, upgrade } from '../upgrade/upgrade.ts';
import { VERSION } from '../version.ts';

interface UpgradeOptions extends CommonOptions {
  readonly check?: boolean;
}

export function upgradeCommand(command: Command, context: Context): Command {
  withLogOptions(withOutput(command))
    .description("replace this program by the newest version, once the registry's signature is checked")
    .option('--check', 'only say whether there is a newer version');
  return command.action(async (options: UpgradeOptions) => {
    context.exit(await upgradeHere(options, context.io));
  });
}

/** The folder of the package, of a checkout (src/cli/commands) and of what is shipped (dist/src/cli). */
const ROOT = join(import.meta.dirname, '../../..');

async function upgradeHere({ output, check = false }: UpgradeOptions, io: Io): Promise<number> {
  const stop = stopSignals(io, { first: () => undefined, second: () => undefined });
  try {
    const done = await upgrade({ version: VERSION, root: ROOT, check }, io, stop.soft);
    const ledger = await ledgerHere(io, stop.soft);
    print(
      io,
      output,
      { ...done, ...(ledger === null ? {} : { ledger }) },
      () => `${upgradeText(done)}${ledger === null ? '' : `note: ${ledger}\n`}`,
    );
    return EXIT.ok;
  } catch (error) {
    if (stop.soft.aborted) return EXIT.interrupted;
    throw error;
  } finally {
    stop.close();
  }
}

/** What is wrong with the ledger of the repository around, such as a format that is too new for this version; null: nothing, or there is none. */
async function ledgerHere(io: Io, signal: AbortSignal): Promise<string | null> {
  if (!(await gitDirOf(io.cwd))) return null;
  const { state, message } = await ledgerCheck('.', {}, io, signal);
  return state === 'fail' ? message : null;
}

export function upgradeText({ installed, newest, state, installation, command }: Upgrade): string {
  switch (state) {
    case 'current':
      return `runledger ${installed} is the newest version\n`;
    case 'upgraded':
      return `upgraded runledger ${installed} to ${newest}\n`;
    case 'available':
    case 'manual': {
      const how = command === undefined ? '  runledger upgrade' : `  ${command}`;
      const where = installation === undefined ? '' : `; this one is ${installation}`;
      return `there is runledger ${newest}, signed by the registry${where}. Upgrade ${installed} with\n${how}\n`;
    }
  }
}
