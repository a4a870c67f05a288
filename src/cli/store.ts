import type { Command } from 'commander';
import { usageError } from '../errors.ts';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createDirectoryStore } from '../artifacts/directory-store.ts';
import { openStore } from '../artifacts/open.ts';
import type { Store } from '../artifacts/port.ts';
import type { ArtifactStore } from '../schemas/index.ts';
import { readConfig, resolveValue } from './config.ts';
import { parseStore } from './store-address.ts';
import type { Io } from './terminal.ts';

export interface StoreOptions {
  readonly store?: string;
  readonly config?: string;
}

export function withStoreOptions(command: Command): Command {
  return command
    .option('--store <store>', 'the artifact store: a folder, or s3://BUCKET; default: RUNLEDGER_STORE')
    .option('--config <file>', "a controller's configuration, for the artifact store that it names");
}

/**
 * The artifact store of `--store`, else of `--config`, else of RUNLEDGER_STORE. Throws `StoreUnset`, `StoreForm`, and what
 * reading the configuration throws (usage).
 */
export async function storeFrom(options: StoreOptions, io: Io): Promise<Store> {
  const config = await configured(options, io);
  if (config === undefined) {
    throw usageError('StoreUnset', 'the ledger says what artifacts there are, and not where they are kept', {
      hint: 'give --store DIR, --store s3://BUCKET or --config FILE, or set RUNLEDGER_STORE',
    });
  }
  return openStore(config, {
    cwd: io.cwd,
    now: Date.now,
    resolveValue: (from) => resolveValue(from, io.env),
  });
}

/** Opens the configured store once, for all; null where none is configured. Its `close` does nothing: it lasts like the process. */
export function sharedStore(config: ArtifactStore | undefined, io: Io): (() => Promise<Store>) | null {
  if (config === undefined) return null;
  let opened: Promise<Store> | undefined;
  return async () => {
    opened ??= openStore(config, { cwd: io.cwd, now: Date.now, resolveValue: (from) => resolveValue(from, io.env) });
    try {
      return { ...(await opened), close: () => undefined };
    } catch (error) {
      opened = undefined;
      throw error;
    }
  };
}

/** The store of a folder's or URL's own runs, where nothing else is named: beside their state. */
export function localStore(stateDir: string): { readonly folder: string; open(): Promise<Store> } {
  const folder = join(stateDir, 'artifacts');
  return {
    folder,
    async open() {
      await mkdir(folder, { recursive: true });
      return createDirectoryStore(folder, Date.now);
    },
  };
}

/** Whether `--store`, `--config` or RUNLEDGER_STORE names a store. */
export const namesStore = ({ store, config }: StoreOptions, io: Io): boolean =>
  store !== undefined || config !== undefined || Boolean(io.env['RUNLEDGER_STORE']);

async function configured({ store, config }: StoreOptions, io: Io): Promise<ArtifactStore | undefined> {
  if (store !== undefined) return parseStore(store, io.env);
  if (config !== undefined) return (await readConfig(config)).artifacts?.store;
  const text = io.env['RUNLEDGER_STORE'];
  return text ? parseStore(text, io.env) : undefined;
}
