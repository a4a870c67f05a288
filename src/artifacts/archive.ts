import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants as zlib, createZstdCompress } from 'node:zlib';
import { pack as createPack, type Pack } from 'tar-stream';
import { isCoded } from '../errors.ts';
import { type ArtifactLimits, DEFAULT_LIMITS } from './limits.ts';
import { EPOCH, packFile } from './pack-file.ts';
import { type ArchiveRoot, type ArchiveWarning, type SelectedEntry, selectFiles, tooLarge } from './select.ts';
import { cancelled, createMeter, type Digest } from './streams.ts';

export type { ArchiveRoot, ArchiveWarning } from './select.ts';

export interface ArchivedFile extends Digest {
  /** With forward slashes, from the root of the archive. */
  readonly path: string;
}

export interface ArchivedLink {
  readonly path: string;
  readonly target: string;
}

/** What is in an archive, with the size and SHA-256 of the archive itself. */
export interface ArchiveContents extends Digest {
  readonly files: readonly ArchivedFile[];
  readonly links: readonly ArchivedLink[];
}

export interface ArchiveManifest extends ArchiveContents {
  /** True when everything that was asked for is in the archive, as it was when it was read. */
  readonly complete: boolean;
  readonly warnings: readonly ArchiveWarning[];
}

export interface Archive {
  /** The bytes of the tar.zst; destroying the stream ends the work. It fails with what `manifest` rejects with. */
  readonly stream: Readable;
  /** How many files and links were found; with 0 there is nothing to keep. */
  readonly entries: number;
  /** Settles once the stream has been read to its end, or failed. It need not be waited for. */
  readonly manifest: Promise<ArchiveManifest>;
}

export interface ArchiveOptions {
  /** Default: `DEFAULT_LIMITS`. */
  readonly limits?: ArtifactLimits;
  readonly signal: AbortSignal;
}

/**
 * Makes a tar.zst of files below some folders, while it is read: in constant memory, and the same bytes for the same
 * files, since order, times and owners are fixed. Executable bits and links within a folder are kept. Throws
 * `ArtifactsTooMany`, `ArtifactsTooLarge` (terminal) and `Cancelled`; a file that can't be had, or changes while it is
 * read, is a warning.
 */
export async function createArchive(roots: readonly ArchiveRoot[], options: ArchiveOptions): Promise<Archive> {
  const { limits = DEFAULT_LIMITS, signal } = options;
  const { entries, warnings } = await selectFiles(roots, limits, signal);
  const pack = createPack();
  const zstd = createZstdCompress({
    params: { [zlib.ZSTD_c_compressionLevel]: 3, [zlib.ZSTD_c_checksumFlag]: 1 },
  });
  const meter = createMeter();
  const compressed = compress(pack as AsyncIterable<Uint8Array>, zstd);
  compressed.catch((error: Error) => zstd.destroy(error));
  const piped = pipeline(zstd, meter.stream, { signal });
  piped.catch((error: Error) => pack.destroy(error));
  const filled = fill(pack, entries, limits);
  filled.catch((error: Error) => pack.destroy(error));
  const manifest = Promise.allSettled([filled, piped]).then(([contents, end]): ArchiveManifest => {
    if (signal.aborted) throw cancelled('archiving');
    // Where the stream broke under the work, the stream knows why.
    if (contents.status === 'rejected' && isCoded(contents.reason)) throw contents.reason;
    if (end.status === 'rejected') throw end.reason;
    if (contents.status === 'rejected') throw contents.reason;
    const all = [...warnings, ...contents.value.warnings];
    return { ...contents.value, ...meter.digest(), complete: !all.some(({ lost }) => lost), warnings: all };
  });
  manifest.catch(() => undefined);
  return { stream: meter.stream, entries: entries.length, manifest };
}

/**
 * Ends the compression only once the last chunk is through: told of the end together with it, zlib ends the frame twice, and
 * an empty frame follows or not, as time goes.
 */
async function compress(tar: AsyncIterable<Uint8Array>, zstd: Writable): Promise<void> {
  for await (const chunk of tar) {
    await new Promise<void>((resolve, reject) => {
      zstd.write(chunk, (error) => (error ? reject(error) : resolve()));
    });
  }
  zstd.end();
}

type Filled = Pick<ArchiveManifest, 'files' | 'links' | 'warnings'>;

async function fill(pack: Pack, entries: readonly SelectedEntry[], limits: ArtifactLimits): Promise<Filled> {
  const files: ArchivedFile[] = [];
  const links: ArchivedLink[] = [];
  const warnings: ArchiveWarning[] = [];
  let total = 0;
  const took = (bytes: number): void => {
    total += bytes;
    if (total > limits.maxBytes) throw tooLarge(limits);
  };
  for (const entry of entries) {
    const { path } = entry;
    if (entry.kind === 'link') {
      pack.entry({ name: path, type: 'symlink', linkname: entry.target, mode: 0o777, mtime: EPOCH });
      links.push({ path, target: entry.target });
      continue;
    }
    const packed = await packFile(pack, path, entry.file, took);
    const message = typeof packed === 'string' ? packed : packed.change;
    if (message !== undefined) warnings.push({ path, message, lost: true });
    if (typeof packed !== 'string') files.push({ path, bytes: packed.bytes, sha256: packed.sha256 });
  }
  pack.finalize();
  return { files, links, warnings };
}
