import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TreeEntry, writeTree } from '../../artifacts/tree.ts';
import { isCoded, messageOf } from '../../errors.ts';
import { checkoutOfSpec } from '../../job/defaults.ts';
import type { RunRecord } from '../port.ts';
import { removeTree, systemCode, writeDurably } from './durable.ts';

/** The files of a run's revision, as far as its `checkout` names them. */
export type Checkout = (record: RunRecord, signal: AbortSignal) => AsyncIterable<TreeEntry>;

export const wantsCheckout = ({ spec }: Pick<RunRecord, 'spec'>): boolean => checkoutOfSpec(spec) !== false;

const filesIn = (folder: string): string => join(folder, 'files');
const faultIn = (folder: string): string => join(folder, 'fault');

/**
 * Puts down the files of a run's revision for its attempts, so that they no longer depend on the source. What can't be checked out
 * for good is put down instead, for the attempts to end with. Throws what may work later.
 */
export async function holdCheckout(folder: string, entries: AsyncIterable<TreeEntry>): Promise<void> {
  await removeTree(folder);
  try {
    await writeTree(entries, filesIn(folder));
  } catch (error) {
    if (!isCoded(error) || error.errorClass !== 'terminal') throw error;
    await removeTree(filesIn(folder));
    const hint = error.hint === undefined ? '' : `; ${error.hint}`;
    await writeDurably(faultIn(folder), `${messageOf(error)}${hint}`);
  }
}

/** Copies what was put down into a workspace. Throws an Error with what kept it from being checked out. */
export async function copyCheckout(folder: string, workspace: string): Promise<void> {
  const fault = await readFile(faultIn(folder), 'utf8').catch((error: unknown) => {
    if (systemCode(error) !== 'ENOENT') throw error;
    return undefined;
  });
  if (fault !== undefined) throw new Error(fault);
  await cp(filesIn(folder), workspace, { recursive: true, verbatimSymlinks: true });
}
