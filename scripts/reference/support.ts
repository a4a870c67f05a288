import type { Finding } from '../../src/job/explain.ts';
import { unsupportedFields } from '../../src/job/support.ts';
import { ignoredFields, refusedFields } from '../../src/runner/process/support.ts';
import type { Job, SchemaName } from '../../src/schemas/index.ts';
import { documentWith, type Field, ITEM, pathText, valuesOf } from './fields.ts';

/** What some part of runledger has against a field: found out by asking it, with the values that the schema names. */
interface Verdict {
  /** Values that it takes nevertheless. */
  readonly except: readonly unknown[];
  /** Which values are meant, in the words of who was asked. */
  readonly only?: string;
}

export interface Support {
  /** This version does not have the machinery for it. */
  readonly notYet?: Verdict;
  /** A job with it is refused by the process runner. */
  readonly processRefuses?: Verdict;
  /** It means nothing to the process runner. */
  readonly processIgnores?: Verdict;
}

/** What this version, and its process runner, can't do with a field of a document of this kind. */
export function supportOf(kind: SchemaName, field: Field): Support {
  if (kind !== 'job') return {};
  const unsupported = verdict(field, (document) => namesOf(unsupportedFields(document)));
  if (unsupported) return { notYet: unsupported };
  const ofSpec = (ask: (spec: Job['spec']) => readonly string[]) => (document: unknown) => ask((document as Job).spec);
  if (field.path[0] !== 'spec' || field.path.length === 1) return {};
  return given({
    processRefuses: verdict(field, ofSpec(refusedFields)),
    processIgnores: verdict(field, ofSpec(ignoredFields)),
  });
}

const given = (support: { readonly [Key in keyof Support]: Support[Key] | undefined }): Support =>
  Object.fromEntries(Object.entries(support).filter(([, found]) => found !== undefined));

const namesOf = (findings: readonly Finding[]): readonly string[] =>
  findings.map(({ path }) => pathText(path.map((part) => (typeof part === 'number' ? ITEM : part))));

/** `spec.files[0].path (absolute)`: a name, and which of its values are meant. */
const NAMED = /^(?<name>\S+)(?: \((?<only>.+)\))?$/;

function verdict(field: Field, ask: (document: unknown) => readonly string[]): Verdict | undefined {
  // Keys of free mappings are `name` in the documents that are tried.
  const wanted = pathText(field.path).replaceAll('*', 'name');
  const except: unknown[] = [];
  let only: string | undefined;
  let isNamed = false;
  for (const value of valuesOf(field.place)) {
    const found = ask(documentWith(field, value))
      .map((text) => NAMED.exec(text.replaceAll(/\[\d+\]/g, '[]'))?.groups)
      .find((groups) => groups?.['name'] === wanted);
    if (!found) except.push(value);
    isNamed ||= found !== undefined;
    only ??= found?.['only'];
  }
  if (!isNamed) return undefined;
  return only === undefined ? { except } : { except: [], only };
}
