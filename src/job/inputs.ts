import { isCoded, messageOf } from '../errors.ts';
import type { Job } from '../schemas/index.ts';
import type { Snapshot, SourceFile } from '../sources/port.ts';
import { coveredSpec, type CoveredSpec, type DigestInputs, sha256 } from './digest.ts';
import type { Finding } from './explain.ts';
import type { DesiredJob } from './model.ts';
import { resolveFrom } from './paths.ts';
import { formatBytes } from './quantity.ts';
import { CONTENT_LIMIT, contentBytes, contentTrouble } from './rules-files.ts';
import { quote } from './words.ts';

/** Size and hash of a file that a manifest draws in, or why it can't be. */
type Measured = { readonly bytes: number; readonly sha256: string } | { readonly trouble: string };

/** What is known of file contents by their blob ids, kept from one build to the next. */
export type ContentCache = Map<string, Measured>;

/** Looks files up in one snapshot, each only once however many jobs name it. */
export interface InputReader {
  /** What a valid job draws in, and what is wrong with that. Throws when the snapshot can't be read for now. */
  read(
    job: Job,
    manifestPath: string,
  ): Promise<{ readonly inputs: DigestInputs; readonly findings: readonly Finding[] }>;
  /** The blob ids that were met: what else a cache holds is of the past. */
  readonly met: ReadonlySet<string>;
}

export function createInputReader(snapshot: Snapshot, cache: ContentCache = new Map()): InputReader {
  const met = new Set<string>();
  const files = new Map<string, Promise<Measured>>();
  const globs = new Map<string, Promise<ReadonlyMap<string, string>>>();

  const measure = async (path: string): Promise<Measured> => {
    const file = await snapshot.find(path);
    if (!file) return { trouble: `does not exist: the repository has no ${path}` };
    // A link keeps its blob id while what it points to changes.
    const known = file.mode === '120000' ? undefined : cache.get(file.id);
    met.add(file.id);
    if (known) return known;
    const bytes = await snapshot.read(file);
    const measured: Measured =
      bytes.byteLength > CONTENT_LIMIT
        ? { trouble: `has ${formatBytes(bytes.byteLength)}; a run can carry ${formatBytes(CONTENT_LIMIT)}` }
        : { bytes: bytes.byteLength, sha256: sha256(bytes) };
    if (file.mode !== '120000') cache.set(file.id, measured);
    return measured;
  };

  const measured = (path: string): Promise<Measured> => {
    const found = files.get(path) ?? measure(path).catch(troubleOf);
    files.set(path, found);
    return found;
  };

  const matches = (paths: readonly string[]): Promise<ReadonlyMap<string, string>> => {
    const key = JSON.stringify(paths);
    const found = globs.get(key) ?? snapshot.match(paths).then(idsByPath);
    globs.set(key, found);
    return found;
  };

  return {
    met,
    async read(job, manifestPath) {
      const findings: Finding[] = [];
      const fromFiles = new Map<string, string>();
      let total = contentBytes(job.spec);
      for (const [index, { from }] of (job.spec.files ?? []).entries()) {
        if (from === undefined) continue;
        const file = await measured(resolveFrom(manifestPath, from) ?? '');
        if ('trouble' in file) {
          findings.push({
            path: ['spec', 'files', index, 'from'],
            place: 'value',
            message: `${quote(from)} ${file.trouble}`,
          });
          continue;
        }
        fromFiles.set(from, file.sha256);
        total += file.bytes;
      }
      if (total > CONTENT_LIMIT)
        findings.push({ path: ['spec', 'files'], place: 'key', message: contentTrouble(total) });
      const commit = job.spec.on?.commit;
      const commitPaths = typeof commit === 'object' ? await matches(commit.paths) : new Map<string, string>();
      return { inputs: { fromFiles, commitPaths }, findings };
    },
  };
}

/** What the digest of a job covers at a snapshot. Throws a TypeError when one of its files is not there. */
export async function coveredOf(job: DesiredJob, snapshot: Snapshot): Promise<CoveredSpec> {
  const { inputs } = await createInputReader(snapshot).read(job.manifest, job.path);
  return coveredSpec(job.manifest.spec, inputs);
}

/** Faults of a disk or network concern the whole snapshot and are no word about this file: they go on up. */
export function troubleOf(error: unknown): { readonly trouble: string } {
  if (isCoded(error) && error.errorClass !== 'terminal') throw error;
  if (isCoded(error, 'SymlinkLeaves'))
    return { trouble: 'is a symbolic link that leaves the repository or leads nowhere' };
  if (isCoded(error, 'FileTooLarge')) return { trouble: 'is larger than 64 MiB' };
  if (isCoded(error, 'FileMissing')) return { trouble: 'does not exist' };
  return { trouble: `can't be read: ${messageOf(error)}` };
}

function idsByPath(files: readonly SourceFile[]): ReadonlyMap<string, string> {
  return new Map(files.map(({ path, id }) => [path, id]));
}
