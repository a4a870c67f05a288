import type { Ajv2020, ValidateFunction } from 'ajv/dist/2020.js';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createAjv, type SchemaName, schemas } from '../schemas/index.ts';

/** The schemas that nearly every command judges documents by: the build compiles them ahead. */
export const COMPILED_AHEAD = ['job', 'jobstatus'] as const satisfies readonly SchemaName[];

/** What the build writes beside this module (scripts/build.ts): a validator for each of these schemas, by its name. */
export const COMPILED_FILE = 'verdicts.cjs';

/** An Ajv that stops at the first error, with all schemas, of which none is compiled. `source`: it can write its code down. */
export const createVerdictAjv = (source = false): Ajv2020 => createAjv({ code: { source } });

let ahead: Readonly<Partial<Record<SchemaName, ValidateFunction>>> | undefined;
let ajv: Ajv2020 | undefined;

/**
 * The validator of a schema that stops at the first error: one that was compiled ahead, or else one that is compiled when it is
 * first asked for, which takes longer than to validate thousands of documents.
 */
export function verdictOf(name: SchemaName): ValidateFunction {
  ahead ??= compiledAhead();
  const ready = ahead[name];
  if (ready) return ready;
  ajv ??= createVerdictAjv();
  const validate = ajv.getSchema(String(schemas[name]['$id']));
  if (!validate) throw new TypeError(`there is no schema ${name}`);
  return validate;
}

/** None where the sources are run as they are. */
function compiledAhead(): Readonly<Partial<Record<SchemaName, ValidateFunction>>> {
  const file = new URL(COMPILED_FILE, import.meta.url);
  return existsSync(file) ? (createRequire(import.meta.url)(`./${COMPILED_FILE}`) as typeof ahead & object) : {};
}
