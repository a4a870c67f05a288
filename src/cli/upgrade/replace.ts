import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf, terminalError, usageError } from '../../errors.ts';
import { type Npm, npmJson } from './npm.ts';
import { assertIntact, type Release } from './signature.ts';

const run = promisify(execFile);

/**
 * Puts a release into the place of the installed package: it is installed beside it, whole, and tried; then two renames swap them. Until
 * then nothing of the old one is touched, and a failing second rename takes the first one back. Throws `IntegrityWrong`,
 * `UpgradeForbidden` (usage), `UpgradeBroken` (terminal), and what npm's failing throws.
 */
export async function replace(npm: Npm, root: string, release: Release): Promise<void> {
  const stage = await makeStage(root);
  try {
    const fresh = await installInto(npm, stage, release);
    await tryOut(fresh, release);
    const old = join(stage, 'old');
    await rename(root, old);
    try {
      await rename(fresh, root);
    } catch (error) {
      await rename(old, root);
      throw error;
    }
  } finally {
    await rm(stage, { recursive: true, force: true });
  }
}

/** A folder beside the package: on the same file system, so that a rename is one step. */
async function makeStage(root: string): Promise<string> {
  try {
    // npm passes over what begins with a dot.
    return await mkdtemp(join(dirname(root), '.runledger-upgrade-'));
  } catch (error) {
    throw usageError('UpgradeForbidden', `${dirname(root)} can't be written to: ${messageOf(error)}`, {
      hint: 'run it as the user that installed runledger',
      cause: error,
    });
  }
}

async function installInto(npm: Npm, stage: string, release: Release): Promise<string> {
  const { name, version } = release;
  await npmJson(npm, 'pack', `${name}@${version}`, '--ignore-scripts', '--pack-destination', stage);
  const archive = (await readdir(stage)).find((file) => file.endsWith('.tgz'));
  if (archive === undefined) throw terminalError('UpgradeBroken', `npm pack ${name}@${version} made no archive`);
  const path = join(stage, archive);
  assertIntact(release, await readFile(path));
  // Of its dependencies npm checks the integrity. None of them needs a script.
  await npm('install', '--global', '--ignore-scripts', '--prefix', join(stage, 'prefix'), path);
  return join(stage, 'prefix/lib/node_modules', name);
}

/** Throws `UpgradeBroken` unless its command starts and says its version. */
async function tryOut(folder: string, { name, version }: Release): Promise<void> {
  const broken = (why: string, cause?: unknown): Error =>
    terminalError('UpgradeBroken', `${name}@${version} does not work here: ${why}`, {
      hint: 'nothing was changed; its requirements may have changed, see the changelog',
      ...(cause === undefined ? {} : { cause }),
    });
  try {
    const { bin } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as {
      bin?: Record<string, string>;
    };
    const main = join(folder, bin?.[name] ?? 'missing');
    const { stdout } = await run(process.execPath, [main, '--version'], { timeout: 30_000 });
    if (stdout.trim() !== version) throw broken(`it says that it is ${stdout.trim().slice(0, 40)}`);
  } catch (error) {
    if ((error as { code?: unknown }).code === 'UpgradeBroken') throw error;
    throw broken(messageOf(error).split('\n')[0] ?? '', error);
  }
}
