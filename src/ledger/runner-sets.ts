import { newBlob } from '../git/objects.ts';
import type { NewObject } from '../git/port.ts';
import type { RunnerSetStatus } from '../schemas/index.ts';
import { decode, encode } from './format.ts';
import { runnerSetPath, RUNNERS_FOLDER } from './layout.ts';
import type { LedgerChange } from './port.ts';
import type { LedgerFiles } from './view.ts';

/** What a commit in the making does to the files of runner sets, by name; null: the file goes. */
export type StagedSets = ReadonlyMap<string, { readonly path: string; readonly blob: NewObject | null }>;

/** The sets of a tree. What has the same id as before is not read again. A file that can't be read is passed over. */
export async function readRunnerSets(
  { branch, readTree }: LedgerFiles,
  tree: string | null,
): Promise<ReadonlyMap<string, RunnerSetStatus>> {
  const sets = new Map<string, RunnerSetStatus>();
  for (const { name, id, mode } of tree === null ? [] : await readTree(tree)) {
    if (!name.endsWith('.yaml') || mode === '040000') continue;
    const path = `${RUNNERS_FOLDER}/${name}`;
    const status = decode('runnersetstatus', await branch.readBlob(id), path);
    sets.set(status.set, status);
  }
  return sets;
}

/** Encodes and checks what is to be written. Throws `LedgerDocumentInvalid`, `BadJobName` (terminal). */
export function prepareRunnerSets({ runnerSets = new Map() }: LedgerChange): StagedSets {
  return new Map(
    [...runnerSets].map(([set, status]) => {
      const path = runnerSetPath(set);
      return [set, { path, blob: status && newBlob(encode('runnersetstatus', status, path)) }];
    }),
  );
}
