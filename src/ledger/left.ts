import { createHash } from 'node:crypto';
import { terminalError } from '../errors.ts';
import { newBlob, newCommit, newTag, newTree } from '../git/objects.ts';
import type { NewObject, ObjectReader } from '../git/port.ts';
import type { JobStatus } from '../schemas/index.ts';
import { ordered, statusShape } from './order.ts';
import type { FinishedRun, JobFacts } from './port.ts';
import { prepareChange, type PreparedChange } from './prepare.ts';

/**
 * Changes (facts about jobs) that a writer has left beside the branch for whoever pushes next: a commit without parents, whose tree holds
 * `changes.json` and the logs, named by their blob ids.
 */
export interface LeftChanges {
  readonly changes: readonly PreparedChange[];
  /**
   * What the writer took the statuses of its jobs to be before its changes; null: no such job. Whoever takes them in applies
   * them to nothing else: then they can't undo what others have recorded since, however long they have lain there.
   */
  readonly seen: ReadonlyMap<string, string | null>;
}

/** What a status is recognised by. */
export const fingerprint = (status: JobStatus | undefined): string | null =>
  status === undefined
    ? null
    : createHash('sha256')
        .update(JSON.stringify(ordered(status, statusShape)))
        .digest('hex');

const FORMAT = 1;
const CHANGES_NAME = 'changes.json';
const AUTHOR = { name: 'runledger', email: 'runledger@localhost' };

type StoredFinished = Omit<FinishedRun, 'logs'> & {
  /** Blob ids by path on the ledger. */
  readonly logs: Readonly<Record<string, string>>;
};
type StoredFacts = Omit<JobFacts, 'finished'> & { readonly finished?: StoredFinished };
interface Stored {
  readonly format: number;
  readonly seen: Readonly<Record<string, string | null>>;
  /** The facts of each change. */
  readonly changes: readonly (readonly StoredFacts[])[];
}

/** The commit that holds them, last among its objects. `now`: milliseconds since 1970. */
export function encodeLeft({ changes, seen }: LeftChanges, now: number): readonly [...NewObject[], NewObject] {
  const logs = new Map<string, NewObject>();
  const stored: Stored = {
    format: FORMAT,
    seen: Object.fromEntries(seen),
    changes: changes.map((change) => storedFacts(change, logs)),
  };
  const document = newBlob(JSON.stringify(stored));
  const tree = newTree([
    { mode: '100644', name: CHANGES_NAME, id: document.id },
    ...[...logs.keys()].map((id) => ({ mode: '100644' as const, name: id, id })),
  ]);
  const author = { ...AUTHOR, timestamp: Math.floor(now / 1000) };
  const message = 'changes for the ledger, to be taken in by the next push';
  return [document, ...logs.values(), tree, newCommit({ tree: tree.id, parents: [], message, author })];
}

function storedFacts(change: PreparedChange, logs: Map<string, NewObject>): readonly StoredFacts[] {
  return change.facts.map(({ facts: { finished, ...facts }, finished: prepared }) => {
    if (!finished || !prepared) return facts;
    const ids: Record<string, string> = {};
    for (const path of finished.logs.keys()) {
      const blob = prepared.logs.get(path.slice(path.lastIndexOf('/') + 1))!;
      logs.set(blob.id, blob);
      ids[path] = blob.id;
    }
    return { ...facts, finished: { ...finished, logs: ids } };
  });
}

/** The blob ids of the logs, which the server has as long as the commit lies there. */
export const logIds = (left: LeftChanges | undefined): readonly string[] =>
  (left?.changes ?? []).flatMap(({ facts }) =>
    facts.flatMap(({ finished }) => [...(finished?.logs.values() ?? [])].map(({ id }) => id)),
  );

/**
 * What a commit holds that somebody left. Whatever is wrong with it throws: anybody who may push could have put it there. A
 * newer form throws `LeftTooNew` (terminal).
 */
export async function decodeLeft(reader: ObjectReader, commit: string): Promise<LeftChanges> {
  const entries = await reader.readTree((await reader.readCommit(commit)).tree);
  const files = new Map(entries.map(({ name, id }) => [name, id]));
  const read = async (name: string): Promise<Uint8Array> => reader.readBlob(files.get(name) ?? `no ${name}`);
  const stored = JSON.parse(Buffer.from(await read(CHANGES_NAME)).toString('utf8')) as Stored;
  if (stored.format !== FORMAT) {
    throw terminalError(
      'LeftTooNew',
      `changes left in the form ${String(stored.format)}, which this version can't read`,
    );
  }
  const changes: PreparedChange[] = [];
  for (const facts of stored.changes) {
    const whole: JobFacts[] = [];
    for (const { finished, ...rest } of facts) {
      if (!finished) {
        whole.push(rest);
        continue;
      }
      const logs = new Map<string, Uint8Array>();
      for (const [path, id] of Object.entries(finished.logs)) logs.set(path, await read(id));
      whole.push({ ...rest, finished: { ...finished, logs } });
    }
    changes.push(prepareChange({ facts: whole }));
  }
  return { changes, seen: new Map(Object.entries(stored.seen)) };
}

/**
 * The receipt for what was left as `left` and is in the ledger with `commit`: a tag whose id follows from the two, so that
 * its owner knows it without fetching anything, and nothing else can pass for it.
 */
export const receiptFor = (left: string, commit: string): NewObject =>
  newTag(commit, left, { ...AUTHOR, timestamp: 0 });
