import type { Command } from 'commander';
import { usageError } from '../errors.ts';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createDirectoryStore } from '../artifacts/directory-store.ts';
import { openStore } from '../artifacts/open.ts';
import type { Store } from '../artifacts/port.ts';
import type { ArtifactStore, ValueFrom } from '../schemas/index.ts';
import { readConfig, resolveValue } from './config.ts';
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

const BUCKET = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])\/?$/;
const ENDPOINT = /^https?:\/\/[^\s/@]+(\/\S*)?$/;

function parseStore(text: string, env: Io['env']): ArtifactStore {
  if (!/^[a-z0-9+.-]+:\/\//i.test(text)) return { directory: text };
  const [, bucket] = BUCKET.exec(text) ?? [];
  if (bucket === undefined)
    throw usageError('StoreForm', 'the artifact store is neither a folder nor s3://BUCKET', {
      hint: 'the address of the server goes into RUNLEDGER_S3_ENDPOINT',
    });
  const region = env['RUNLEDGER_S3_REGION'] || 'us-east-1';
  const endpoint = env['RUNLEDGER_S3_ENDPOINT'] || `https://s3.${region}.amazonaws.com`;
  if (!ENDPOINT.test(endpoint))
    throw usageError('StoreForm', 'RUNLEDGER_S3_ENDPOINT is not an http or https address', {
      hint: 'write https://s3.example.com, without a user or password',
    });
  const accessKeyIdFrom = valueFrom('RUNLEDGER_S3_ACCESS_KEY_ID', env);
  const secretAccessKeyFrom = valueFrom('RUNLEDGER_S3_SECRET_ACCESS_KEY', env);
  const auth = accessKeyIdFrom && secretAccessKeyFrom && { accessKeyIdFrom, secretAccessKeyFrom };
  return { s3: { endpoint, bucket, region, ...(auth ? { auth } : {}) } };
}

/** Where a credential lies: in a variable, or in the file that the variable with _FILE names. */
function valueFrom(name: string, env: Io['env']): ValueFrom | undefined {
  const file = env[`${name}_FILE`];
  if (file) return { file };
  return env[name] ? { env: name } : undefined;
}
