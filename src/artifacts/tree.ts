import { mkdir, open, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants as zlib, createZstdCompress } from 'node:zlib';
import { pack as createPack, type Pack } from 'tar-stream';
import { terminalError } from '../errors.ts';
import { type ArtifactLimits } from './limits.ts';
import { EPOCH } from './pack-file.ts';
import { createEntryTable, folderOf, linkFault, nameFault, quoted } from './paths.ts';

/** A file of a revision as it goes into a workspace. */
export type TreeEntry =
  | { readonly kind: 'file'; readonly path: string; readonly executable: boolean; readonly content: Uint8Array }
  | { readonly kind: 'link'; readonly path: string; readonly target: string };

const GIB = 1024 ** 3;

/** Bounds on what is checked out: repositories have more files than artifacts. */
export const CHECKOUT_LIMITS: ArtifactLimits = {
  maxEntries: 500_000,
  maxBytes: 10 * GIB,
  maxRatio: 1_000,
  ratioFromBytes: GIB,
};

/**
 * The same entries, as far as they may be put into a workspace. Throws `CheckoutRefused` (terminal) for one whose path, or whose
 * link, leads out of the tree, and for more than the limits allow.
 */
export async function* checkedTree(
  entries: AsyncIterable<TreeEntry>,
  limits: ArtifactLimits = CHECKOUT_LIMITS,
): AsyncGenerator<TreeEntry, void, undefined> {
  const table = createEntryTable(limits);
  let bytes = 0;
  for await (const entry of entries) {
    const fault =
      nameFault(entry.path) ??
      (entry.kind === 'link' ? linkFault(entry.path, entry.target) : undefined) ??
      table.add(entry.path, entry.kind);
    if (fault !== undefined) throw refused(`${quoted(entry.path)} ${fault}`);
    bytes += entry.kind === 'file' ? entry.content.byteLength : 0;
    if (table.full) throw refused(`it has more than ${limits.maxEntries} files`);
    if (bytes > limits.maxBytes) throw refused(`it has more than ${limits.maxBytes} bytes`);
    yield entry;
  }
}

const refused = (why: string): Error =>
  terminalError('CheckoutRefused', `the revision can't be checked out: ${why}`, {
    hint: 'name the files that the job needs: checkout: ["src/**"]',
  });

/** Writes entries below a folder, which is made: links last, so that no path leads through one. Throws what `checkedTree` throws. */
export async function writeTree(entries: AsyncIterable<TreeEntry>, folder: string): Promise<void> {
  const links: (TreeEntry & { kind: 'link' })[] = [];
  const made = new Set<string>();
  await mkdir(folder, { recursive: true });
  for await (const entry of checkedTree(entries)) {
    const above = folderOf(entry.path);
    if (!made.has(above)) await mkdir(join(folder, above), { recursive: true });
    made.add(above);
    if (entry.kind === 'link') links.push(entry);
    else await writeOne(join(folder, entry.path), entry);
  }
  for (const { path, target } of links) await symlink(target, join(folder, path));
}

async function writeOne(path: string, { content, executable }: TreeEntry & { kind: 'file' }): Promise<void> {
  const handle = await open(path, 'wx', executable ? 0o777 : 0o666);
  try {
    await handle.writeFile(content);
  } finally {
    await handle.close();
  }
}

/** The entries as a tar.zst, made while it is read. The stream fails with what `checkedTree` throws. */
export function packTree(entries: AsyncIterable<TreeEntry>): Readable {
  const pack = createPack();
  const zstd = createZstdCompress({ params: { [zlib.ZSTD_c_compressionLevel]: 1, [zlib.ZSTD_c_checksumFlag]: 1 } });
  const out = new PassThrough();
  fill(pack, checkedTree(entries)).catch((error: Error) => pack.destroy(error));
  // Whoever reads `out` gets the error.
  pipeline(Readable.from(pack as AsyncIterable<Uint8Array>, { objectMode: false }), zstd, out).catch(() => undefined);
  return out;
}

async function fill(pack: Pack, entries: AsyncIterable<TreeEntry>): Promise<void> {
  for await (const entry of entries) {
    if (entry.kind === 'link')
      pack.entry({ name: entry.path, type: 'symlink', linkname: entry.target, mode: 0o777, mtime: EPOCH });
    else await packOne(pack, entry);
  }
  pack.finalize();
}

const packOne = (pack: Pack, { path, executable, content }: TreeEntry & { kind: 'file' }): Promise<void> =>
  new Promise((resolve, reject) => {
    const header = { name: path, mode: executable ? 0o755 : 0o644, mtime: EPOCH, size: content.byteLength };
    pack.entry(header, Buffer.from(content.buffer, content.byteOffset, content.byteLength), (error) =>
      error ? reject(error) : resolve(),
    );
  });
