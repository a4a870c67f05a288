import { EnvHttpProxyAgent, request } from 'undici';
import { messageOf, terminalError, transientError } from '../../errors.ts';
import { type Npm, npmJson } from './npm.ts';
import type { RegistryKey, Release } from './signature.ts';

const KEYS_LIMIT_MS = 30_000;

/** The newest version of the package in the registry that npm is configured for. Throws what npm's failing throws, and `RegistryAnswer` (transient). */
export async function newestRelease(npm: Npm, name: string): Promise<Release> {
  const said = await npmJson(npm, 'view', `${name}@latest`, 'name', 'version', 'dist', 'time');
  const found = (Array.isArray(said) ? said.at(-1) : said) as Partial<{
    readonly version: string;
    readonly dist: Partial<{ readonly integrity: string; readonly signatures: Release['signatures'] }>;
    readonly time: Readonly<Record<string, string>>;
  }> | null;
  const { version, dist, time } = found ?? {};
  if (typeof version !== 'string' || typeof dist?.integrity !== 'string')
    throw transientError('RegistryAnswer', `the registry describes ${name} without a version and an integrity`);
  const published = time?.[version];
  const release = { name, version, integrity: dist.integrity, signatures: dist.signatures ?? [] };
  return published === undefined ? release : { ...release, published };
}

/**
 * The keys that the registry signs with. Throws `RegistryUnsigned` (terminal) where it lists none, as some mirrors do, and
 * `RegistryUnreachable` (transient).
 */
export async function registryKeys(npm: Npm, signal: AbortSignal): Promise<readonly RegistryKey[]> {
  const registry = (await npm('config', 'get', 'registry')).trim().replace(/\/$/, '');
  const url = `${registry}/-/npm/v1/keys`;
  const dispatcher = new EnvHttpProxyAgent();
  try {
    const within = AbortSignal.any([signal, AbortSignal.timeout(KEYS_LIMIT_MS)]);
    const { statusCode, body } = await request(url, { dispatcher, signal: within });
    const text = await body.text();
    const keys = statusCode === 200 ? (JSON.parse(text) as { keys?: unknown }).keys : undefined;
    if (Array.isArray(keys) && keys.length > 0) return keys as readonly RegistryKey[];
    throw terminalError(
      'RegistryUnsigned',
      'the registry that npm is configured for lists no keys that it signs with',
      {
        hint: 'upgrade from one that does: npm_config_registry=https://registry.npmjs.org/ runledger upgrade',
      },
    );
  } catch (error) {
    if (signal.aborted || (error as { errorClass?: string }).errorClass === 'terminal') throw error;
    // Not its address: it may hold credentials.
    throw transientError(
      'RegistryUnreachable',
      `the keys of the registry can't be read: ${messageOf(error).replaceAll(registry, 'the registry')}`,
      { cause: error },
    );
  } finally {
    await dispatcher.close();
  }
}
