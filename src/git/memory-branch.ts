import { terminalError } from '../errors.ts';
import { readHistory } from './history.ts';
import { parseCommit, parseTree } from './objects.ts';
import type { Branch, NewObject, ObjectType } from './port.ts';
import { refMoved } from './refs.ts';

/** A branch that lives as long as the process: for runs whose outcomes are to be kept nowhere. */
export function openMemoryBranch(name: string): Branch {
  const objects = new Map<string, NewObject>();
  let head: string | null = null;
  const read = (id: string, type: ObjectType): Uint8Array => {
    const found = objects.get(id);
    if (found?.type !== type) throw terminalError('ObjectMissing', `no ${type} ${id} in ${name}`);
    return found.content;
  };
  const branch: Branch = {
    name,
    readCommit: async (id) => parseCommit(id, read(id, 'commit')),
    readTree: async (id) => parseTree(read(id, 'tree')),
    readBlob: async (id) => read(id, 'blob'),
    refresh: async () => head,
    async advance(from, to, created) {
      if (head !== from) throw refMoved(name, from, 'memory');
      for (const object of created) objects.set(object.id, object);
      head = to;
    },
    log: (from, limit) => readHistory(branch, from, limit),
  };
  return branch;
}
