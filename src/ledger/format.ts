import { dump, load } from 'js-yaml';
import { terminalError, messageOf, type CodedError } from '../errors.ts';
import { verdictOf } from '../job/verdict.ts';
import {
  validators,
  type InvalidManifests,
  type JobStatus,
  type Outcome,
  type Request,
  type RunnerSetStatus,
  type SchemaName,
} from '../schemas/index.ts';
import { FORMAT_PATH } from './layout.ts';
import { invalidShape, outcomeShape, ordered, requestShape, runnerSetShape, statusShape, type Shape } from './order.ts';

/** The version of a ledger's files and folders that this program reads and writes. */
export const FORMAT_VERSION = 1;

type Stored = {
  readonly outcome: Outcome;
  readonly jobstatus: JobStatus;
  readonly runnersetstatus: RunnerSetStatus;
  readonly invalid: InvalidManifests;
  readonly request: Request;
};

const SHAPES: Readonly<Record<keyof Stored, Shape>> = {
  outcome: outcomeShape,
  jobstatus: statusShape,
  runnersetstatus: runnerSetShape,
  invalid: invalidShape,
  request: requestShape,
};

/**
 * A document as the ledger stores it: the same bytes for the same content. Throws `LedgerDocumentInvalid` (terminal) for
 * one that does not conform to its schema, so that nothing gets into a ledger that can't be read again.
 */
export function encode<Name extends keyof Stored>(name: Name, value: Stored[Name], path: string): Uint8Array {
  // The check goes first: what has no shape can't be put in order.
  assertConforms(name, value, (problem) =>
    terminalError('LedgerDocumentInvalid', `ledger: ${path} would not be valid: ${problem}`, {
      hint: 'this is a fault of runledger, please report it; nothing was written',
    }),
  );
  return yamlBytes(ordered(value, SHAPES[name]));
}

/**
 * The document that a file of the ledger holds. Throws `LedgerFileInvalid` (terminal) for one that does not parse or does
 * not conform to its schema.
 */
export function decode<Name extends keyof Stored>(name: Name, bytes: Uint8Array, path: string): Stored[Name] {
  const value = parseYaml(bytes, path);
  assertConforms(name, value, (problem) => fileInvalid(path, problem));
  return value as Stored[Name];
}

/** The bytes of `spec.yaml`. */
export const encodeSpec = (spec: Readonly<Record<string, unknown>>): Uint8Array => yamlBytes(spec);

/** The spec that a `spec.yaml` holds; throws `LedgerFileInvalid` (terminal) for anything but a mapping. */
export function decodeSpec(bytes: Uint8Array, path: string): Readonly<Record<string, unknown>> {
  const value = parseYaml(bytes, path);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw fileInvalid(path, 'it is no mapping');
  return value as Record<string, unknown>;
}

/** The bytes of the file `format`. */
export const formatBytes = (): Uint8Array => Buffer.from(`${FORMAT_VERSION}\n`);

/**
 * Checks the file `format` (undefined: there is none). Throws `NotALedger`, `LedgerTooNew`, `LedgerFileInvalid` (all
 * terminal).
 */
export function checkFormat(bytes: Uint8Array | undefined, branch: string): void {
  if (bytes === undefined) {
    throw terminalError('NotALedger', `branch ${branch}: has files but is no ledger (no file "${FORMAT_PATH}")`, {
      hint: 'name a branch for the ledger that does not exist yet, such as runledger/status',
    });
  }
  const text = Buffer.from(bytes).toString('utf8').trim();
  if (!/^[1-9]\d{0,8}$/.test(text)) throw fileInvalid(FORMAT_PATH, 'it holds no version number');
  if (Number(text) > FORMAT_VERSION) {
    throw terminalError(
      'LedgerTooNew',
      `branch ${branch}: the ledger has format ${text}, this runledger knows formats up to ${FORMAT_VERSION}`,
      { hint: '`runledger upgrade` brings the newest version; it has to be at least the one that wrote the ledger' },
    );
  }
}

/** A job of a bucket's index: its status, and the id of the folder that the status was taken from. */
export interface IndexEntry {
  readonly folder: string;
  readonly status: JobStatus;
}

/**
 * The index of a bucket, one line a job: the machine's copy of the statuses in the bucket, so that 10,000 jobs are read
 * from 256 files. An entry counts only for the very folder that it names by id (docs/architecture.md: derived, recomputed).
 */
export function encodeIndex(entries: readonly IndexEntry[]): Uint8Array {
  const sorted = [...entries].sort((a, b) => (a.status.job < b.status.job ? -1 : 1));
  const lines = sorted.map(({ folder, status }) => JSON.stringify({ folder, status: ordered(status, statusShape) }));
  return Buffer.from(`{"version":${FORMAT_VERSION},"jobs":[\n${lines.join(',\n')}\n]}\n`);
}

/** The index of a bucket as it was found: what it says of a job is checked when it is asked for. */
export interface FoundIndex {
  /** The status of a job whose folder has this id; undefined if the index does not know, or can't be read. */
  statusOf(job: string, folder: string): JobStatus | undefined;
}

/** Reads an index. It never fails: whatever it does not know stands in the status files too. */
export function decodeIndex(bytes: Uint8Array): FoundIndex {
  const entries = new Map<string, Partial<IndexEntry>>();
  for (const entry of parseIndex(bytes)) {
    if (typeof entry?.folder === 'string') entries.set(entry.folder, entry);
  }
  const isValid = verdictOf('jobstatus');
  const texts = new Map<string, string>();
  return {
    statusOf(job, folder) {
      const status = entries.get(folder)?.status;
      if (status?.job !== job || !isValid(status)) return undefined;
      shareTexts(status, texts);
      return status;
    },
  };
}

/** Shorter strings are shared by the JSON parser itself. */
const SHARED_LENGTH = 11;

/** Keeps equal strings once: revisions, times and messages are the same in very many statuses of a ledger in memory. */
function shareTexts(value: object, texts: Map<string, string>): void {
  const fields = value as Record<string, unknown>;
  for (const key of Object.keys(fields)) {
    const field = fields[key];
    if (typeof field === 'object' && field !== null) shareTexts(field, texts);
    else if (typeof field === 'string' && field.length >= SHARED_LENGTH) {
      const shared = texts.get(field);
      if (shared === undefined) texts.set(field, field);
      else fields[key] = shared;
    }
  }
}

function parseIndex(bytes: Uint8Array): readonly (Partial<IndexEntry> | null)[] {
  try {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
    const parsed = JSON.parse(text) as { version?: unknown; jobs?: unknown } | null;
    return parsed?.version === FORMAT_VERSION && Array.isArray(parsed.jobs) ? parsed.jobs : [];
  } catch {
    return [];
  }
}

function yamlBytes(value: unknown): Uint8Array {
  return Buffer.from(dump(value, { noRefs: true, lineWidth: -1, quoteStyle: 'double' }));
}

function parseYaml(bytes: Uint8Array, path: string): unknown {
  try {
    return load(Buffer.from(bytes).toString('utf8'), { maxAliases: 0, maxDepth: 64 });
  } catch (error) {
    throw fileInvalid(path, messageOf(error).split('\n')[0] ?? '', error);
  }
}

function assertConforms(name: SchemaName, value: unknown, fail: (problem: string) => CodedError): void {
  const validate = validators[name];
  if (validate(value)) return;
  const [first] = validate.errors ?? [];
  throw fail(
    first
      ? `${first.instancePath.slice(1).replaceAll('/', '.') || 'it'} ${first.message ?? 'is wrong'}`
      : 'it is wrong',
  );
}

function fileInvalid(path: string, problem: string, cause?: unknown): CodedError {
  return terminalError('LedgerFileInvalid', `ledger: ${path}: ${problem}`, {
    hint: `bring back the last good version of ${path}: git log -- ${path} on the ledger branch shows who changed it`,
    ...(cause === undefined ? {} : { cause }),
  });
}
