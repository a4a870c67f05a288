import type { Readable } from 'node:stream';
import { pack as createPack } from 'tar-stream';
import { DEFAULT_LIMITS } from './limits.ts';
import { EPOCH, packFile } from './pack-file.ts';
import { type ArchiveWarning, selectFiles } from './select.ts';

export interface LiveTar {
  /** The bytes of the tar. */
  readonly stream: Readable;
  /** What was left out, or changed while it was read; known once the stream is at its end. */
  readonly warnings: Promise<readonly ArchiveWarning[]>;
}

/**
 * A tar of a folder that is being written to. Each file is as it is when its turn comes. Throws `ArtifactsTooMany` and
 * `ArtifactsTooLarge` (terminal), and `Cancelled`.
 */
export async function liveTar(folder: string, signal: AbortSignal): Promise<LiveTar> {
  const { entries, warnings: early } = await selectFiles([{ folder, paths: 'all' }], DEFAULT_LIMITS, signal);
  const pack = createPack();
  const fill = async (): Promise<readonly ArchiveWarning[]> => {
    const warnings: ArchiveWarning[] = [];
    for (const entry of entries) {
      signal.throwIfAborted();
      const { path } = entry;
      if (entry.kind === 'link') {
        pack.entry({ name: path, type: 'symlink', linkname: entry.target, mode: 0o777, mtime: EPOCH });
        continue;
      }
      const packed = await packFile(pack, path, entry.file, () => undefined);
      const message = typeof packed === 'string' ? packed : packed.change;
      if (message !== undefined) warnings.push({ path, message, lost: typeof packed === 'string' });
    }
    pack.finalize();
    return [...early, ...warnings];
  };
  const warnings = fill();
  warnings.catch((error: Error) => pack.destroy(error));
  return { stream: pack as unknown as Readable, warnings };
}
