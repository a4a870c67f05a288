import { mkdir, mkdtemp, open, readdir, realpath, rename, rm, rmdir, symlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { isCoded, messageOf, usageError } from '../errors.ts';
import type { ArchiveContents, ArchivedLink } from './archive.ts';
import { folderOf } from './paths.ts';
import { type EntrySink, readArchive, type ReadOptions } from './read.ts';

/** How the folder begins in which everything lies until the archive was read to its end. */
const PARTIAL = '.runledger-partial-';

/**
 * Unpacks a tar.zst that anybody may have made into a folder, which has to be empty or is made. Nothing is written outside of
 * it, and nothing stays when the archive is refused or its stream fails: what is half unpacked lies in a folder
 * `.runledger-partial-…`, which only a process that is killed leaves behind. Files get the time of now, and no more than the
 * executable bit of their mode. Throws `TargetNotEmpty` and `TargetUnusable` (usage), and what `readArchive` throws.
 */
export async function extractArchive(source: Readable, target: string, options: ReadOptions): Promise<ArchiveContents> {
  const { root, made, partial } = await prepare(target).catch((error: unknown) => {
    source.destroy();
    throw isCoded(error) ? error : unusable(target, error);
  });
  const moved: string[] = [];
  try {
    const sink = diskSink(partial);
    const contents = await readArchive(source, sink, options);
    // Links come last: while files are written, no path leads through one.
    await sink.makeLinks();
    for (const name of await readdir(partial)) {
      await rename(join(partial, name), join(root, name));
      moved.push(join(root, name));
    }
    await rmdir(partial);
    return contents;
  } catch (error) {
    for (const path of [partial, ...moved]) await rm(path, { recursive: true, force: true });
    await removeEmpty(root, made);
    throw error;
  }
}

interface Target {
  readonly root: string;
  /** The topmost folder that had to be made; undefined: none. */
  readonly made: string | undefined;
  readonly partial: string;
}

async function prepare(target: string): Promise<Target> {
  const first = await emptyFolder(resolve(target));
  const root = await realpath(target);
  const made = first === undefined ? undefined : await realpath(first);
  return { root, made, partial: await mkdtemp(join(root, PARTIAL)) };
}

/** Takes away the folders that were made, unless somebody has put something there. */
async function removeEmpty(root: string, made: string | undefined): Promise<void> {
  if (made === undefined) return;
  for (let folder = root; folder.length >= made.length; folder = dirname(folder)) {
    if (
      await rmdir(folder).then(
        () => false,
        () => true,
      )
    )
      return;
  }
}

/** Makes sure of an empty folder; returns the topmost folder that had to be made. */
async function emptyFolder(target: string): Promise<string | undefined> {
  const made = await mkdir(target, { recursive: true });
  const [first] = made === undefined ? await readdir(target) : [];
  if (first === undefined) return made;
  const hint = first.startsWith(PARTIAL)
    ? `${first} is what a process that was killed had unpacked: remove it`
    : 'name a folder that is empty or does not exist';
  throw usageError('TargetNotEmpty', `${target} is not empty: artifacts are unpacked into an empty folder`, { hint });
}

const unusable = (target: string, error: unknown): Error =>
  usageError('TargetUnusable', `artifacts can't be unpacked into ${target}: ${messageOf(error)}`, {
    hint: 'name a folder that you may write to',
  });

interface DiskSink extends EntrySink {
  makeLinks(): Promise<void>;
}

function diskSink(root: string): DiskSink {
  const links: ArchivedLink[] = [];
  const made = new Set<string>(['']);
  const folder = async (path: string): Promise<void> => {
    if (made.has(path)) return;
    await mkdir(join(root, path), { recursive: true });
    made.add(path);
  };
  return {
    folder,
    async file(path, executable, content) {
      await folder(folderOf(path));
      const handle = await open(join(root, path), 'wx', executable ? 0o777 : 0o666);
      try {
        for await (const chunk of content) await handle.writeFile(chunk);
      } finally {
        await handle.close();
      }
    },
    async link(path, target) {
      await folder(folderOf(path));
      links.push({ path, target });
    },
    async makeLinks() {
      for (const { path, target } of links) await symlink(target, join(root, path));
    },
  };
}
