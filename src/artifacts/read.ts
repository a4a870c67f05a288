import { createHash } from 'node:crypto';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants as zlib, createZstdDecompress } from 'node:zlib';
import { type Extract, extract as createExtract, type Header } from 'tar-stream';
import { type CodedError, isCoded, messageOf, terminalError, transientError } from '../errors.ts';
import type { ArchiveContents, ArchivedFile, ArchivedLink } from './archive.ts';
import { type ArtifactLimits, DEFAULT_LIMITS, overheadOf } from './limits.ts';
import { createEntryTable, type EntryKind, entryPath, linkFault, nameFault, quoted } from './paths.ts';
import { cancelled, createMeter, type Meter } from './streams.ts';

/** Takes the entries of an archive that have been found harmless, in the order of the archive. */
export interface EntrySink {
  folder(path: string): Promise<void>;
  /** Has to read the content to its end. */
  file(path: string, executable: boolean, content: AsyncIterable<Uint8Array>): Promise<void>;
  link(path: string, target: string): Promise<void>;
}

export interface ReadOptions {
  /** Default: `DEFAULT_LIMITS`. */
  readonly limits?: ArtifactLimits;
  readonly signal: AbortSignal;
}

/** The window that an archive may ask a reader to keep; what `createArchive` makes needs 2 MiB. */
const WINDOW_LOG_MAX = 23;

/**
 * Reads a tar.zst that anybody may have made. Only files, folders and links that stay within it come through; anything else
 * ends the reading with an error that names the entry: `ArchiveEntryName`, `ArchiveEntryLink`, `ArchiveEntryKind`,
 * `ArchiveEntryClash` (twice, or below a file or link), `ArchiveTooMany`, `ArchiveTooLarge`, `ArchiveBomb`,
 * `ArchiveInvalid` (all terminal); also `Cancelled`, and what the source and the sink fail with.
 */
export async function readArchive(source: Readable, sink: EntrySink, options: ReadOptions): Promise<ArchiveContents> {
  const { limits = DEFAULT_LIMITS, signal } = options;
  const packed = createMeter();
  const unpacked = createMeter((bytes) => checkUnpacked(bytes, packed, limits));
  const zstd = createZstdDecompress({ params: { [zlib.ZSTD_d_windowLogMax]: WINDOW_LOG_MAX } });
  const extract = createExtract();
  const stages = [packed.stream, zstd, unpacked.stream, extract as unknown as Writable] as const;
  const piped = pipeline(source, ...stages, { signal });
  const [read, pipe] = await Promise.allSettled([readEntries(extract, sink, limits), piped]);
  if (signal.aborted) throw cancelled('reading the archive');
  const faults = [read, pipe].flatMap((each) => (each.status === 'rejected' ? [each.reason as unknown] : []));
  if (faults.length > 0) throw faultOf(faults);
  if (read.status === 'rejected') throw faultOf([read.reason]);
  // zlib reads one frame and passes over what follows, which would be in no list of contents.
  if (zstd.bytesWritten !== packed.bytes) throw invalid('bytes follow its end');
  return { ...read.value, ...packed.digest() };
}

/** What an archive holds, without writing any of it. Throws what `readArchive` throws. */
export const inspectArchive = (source: Readable, options: ReadOptions): Promise<ArchiveContents> =>
  readArchive(source, { folder: nothing, file: drain, link: nothing }, options);

async function nothing(): Promise<void> {}

async function drain(_path: string, _executable: boolean, content: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _chunk of content);
}

type Entries = Pick<ArchiveContents, 'files' | 'links'>;

async function readEntries(extract: Extract, sink: EntrySink, limits: ArtifactLimits): Promise<Entries> {
  const files: ArchivedFile[] = [];
  const links: ArchivedLink[] = [];
  const table = createEntryTable(limits);
  let total = 0;
  for await (const entry of extract) {
    const { header } = entry;
    // A size that is no number comes through tar-stream as null, and an entry of it never ends.
    if (!Number.isSafeInteger(header.size)) throw invalid(`its entry ${quoted(header.name)} has no size`);
    const kind = kindOf(header);
    const fault = nameFault(header.name);
    if (fault) throw refused('ArchiveEntryName', header, fault);
    const path = entryPath(header.name);
    if (path === '' && kind !== 'folder') throw refused('ArchiveEntryName', header, 'has no name');
    const clash = table.add(path, kind);
    if (table.full) throw tooMany(limits);
    if (clash) throw refused('ArchiveEntryClash', header, clash);
    if (kind === 'folder') {
      await sink.folder(path);
    } else if (kind === 'link') {
      // Null where there is none, whatever the types say.
      const target = (header.linkname as string | null) ?? '';
      const linkTrouble = linkFault(path, target);
      if (linkTrouble) throw refused('ArchiveEntryLink', header, `${linkTrouble} (${quoted(target)})`);
      links.push({ path, target });
      await sink.link(path, target);
    } else {
      total += header.size;
      if (total > limits.maxBytes) throw tooLarge(limits, header);
      const content = hashing(entry as AsyncIterable<Uint8Array>);
      await sink.file(path, (header.mode & 0o111) !== 0, content.chunks());
      files.push({ path, ...content.digest() });
    }
    entry.resume();
  }
  return { files, links };
}

const KINDS: Readonly<Record<string, EntryKind>> = { file: 'file', symlink: 'link', directory: 'folder' };

const REFUSED_KINDS: Readonly<Record<string, string>> = {
  link: 'hard link',
  'character-device': 'device',
  'block-device': 'device',
  fifo: 'pipe',
};

function kindOf(header: Header): EntryKind {
  const kind = KINDS[header.type];
  if (kind !== undefined) return kind;
  throw refused('ArchiveEntryKind', header, `is a ${REFUSED_KINDS[header.type] ?? 'thing of no known kind'}`);
}

function hashing(entry: AsyncIterable<Uint8Array>) {
  const hash = createHash('sha256');
  let bytes = 0;
  return {
    async *chunks(): AsyncGenerator<Uint8Array, void, undefined> {
      for await (const chunk of entry) {
        hash.update(chunk);
        bytes += chunk.byteLength;
        yield chunk;
      }
    },
    digest: () => ({ bytes, sha256: hash.digest('hex') }),
  };
}

/** Counts what comes out against what has gone in so far: a bomb is met long before it is unpacked. */
function checkUnpacked(bytes: number, packed: Meter, limits: ArtifactLimits): void {
  if (bytes > limits.maxBytes + overheadOf(limits)) throw tooLarge(limits);
  if (bytes > limits.ratioFromBytes && bytes > packed.bytes * limits.maxRatio)
    throw terminalError('ArchiveBomb', `the archive unpacks to more than ${limits.maxRatio} times its size`, {
      hint: ODD,
    });
}

const ODD =
  "runledger makes no such archive: don't unpack it with another tool either before you know where it is from";

function refused(code: string, { name }: Header, what: string): CodedError {
  return terminalError(code, `the archive is refused: its entry ${quoted(name)} ${what}`, { hint: ODD });
}

const tooMany = ({ maxEntries }: ArtifactLimits): CodedError =>
  terminalError('ArchiveTooMany', `the archive is refused: it has more than ${maxEntries} entries`, { hint: ODD });

const tooLarge = ({ maxBytes }: ArtifactLimits, header?: Header): CodedError =>
  terminalError(
    'ArchiveTooLarge',
    `the archive is refused: ${header ? `with ${quoted(header.name)} ` : ''}it unpacks to more than ${maxBytes} bytes`,
    { hint: ODD },
  );

/** The cause among what several stages of one stream failed with: they all fail when one does. */
function faultOf(faults: readonly unknown[]): CodedError {
  const coded = faults.find((fault) => isCoded(fault));
  if (coded) return coded;
  const code = (fault: unknown): string => (fault as NodeJS.ErrnoException).code ?? '';
  const system = faults.find((fault) => /^E[A-Z0-9]+$/.test(code(fault)));
  if (system) {
    return transientError('ArtifactsIo', `the archive can't be read or written: ${messageOf(system)}`, {
      cause: system,
      hint: 'see whether the disk is full, and try again',
    });
  }
  const cause = faults.find((fault) => code(fault) !== 'ERR_STREAM_PREMATURE_CLOSE');
  return invalid(cause === undefined ? 'it ends early, or bytes follow its end' : messageOf(cause), cause);
}

const invalid = (why: string, cause?: unknown): CodedError =>
  terminalError('ArchiveInvalid', `this is no whole tar.zst archive: ${why}`, {
    cause,
    hint: 'it was cut off or changed on its way; get it once more',
  });
