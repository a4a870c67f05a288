import { hash } from 'node:crypto';
import type { Job, JobFile } from '../schemas/index.ts';
import { canonicalJson } from './canonical.ts';

type JobSpec = Job['spec'];

/** What a spec draws in from the repository around it. */
export interface DigestInputs {
  /** SHA-256 (hex) of the content of each `from` file, by the `from` as written. */
  readonly fromFiles: ReadonlyMap<string, string>;
  /** The files that match `on.commit.paths`: blob ids by path. */
  readonly commitPaths: ReadonlyMap<string, string>;
}

export const NO_INPUTS: DigestInputs = { fromFiles: new Map(), commitPaths: new Map() };

/** What the digest covers, as a plain object that can be written down: the spec without what does not change what executes. */
export type CoveredSpec = Readonly<Record<string, unknown>>;

/** Fields that say when, whether or how visibly a job runs, and not what it executes. */
const NOT_COVERED: ReadonlySet<string> = new Set([
  'description',
  'suspend',
  'on',
  'concurrency',
  'priority',
  'keep',
] satisfies readonly (keyof JobSpec)[]);

/** Beyond this many matches of `on.commit.paths` one hash stands for all, so that what is stored stays small. */
const LISTED_PATHS = 200;

/**
 * The part of a spec that the digest covers, as written and without defaults. Throws a TypeError when a `from` file has no
 * hash among the inputs.
 */
export function coveredSpec(spec: JobSpec, inputs: DigestInputs = NO_INPUTS): CoveredSpec {
  const covered: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(spec)) if (!NOT_COVERED.has(key)) covered[key] = value;
  if (spec.parameters) covered['parameters'] = defaultsOf(spec.parameters);
  if (spec.files) covered['files'] = spec.files.map((file) => coveredFile(file, inputs.fromFiles));
  if (inputs.commitPaths.size > 0) covered['on'] = { commit: { paths: coveredPaths(inputs.commitPaths) } };
  return covered;
}

/** `v1:` and the SHA-256 of the canonical JSON of what is covered. */
export function digestOf(spec: JobSpec, inputs: DigestInputs = NO_INPUTS): string {
  return digestOfCovered(coveredSpec(spec, inputs));
}

export function digestOfCovered(covered: CoveredSpec): string {
  return `v1:${sha256(canonicalJson(covered))}`;
}

/** SHA-256 in hexadecimal digits. */
export function sha256(content: string | Uint8Array): string {
  return hash('sha256', content, 'hex');
}

function defaultsOf(parameters: NonNullable<JobSpec['parameters']>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(parameters).map(([name, parameter]) => [
      name,
      parameter.default === undefined ? {} : { default: parameter.default },
    ]),
  );
}

function coveredFile(file: JobFile, fromFiles: ReadonlyMap<string, string>): JobFile & { readonly sha256?: string } {
  if (file.from === undefined) return file;
  const hash = fromFiles.get(file.from);
  if (hash === undefined) throw new TypeError(`no hash is known of ${file.from}`);
  return { ...file, sha256: hash };
}

function coveredPaths(paths: ReadonlyMap<string, string>): Readonly<Record<string, string>> {
  if (paths.size <= LISTED_PATHS) return Object.fromEntries(paths);
  const all = canonicalJson(Object.fromEntries(paths));
  return { '**': `${paths.size} files, sha256:${sha256(all)}` };
}
