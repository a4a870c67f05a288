import { createHash } from 'node:crypto';
import fc from 'fast-check';
import picomatch from 'picomatch';
import { terminalError } from '../../src/errors.ts';
import { parseManifests } from '../../src/job/parse.ts';
import { formatProblem } from '../../src/job/problems.ts';
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

/** All that is said about a file, as a person reads it; its path, which begins each line, is cut off. */
export function saidOf(text: string, path = 'jobs/a.yaml'): readonly string[] {
  const { documents, broken } = parseManifests(path, Buffer.from(text), { wasManifest: false });
  const problems = [
    ...(broken ?? []),
    ...documents.flatMap((document) => ('problems' in document ? document.problems : [])),
  ];
  return problems.map((problem) => formatProblem(problem).slice(path.length + 1));
}

/** What is said about the spec of a job named `a`, whose lines begin at line 6, column 3. */
export const saidOfSpec = (...spec: readonly string[]): readonly string[] => saidOf(jobYaml('a', ...spec));

const EXPRESSION_WORD = fc.constantFrom(
  'params',
  'matrix',
  'needs',
  'trigger',
  '.',
  '.',
  'REGION',
  'node',
  '"a"',
  '1',
  '1.5',
  '+',
  '==',
  '&&',
  '!',
  '-',
  '?',
  ':',
  '(',
  ')',
  '[',
  ']',
  '{',
  '}',
  ',',
  'has',
  'size',
  '.map(x,',
  '.exists(x,',
  'x',
  '.matches(',
  '__proto__',
  'constructor',
  'in',
);

/** Texts that are nearly expressions, or nothing of the kind. */
export const hostileExpression = fc.oneof(
  fc.array(EXPRESSION_WORD, { maxLength: 12 }).map((words) => words.join(' ')),
  fc.string().filter((text) => !text.includes('\0')),
);
