import type { FieldPath } from '../job/positions.ts';
import { schemas } from '../schemas/index.ts';

/** A remark on a field of a manifest, written above it. */
export interface Comment {
  /** The field of the manifest. Where it is not written, the remark stands above what is nearest around it. */
  readonly path: FieldPath;
  /** Whether a person has to decide something. */
  readonly todo: boolean;
  readonly text: string;
}

export type Mapping = Readonly<Record<string, unknown>>;

/** A Job while it is being made. */
export interface Draft {
  readonly name: string;
  /** What of the input it is made of. */
  readonly source: FieldPath;
  readonly labels: Record<string, string>;
  readonly annotations: Record<string, string>;
  /** The fields of the spec, as far as they are known; undefined ones are left out. */
  readonly spec: Record<string, unknown>;
  readonly comments: Comment[];
  /** A person has to decide something about the field. */
  todo(path: FieldPath, text: string): void;
  /** Something about the field that a person may want to know. */
  note(path: FieldPath, text: string): void;
}

export function createDraft(name: string, source: FieldPath): Draft {
  // Only here do the exit codes 42 and 43 mean something else than a failure.
  const comments: Comment[] = [
    { path: ['spec', 'exitCodes'], todo: false, text: 'every exit code but 0 is a failure, as it was before' },
  ];
  const add = (comment: Comment): void => {
    const isSame = (other: Comment): boolean => JSON.stringify(other) === JSON.stringify(comment);
    if (!comments.some(isSame)) comments.push(comment);
  };
  return {
    name,
    source,
    labels: {},
    annotations: {},
    spec: { exitCodes: { warning: [], skipped: [] } },
    comments,
    todo: (path, text) => add({ path, todo: true, text }),
    note: (path, text) => add({ path, todo: false, text }),
  };
}

const SPEC_ORDER: readonly string[] = Object.keys(
  (schemas.job['$defs'] as { readonly jobSpec: { readonly properties: Mapping } }).jobSpec.properties,
);

/** The manifest of a draft: fields of the spec in the order of the schema, without what is undefined. */
export function documentOf({ name, labels, annotations, spec }: Draft): Mapping {
  const ordered = SPEC_ORDER.filter((key) => spec[key] !== undefined).map((key) => [key, spec[key]] as const);
  const document = {
    apiVersion: 'runledger.dev/v1',
    kind: 'Job',
    metadata: { name, labels: nonEmpty(labels), annotations: nonEmpty(annotations) },
    spec: Object.fromEntries(ordered),
  };
  return JSON.parse(JSON.stringify(document)) as Mapping;
}

/** The list or mapping, or undefined where nothing is in it. */
export function nonEmpty<T extends object>(value: T | undefined): T | undefined {
  return value === undefined || Object.keys(value).length === 0 ? undefined : value;
}

/** A mapping without the fields that are undefined. */
export function defined<T extends object>(value: T): { [Key in keyof T]: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as {
    [Key in keyof T]: Exclude<T[Key], undefined>;
  };
}
