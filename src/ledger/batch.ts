import { CodedError } from '../errors.ts';
import type { Turn } from './coalesce.ts';
import type { PreparedChange } from './prepare.ts';
import { emptyStage, isChanged, stageChange, type Stage } from './stage.ts';
import type { LedgerFiles, LedgerState } from './view.ts';

/** What waits to be committed: a change, the README alone, or what others have left. */
export type Item =
  | { readonly kind: 'change'; readonly change: PreparedChange }
  | { readonly kind: 'readme' }
  | { readonly kind: 'others' };
export type Batch = readonly Turn<Item, string | null>[];

/** The changes of the batch, if others can take them in: facts about jobs alone; undefined: there is more in it. */
export function sharedChanges(batch: Batch): readonly PreparedChange[] | undefined {
  const changes = batch.flatMap(({ item }) => (item.kind === 'change' ? [item.change] : []));
  const plain = changes.every(
    ({ invalid, asked, answered, runnerSets }) => !invalid && asked.length + answered.length + runnerSets.size === 0,
  );
  return plain && changes.length === batch.length ? changes : undefined;
}

/** Every change of the batch that can be applied to the head; the others fail here and now. */
export async function stageBatch(files: LedgerFiles, base: LedgerState, batch: Batch): Promise<Stage> {
  let stage = emptyStage;
  for (const turn of batch) {
    if (turn.item.kind !== 'change') continue;
    try {
      stage = await stageChange(files, base, stage, turn.item.change);
    } catch (error) {
      if (!(error instanceof CodedError) || error.errorClass !== 'terminal') throw error;
      turn.reject(error);
    }
  }
  return stage;
}

/** Whether the commit of this stage holds the item, be it by another call that said the same. */
export function isIn(base: LedgerState, stage: Stage, item: Item): boolean {
  if (item.kind !== 'change') return true;
  const { invalid, asked, answered, runnerSets } = item.change;
  if (invalid !== undefined && (invalid.blob?.id ?? null) !== base.invalidBlob) return true;
  if ([...asked, ...answered].some(({ path }) => stage.requests.has(path))) return true;
  const known = base.view.runnerSets;
  if ([...runnerSets].some(([set, { blob }]) => blob !== null || known.has(set))) return true;
  return item.change.facts.some(({ facts }) => {
    const job = stage.jobs.get(facts.job);
    return job !== undefined && isChanged(job);
  });
}
