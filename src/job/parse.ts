import { messageOf, terminalError } from '../errors.ts';
import type { Job, JobOutline, JudgedManifest, ManifestProblem, RunnerSet } from '../schemas/index.ts';
import { digestOf } from './digest.ts';
import type { Finding } from './explain.ts';
import type { Position } from './model.ts';
import type { FieldPath } from './positions.ts';
import { placeFindings } from './problems.ts';
import { misreadFindings } from './rules-matrix.ts';
import { validateJob, validateRunnerSet } from './validate.ts';
import { didYouMean, nearest, quote, shorten } from './words.ts';
import { mentionsRunledger, readYaml, YAML_LIMITS, type YamlFile } from './yaml.ts';

/** A job that another one needs, and where that is written. */
export interface NeededJob {
  readonly name: string;
  readonly field: FieldPath;
}

interface DocumentPlace {
  /** Which document of the file it is, from 0. */
  readonly index: number;
  readonly position: Position;
}

export interface ParsedJob extends DocumentPlace {
  readonly kind: 'job';
  readonly name: string;
  readonly outline: JobOutline;
  readonly job: Job;
  /** Null: it depends on files beside the manifest. */
  readonly digest: string | null;
  readonly needs: readonly NeededJob[];
}

export interface ParsedInvalidJob extends DocumentPlace {
  readonly kind: 'invalidJob';
  readonly name: string;
  readonly problems: readonly ManifestProblem[];
  /** As far as they can be told. */
  readonly needs: readonly NeededJob[];
}

export interface ParsedRunnerSet extends DocumentPlace {
  readonly kind: 'runnerSet';
  readonly name: string;
  readonly runnerSet: RunnerSet;
}

/** A document of runledger's that is no job by any name. */
export interface ParsedProblem extends DocumentPlace {
  readonly kind: 'problem';
  readonly problems: readonly ManifestProblem[];
}

export type ParsedDocument = ParsedJob | ParsedInvalidJob | ParsedRunnerSet | ParsedProblem;

/** What a file says, by itself: a function of its path and content alone. */
export interface ParsedFile {
  /** Runledger's documents, in the order of the file. */
  readonly documents: readonly ParsedDocument[];
  /** Why the file does not parse, if it matters that it does not. */
  readonly broken: readonly ManifestProblem[] | null;
}

const NOTHING: ParsedFile = { documents: [], broken: null };

export const API_VERSION = 'runledger.dev/v1';

/** Kinds besides Job that belong to runledger. */
const MANIFEST_KINDS = ['RunnerSet', 'Config'] as const;

const LEDGER_KINDS: ReadonlySet<string> = new Set(['Outcome', 'JobStatus', 'Request', 'Plan', 'InvalidManifests']);

/**
 * Reads the manifests of a file. `path` counts from the root of the repository. A file that does not mention runledger is not
 * looked at, and one that does not parse is no problem, unless `wasManifest` says that it held manifests before. Never throws.
 */
export function parseManifests(
  path: string,
  bytes: Uint8Array,
  { wasManifest }: { readonly wasManifest: boolean },
): ParsedFile {
  if (!wasManifest && !mentionsRunledger(bytes)) return NOTHING;
  const { file, fault } = readYaml(bytes);
  if (fault) return { documents: [], broken: [{ file: path, ...fault, message: shorten(fault.message) }] };
  const documents = file.documents.flatMap((document, index) => {
    const parsed =
      isMapping(document) && isRunledgers(document) ? parseDocument(path, file, document, index) : undefined;
    return parsed ? [parsed] : [];
  });
  return documents.length === 0 ? NOTHING : { documents, broken: null };
}

/** The problem of a file that could not even be read. */
export function unreadable(path: string, message: string): ParsedFile {
  return { documents: [], broken: [{ file: path, line: 1, column: 1, message: shorten(message) }] };
}

type Mapping = Readonly<Record<string, unknown>>;

function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isRunledgers({ apiVersion }: Mapping): boolean {
  return typeof apiVersion === 'string' && apiVersion.startsWith('runledger.dev/');
}

function parseDocument(path: string, yaml: YamlFile, document: Mapping, index: number): ParsedDocument {
  const place: DocumentPlace = { index, position: yaml.position(index) };
  try {
    return judgeDocument(path, yaml, document, place);
  } catch (error) {
    // A fault of ours must not keep all other manifests from being read.
    const message = shorten(`this document can't be judged: ${messageOf(error)}`);
    return { kind: 'problem', ...place, problems: [{ file: path, ...place.position, message }] };
  }
}

function judgeDocument(path: string, yaml: YamlFile, document: Mapping, place: DocumentPlace): ParsedDocument {
  const { index } = place;
  const fail = (findings: readonly Finding[]): ParsedDocument => {
    const problems = placeFindings(path, yaml, index, findings);
    const name = isMeantAsJob(document) ? nameOf(document) : undefined;
    return name === undefined
      ? { kind: 'problem', ...place, problems }
      : { kind: 'invalidJob', ...place, name, problems, needs: neededJobs(document) };
  };
  const trouble = versionTrouble(document) ?? kindTrouble(document) ?? sizeTrouble(yaml.size(index));
  if (trouble) return fail([trouble]);
  if (document['kind'] === 'RunnerSet') {
    const { manifest, findings } = validateRunnerSet(document);
    return findings
      ? fail(findings)
      : { kind: 'runnerSet', ...place, name: manifest.metadata.name, runnerSet: manifest };
  }
  const { json, findings } = validateJob(document, path);
  const misread = misreadValues(document, (field) => yaml.written(index, field));
  if (findings || misread.length > 0) return fail([...misread, ...(findings ?? [])]);
  // Shares nothing with the file's text: the parser's strings are slices that would keep all of it in memory.
  const job = JSON.parse(json) as Job;
  const digest = readsFiles(job) ? null : digestOf(job.spec);
  const outline = outlineOf(job);
  return { kind: 'job', ...place, name: job.metadata.name, outline, job, digest, needs: neededJobs(document) };
}

const outlineOf = ({ spec: { on, needs, suspend, runsOn } }: Job): JobOutline => ({
  ...(on === undefined ? {} : { on }),
  ...(needs === undefined ? {} : { needs }),
  ...(suspend === undefined ? {} : { suspend }),
  ...(runsOn === undefined ? {} : { runsOn }),
});

/** The one document of a file whose content was judged before, by the same rules. Its job is parsed when it is asked for. */
export function judgedFile(
  path: string,
  name: string,
  { line, column, digest, outline }: JudgedManifest,
  bytes: Uint8Array,
): ParsedFile {
  let job: Job | undefined;
  const parse = (): Job => {
    const [document] = parseManifests(path, bytes, { wasManifest: true }).documents;
    if (document?.kind === 'job' && document.name === name && document.digest === digest) return document.job;
    throw terminalError('LedgerFileInvalid', `${path}: is not what the status of ${name} on the ledger says of it`, {
      hint: `remove "judged" from the status of ${name} on the ledger, or change the manifest`,
    });
  };
  const document: ParsedJob = {
    kind: 'job',
    index: 0,
    position: { line, column },
    name,
    outline,
    digest,
    needs: neededJobs({ spec: outline }),
    get job() {
      return (job ??= parse());
    },
  };
  return { documents: [document], broken: null };
}

/** Values of a matrix that YAML reads as another text; what has no text is not looked at. */
function misreadValues({ spec }: Mapping, written: (field: FieldPath) => string | undefined): readonly Finding[] {
  const matrix = isMapping(spec) ? spec['matrix'] : undefined;
  return isMapping(matrix) ? misreadFindings(matrix, written) : [];
}

function versionTrouble({ apiVersion }: Mapping): Finding | undefined {
  if (apiVersion === API_VERSION) return undefined;
  return {
    path: ['apiVersion'],
    place: 'value',
    message: `${quote(apiVersion)} is not known; this version reads ${API_VERSION}`,
  };
}

function kindTrouble({ kind }: Mapping): Finding | undefined {
  const trouble = (message: string): Finding => ({ path: ['kind'], place: 'value', message });
  if (kind === 'Job') return undefined;
  if (kind === undefined) return trouble('is missing; write Job');
  if (typeof kind !== 'string') return trouble('is not the name of a kind; write Job');
  if (kind === 'RunnerSet') return undefined;
  if (kind === 'Config') return trouble('a Config is never read from a source; give it to runledger itself');
  if (LEDGER_KINDS.has(kind))
    return trouble(`${quote(kind)} is what runledger writes to the ledger; it is no manifest`);
  return trouble(`${quote(kind)} is not a kind of manifest${didYouMean(kind, ['Job', 'RunnerSet']) || '; write Job'}`);
}

function sizeTrouble(size: number): Finding | undefined {
  const message = `the document has ${size} keys and values; a manifest may have ${YAML_LIMITS.values}`;
  return size > YAML_LIMITS.values ? { path: [], place: 'value', message } : undefined;
}

/** A slip in the kind must not look as if the job had been removed, which would cancel its runs. */
function isMeantAsJob({ kind }: Mapping): boolean {
  return typeof kind !== 'string' || nearest(kind, ['Job', ...MANIFEST_KINDS]) === 'Job';
}

/** The name of a document that may be no valid Job otherwise. */
function nameOf({ metadata }: Mapping): string | undefined {
  const name = isMapping(metadata) ? metadata['name'] : undefined;
  return typeof name === 'string' && name.length <= 40 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(name)
    ? name
    : undefined;
}

const NO_NEEDS: readonly NeededJob[] = [];

function neededJobs({ spec }: { readonly spec?: unknown }): readonly NeededJob[] {
  const needs = isMapping(spec) ? spec['needs'] : undefined;
  if (!Array.isArray(needs)) return NO_NEEDS;
  return needs.flatMap((need: unknown, index): NeededJob[] => {
    if (typeof need === 'string') return [{ name: need, field: ['spec', 'needs', index] }];
    const job = isMapping(need) ? need['job'] : undefined;
    return typeof job === 'string' ? [{ name: job, field: ['spec', 'needs', index, 'job'] }] : [];
  });
}

/** Whether what the job executes depends on other files of the repository. */
function readsFiles({ spec: { files = [], on } }: Job): boolean {
  return files.some(({ from }) => from !== undefined) || typeof on?.commit === 'object';
}
