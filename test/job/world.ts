import { createHash } from 'node:crypto';
import picomatch from 'picomatch';
import { terminalError } from '../../src/errors.ts';
import type { Snapshot, SourceFile } from '../../src/sources/port.ts';

/** A revision that lies in memory. */
export interface MemorySnapshot extends Snapshot {
  /** The paths that were read, in order. */
  readonly reads: readonly string[];
}

/** Files by path; an error stands for a file that can't be read. */
export function snapshotOf(
  files: Readonly<Record<string, string | Uint8Array | Error>>,
  revision = 'none',
): MemorySnapshot {
  const reads: string[] = [];
  const sources = Object.keys(files)
    .sort()
    .map((path): SourceFile => ({ path, id: idOf(files[path]), mode: '100644' }));
  const find = (path: string): SourceFile | undefined => sources.find((file) => file.path === path);
  return {
    reads,
    revision,
    manifests: sources.filter(({ path }) => /\.ya?ml$/.test(path)),
    find: (path) => Promise.resolve(find(path)),
    match: (globs) => Promise.resolve(sources.filter(({ path }) => picomatch([...globs])(path))),
    read({ path }) {
      reads.push(path);
      const content = files[path] ?? terminalError('FileMissing', `${path} is gone`);
      return content instanceof Error ? Promise.reject(content) : Promise.resolve(Buffer.from(content));
    },
  };
}

function idOf(content: string | Uint8Array | Error | undefined): string {
  const bytes = content instanceof Error || content === undefined ? String(content) : content;
  return createHash('sha1').update(bytes).digest('hex');
}

/** A manifest of a job, with the lines of its spec; they begin at line 6. */
export function jobYaml(name: string, ...spec: readonly string[]): string {
  const head = ['apiVersion: runledger.dev/v1', 'kind: Job', 'metadata:', `  name: ${name}`, 'spec:'];
  return [...head, ...spec.map((line) => `  ${line}`), ''].join('\n');
}
