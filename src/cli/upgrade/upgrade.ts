import { realpath } from 'node:fs/promises';
import type { Io } from '../terminal.ts';
import { installationOf } from './installation.ts';
import { openNpm } from './npm.ts';
import { newestRelease, registryKeys } from './registry.ts';
import { replace } from './replace.ts';
import { assertSigned } from './signature.ts';
import { compareVersions } from './versions.ts';

const NAME = 'runledger';

/** What `-o json` prints. */
export interface Upgrade {
  readonly installed: string;
  readonly newest: string;
  /** `current`: nothing to do. `available`: only asked (`--check`). `manual`: for a person, by `command`. */
  readonly state: 'current' | 'available' | 'upgraded' | 'manual';
  /** How it was installed, where it is not `npm install --global`. */
  readonly installation?: string;
  readonly command?: string;
}

export interface UpgradeRequest {
  /** The version that runs. */
  readonly version: string;
  /** The folder of the package. */
  readonly root: string;
  /** Only say what there is. */
  readonly check: boolean;
}

/**
 * Asks the registry that npm is configured for, checks the newest version's signature, and puts it into the place of this one, where
 * it was installed with `npm install --global`. Throws what `assertSigned`, `registryKeys` and `replace` throw.
 */
export async function upgrade(
  { version, root, check }: UpgradeRequest,
  io: Pick<Io, 'env' | 'cwd'>,
  signal: AbortSignal,
): Promise<Upgrade> {
  const npm = openNpm(io, signal);
  const release = await newestRelease(npm, NAME);
  const found = { installed: version, newest: release.version };
  if (compareVersions(release.version, version) <= 0) return { ...found, state: 'current' };
  assertSigned(release, await registryKeys(npm, signal));
  const prefix = (await npm('config', 'get', 'prefix')).trim();
  const real = async (path: string): Promise<string> => realpath(path).catch(() => path);
  const installation = installationOf({ root: await real(root), prefix: await real(prefix), env: io.env });
  if (installation.kind === 'other') {
    const command = installation.command(release.version);
    return { ...found, state: check ? 'available' : 'manual', installation: installation.what, command };
  }
  if (check) return { ...found, state: 'available' };
  await replace(npm, installation.root, release);
  return { ...found, state: 'upgraded' };
}
