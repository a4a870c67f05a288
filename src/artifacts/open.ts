import { resolve } from 'node:path';
import type { ArtifactStore, ValueFrom } from '../schemas/index.ts';
import { createDirectoryStore } from './directory-store.ts';
import type { Store } from './port.ts';

export interface OpenStoreOptions {
  /** What relative folders count from. */
  readonly cwd: string;
  /** Milliseconds. */
  readonly now: () => number;
  /** Fetches a credential that the configuration refers to. */
  readonly resolveValue: (from: ValueFrom) => Promise<string>;
}

/** The store that a configuration names. Nothing is asked of it yet. Throws what `resolveValue` throws. */
export async function openStore(config: ArtifactStore, options: OpenStoreOptions): Promise<Store> {
  if ('directory' in config) return createDirectoryStore(resolve(options.cwd, config.directory), options.now);
  const { auth, ...bucket } = config.s3;
  const { createS3Store } = await import('./s3-store.ts');
  if (!auth) return createS3Store(bucket);
  const [accessKeyId, secretAccessKey] = await Promise.all([
    options.resolveValue(auth.accessKeyIdFrom),
    options.resolveValue(auth.secretAccessKeyFrom),
  ]);
  return createS3Store({ ...bucket, credentials: { accessKeyId, secretAccessKey } });
}
