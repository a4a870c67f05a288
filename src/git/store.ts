import { randomBytes } from 'node:crypto';
import { access, mkdir, open, rename, unlink } from 'node:fs/promises';
import path from 'node:path';
import { deflateSync } from 'node:zlib';
import { encodePack } from './pack.ts';
import type { NewObject } from './port.ts';

export interface StoreOptions {
  /** The directory `objects` of a repository. */
  readonly objectsDirectory: string;
  /** Whether every file is on the disk (fsync) before it is in place. A copy of a remote can do without. */
  readonly sync: boolean;
}

/** What was written: the number of loose objects, and of packs. */
export interface Stored {
  readonly loose: number;
  readonly packs: number;
}

/** More objects than this go into one pack. */
export const LOOSE_LIMIT = 200;
const PARALLEL_WRITES = 8;

const exists = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  );

/** Writes beside the target and renames, so that no reader ever sees half a file. */
async function writeInPlace(target: string, content: Uint8Array, sync: boolean): Promise<void> {
  const temporary = path.join(path.dirname(target), `tmp_obj_${randomBytes(8).toString('hex')}`);
  await mkdir(path.dirname(target), { recursive: true });
  const handle = await open(temporary, 'wx', 0o444);
  try {
    await handle.writeFile(content);
    if (sync) await handle.sync();
    await handle.close();
    await rename(temporary, target);
  } catch (error) {
    await handle.close().catch(() => undefined);
    await unlink(temporary).catch(() => undefined);
    throw error;
  }
}

async function writeLoose({ id, type, content }: NewObject, { objectsDirectory, sync }: StoreOptions): Promise<number> {
  const target = path.join(objectsDirectory, id.slice(0, 2), id.slice(2));
  if (await exists(target)) return 0;
  const header = Buffer.from(`${type} ${content.length}\0`);
  // Level 1, as git does it for loose objects: written once, packed later.
  await writeInPlace(target, deflateSync(Buffer.concat([header, content]), { level: 1 }), sync);
  return 1;
}

async function writePack(objects: readonly NewObject[], { objectsDirectory, sync }: StoreOptions): Promise<Stored> {
  const { id, pack, index } = encodePack(objects);
  const base = path.join(objectsDirectory, 'pack', `pack-${id}`);
  if (await exists(`${base}.idx`)) return { loose: 0, packs: 0 };
  // The index last: it is what makes a pack visible.
  await writeInPlace(`${base}.pack`, pack, sync);
  await writeInPlace(`${base}.idx`, index, sync);
  return { loose: 0, packs: 1 };
}

/** Makes objects part of a repository: loose ones for a small batch, a pack for more than {@link LOOSE_LIMIT}. */
export async function storeObjects(objects: readonly NewObject[], options: StoreOptions): Promise<Stored> {
  if (objects.length > LOOSE_LIMIT) return writePack(objects, options);
  let loose = 0;
  for (let at = 0; at < objects.length; at += PARALLEL_WRITES) {
    const written = await Promise.all(
      objects.slice(at, at + PARALLEL_WRITES).map((object) => writeLoose(object, options)),
    );
    loose += written.reduce((sum, count) => sum + count, 0);
  }
  return { loose, packs: 0 };
}
