import { setTimeout as sleep } from 'node:timers/promises';
import { isCoded, messageOf } from '../errors.ts';
import type { ArchiveReference, Artifact } from '../schemas/index.ts';
import { type ArchiveManifest, type ArchiveRoot, type ArchiveWarning, createArchive } from './archive.ts';
import type { ArtifactLimits } from './limits.ts';
import type { Store } from './port.ts';
import { quoted } from './paths.ts';

/** What became of the artifacts of an attempt. */
export interface KeptArtifacts {
  /** Absent where there was nothing to keep. */
  readonly archive?: ArchiveReference;
  readonly files: readonly Artifact[];
  readonly warnings: readonly string[];
}

/** How long keeping the artifacts of one attempt may take, with all its tries. */
export const KEEP_LIMIT_MS = 120_000;
const TRIES = 5;
const PAUSE_MS = 1_000;

export interface KeepOptions {
  readonly limits?: ArtifactLimits;
  /** Aborted: it is not waited for any longer, and the reference says so. */
  readonly signal: AbortSignal;
}

/** The folders that artifacts are taken from: the output folder counts before the workspace. */
export const artifactRoots = (
  output: string,
  workspace: string,
  paths: readonly string[] = [],
): readonly ArchiveRoot[] => [
  { folder: output, paths: 'all' },
  ...(paths.length === 0 ? [] : [{ folder: workspace, paths }]),
];

/**
 * Packs what an attempt left into a store, with a few tries where the store fails. It never throws: what was not kept is
 * said in the reference.
 */
export async function keepArtifacts(
  roots: readonly ArchiveRoot[],
  key: string,
  openStore: () => Promise<Store>,
  { limits, signal }: KeepOptions,
): Promise<KeptArtifacts> {
  try {
    return await retried(() => keepOnce(roots, key, openStore, { ...(limits ? { limits } : {}), signal }), signal);
  } catch (error) {
    return notKept(signal.aborted ? 'there was no time left to keep them' : messageOf(error));
  }
}

/** Artifacts of which nothing is in the store. */
export const notKept = (reason: string): KeptArtifacts => ({
  archive: { complete: false, reason },
  files: [],
  warnings: [],
});

/** What an archive in a store amounts to; without a key there was nothing to keep. */
export function keptOf(
  key: string | undefined,
  { bytes, sha256, files, complete, warnings }: ArchiveManifest,
): KeptArtifacts {
  const lost = warnings.filter((warning) => warning.lost);
  const reason = lost.length === 0 ? 'something is missing' : lost.slice(0, 3).map(warningText).join('; ');
  const why = complete ? {} : { reason };
  if (key === undefined && complete) return { files: [], warnings: warningTexts(warnings) };
  return {
    archive: { ...(key === undefined ? {} : { key, bytes, sha256 }), complete, ...why },
    files,
    warnings: warningTexts(warnings),
  };
}

/** How many warnings of one attempt are told. */
const MOST_WARNINGS = 20;

/** Warnings as sentences, those beyond a number counted. */
export function warningTexts(warnings: readonly ArchiveWarning[]): readonly string[] {
  const told = warnings.slice(0, MOST_WARNINGS).map((warning) => `artifacts: ${warningText(warning)}`);
  const rest = warnings.length - told.length;
  return rest > 0 ? [...told, `artifacts: ${rest} more warnings`] : told;
}

const warningText = ({ path, message }: ArchiveWarning): string => `${quoted(path)} ${message}`;

async function keepOnce(
  roots: readonly ArchiveRoot[],
  key: string,
  openStore: () => Promise<Store>,
  options: KeepOptions,
): Promise<KeptArtifacts> {
  const archive = await createArchive(roots, options);
  if (archive.entries === 0) {
    archive.stream.resume();
    return keptOf(undefined, await archive.manifest);
  }
  const store = await openStore().catch((error: unknown) => {
    archive.stream.destroy();
    throw error;
  });
  try {
    await store.put(key, archive.stream, options.signal);
    return keptOf(key, await archive.manifest);
  } finally {
    store.close();
  }
}

/** Again what may work later, with pauses that grow, until the signal aborts. */
export async function retried<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      if (!isCoded(error) || error.errorClass !== 'transient' || tries === TRIES || signal.aborted) throw error;
      await sleep(PAUSE_MS * 2 ** (tries - 1), undefined, { signal });
    }
  }
}
