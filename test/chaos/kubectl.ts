import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Runs kubectl; returns what it printed. */
export async function kubectl(...args: readonly string[]): Promise<string> {
  return (await run('kubectl', [...args], { maxBuffer: 256 * 1024 * 1024 })).stdout;
}

export interface Namespace {
  readonly name: string;
}

/** Does the work in a namespace of its own, which is gone afterwards. */
export async function withNamespace(prefix: string, work: (namespace: Namespace) => Promise<void>): Promise<void> {
  const name = `runledger-${prefix}-${Date.now().toString(36)}`;
  await kubectl('create', 'namespace', name);
  try {
    await work({ name });
  } finally {
    await kubectl('delete', 'namespace', name, '--wait=false');
  }
}
