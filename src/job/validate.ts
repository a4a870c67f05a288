import type { Job, RunnerSet, SchemaName } from '../schemas/index.ts';
import { explain, type Finding } from './explain.ts';
import { type FieldPath, formatPath } from './positions.ts';
import { ruleFindings } from './rules.ts';
import { runnerSetFindings } from './rules-runnerset.ts';
import { unsupportedFields } from './support.ts';
import { verdictOf } from './verdict.ts';

/** A document that may be executed, or everything that is wrong with it. */
export type Validated<Manifest> =
  | { readonly manifest: Manifest; readonly findings?: never }
  | { readonly manifest?: never; readonly findings: readonly Finding[] };

/** A Job that may be executed, as JSON, or everything that is wrong with the document. */
export type ValidatedJob =
  | { readonly json: string; readonly findings?: never }
  | { readonly json?: never; readonly findings: readonly Finding[] };

/**
 * Judges a document of kind Job: by its schema, by the rules that a schema can't express, and by what this version
 * supports. All findings at once: a field that its schema refuses does not hide what the rules say about the others.
 */
export function validateJob(document: unknown, manifestPath: string): ValidatedJob {
  const findings = schemaFindings('job', document);
  const sound = findings.length === 0 ? (document as Job) : withoutFields(document, findings);
  const text = sound ? JSON.stringify(sound) : '';
  const broken = sound ? ruleFindings({ job: sound, text, manifestPath }) : [];
  const unsupported = unsupportedFields(document);
  if (findings.length + unsupported.length + broken.length === 0) return { json: text };
  // A value that is no value of the field at all is not one that this version can't do yet.
  const refused = new Set(findings.map(({ path }) => formatPath(path)));
  return { findings: [...findings, ...broken, ...unsupported.filter(({ path }) => !refused.has(formatPath(path)))] };
}

/** Judges a document of kind RunnerSet by its schema, and by the rules that a schema can't express. */
export function validateRunnerSet(document: unknown): Validated<RunnerSet> {
  const schema = schemaFindings('runnerset', document);
  const findings = schema.length > 0 ? schema : runnerSetFindings(document as RunnerSet);
  return findings.length > 0 ? { findings } : { manifest: document as RunnerSet };
}

/** What a schema has against a value, in sentences; none when it conforms. */
export function schemaFindings(name: SchemaName, value: unknown): readonly Finding[] {
  const validate = verdictOf(name);
  if (validate(value)) return [];
  // Ajv takes a time that grows with the square of the number of errors to collect them; explain finds all of them.
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
function withoutFields(document: unknown, findings: readonly Finding[]): Job | undefined {
  for (const depth of [Number.POSITIVE_INFINITY, 2]) {
    const rest: unknown = structuredClone(document);
    for (const { path } of findings) removeField(rest, path.slice(0, depth));
    mend(rest);
    if (verdictOf('job')(rest)) return rest as Job;
  }
  return undefined;
}

type Mapping = Record<string, unknown>;

const isMapping = (value: unknown): value is Mapping =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function removeField(root: unknown, path: FieldPath): void {
  let value = root;
  let owner: Mapping | undefined; // the innermost mapping on the way, and the key at which the way leaves it
  let key = '';
  for (const part of path) {
    if (isMapping(value)) [owner, key] = [value, String(part)];
    else if (!Array.isArray(value)) return;
    value = (value as Mapping)[part];
  }
  // A list without one of its items would move the others: it goes as a whole. What can be mended stays.
  if (!isMapping(value) || !isMendable(path)) delete owner?.[key];
}

function isMendable([root, field, index, ...rest]: FieldPath): boolean {
  return root === 'spec' && (field === undefined || (field === 'steps' && index !== undefined && rest.length === 0));
}

/** Puts something into the place of what no Job can be without, and keeps one of two that exclude each other. */
function mend(root: unknown): void {
  if (!isMapping(root)) return;
  const { metadata, spec } = root;
  if (isMapping(metadata)) metadata['name'] ??= 'unnamed';
  if (!isMapping(spec)) return;
  if (spec['matrix'] !== undefined) delete spec['tasks'];
  if (Array.isArray(spec['steps'])) {
    delete spec['run'];
    for (const [index, step] of spec['steps'].entries()) if (isMapping(step)) mendStep(step, index);
  } else spec['run'] ??= 'true';
}

function mendStep(step: Mapping, index: number): void {
  step['name'] ??= `unnamed-${index}`;
  if (step['run'] !== undefined) {
    delete step['command'];
    delete step['args'];
  } else if (step['command'] === undefined) {
    step['run'] = 'true';
    delete step['args'];
  } else delete step['shell'];
}
