import { type Job, type RunnerSet, type SchemaName, type Validators, validators as shared } from '../schemas/index.ts';
import { explain, type Finding } from './explain.ts';
import { type FieldPath, formatPath } from './positions.ts';
import { ruleFindings } from './rules.ts';
import { unsupportedFields } from './support.ts';

/** A document that may be executed, or everything that is wrong with it. */
export type Validated<Manifest> =
  | { readonly manifest: Manifest; readonly findings?: never }
  | { readonly manifest?: never; readonly findings: readonly Finding[] };

/**
 * Judges a document of kind Job: by its schema, by the rules that a schema can't express, and by what this version
 * supports. All findings at once: a field that its schema refuses does not hide what the rules say about the others.
 */
export function validateJob(document: unknown, manifestPath: string, validators: Validators = shared): Validated<Job> {
  const findings = schemaFindings('job', document, validators);
  const sound = findings.length === 0 ? (document as Job) : withoutFields(document, findings, validators);
  const refused = new Set(findings.map(({ path }) => formatPath(path)));
  // A value that is no value of the field at all is not one that this version can't do yet.
  const unsupported = unsupportedFields(document).filter(({ path }) => !refused.has(formatPath(path)));
  const all = [...findings, ...unsupported, ...(sound ? ruleFindings(sound, manifestPath) : [])];
  return all.length > 0 ? { findings: all } : { manifest: document as Job };
}

/** Judges a document of kind RunnerSet by its schema. */
export function validateRunnerSet(document: unknown, validators: Validators = shared): Validated<RunnerSet> {
  const findings = schemaFindings('runnerset', document, validators);
  return findings.length > 0 ? { findings } : { manifest: document as RunnerSet };
}

/** What a schema has against a value, in sentences; none when it conforms. */
export function schemaFindings(name: SchemaName, value: unknown, validators: Validators = shared): readonly Finding[] {
  const validate = validators[name];
  if (validate(value)) return [];
  const findings = explain(name, value);
  if (findings.length > 0) return findings;
  // A keyword that explain does not know: Ajv's own words are better than none.
  return (validate.errors ?? []).slice(0, 1).map(({ instancePath, message }) => ({
    path: instancePath.split('/').slice(1).map(pointerPart),
    place: 'value',
    message: message ?? 'is not valid',
  }));
}

/** A part of a JSON pointer: https://www.rfc-editor.org/rfc/rfc6901#section-3 */
function pointerPart(text: string): string | number {
  return /^\d+$/.test(text) ? Number(text) : text.replaceAll('~1', '/').replaceAll('~0', '~');
}

/**
 * The document without what the schema refuses, so that the rules can look at the rest: without the fields themselves or, where
 * that leaves no Job either, without the fields of the spec that hold them. Undefined when there is no Job within it.
 */
function withoutFields(document: unknown, findings: readonly Finding[], validators: Validators): Job | undefined {
  for (const depth of [Number.POSITIVE_INFINITY, 2]) {
    const rest: unknown = structuredClone(document);
    for (const { path } of findings) removeField(rest, path.slice(0, depth));
    complete(rest);
    if (validators.job(rest)) return rest;
  }
  return undefined;
}

/** Puts something into the place of what no Job can be without. */
function complete(root: unknown): void {
  const { metadata, spec } = root as { metadata?: Record<string, unknown>; spec?: Record<string, unknown> };
  if (typeof metadata === 'object' && metadata !== null) metadata['name'] ??= 'unnamed';
  if (typeof spec === 'object' && spec !== null && spec['steps'] === undefined) spec['run'] ??= 'true';
}

function removeField(root: unknown, path: FieldPath): void {
  let parent: unknown = root;
  for (const part of path.slice(0, -1)) {
    if (typeof parent !== 'object' || parent === null) return;
    parent = (parent as Record<string | number, unknown>)[part];
  }
  const last = path.at(-1);
  // Items of lists stay where they are, so that the places of the others do.
  if (last === undefined || typeof parent !== 'object' || parent === null || Array.isArray(parent)) return;
  delete (parent as Record<string | number, unknown>)[last];
}
