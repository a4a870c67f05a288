import standalone from 'ajv/dist/standalone/index.js';
import { COMPILED_AHEAD, createVerdictAjv } from '../src/job/verdict.ts';
import { schemas } from '../src/schemas/index.ts';

/** The code (CommonJS) of the validators that are compiled ahead, each exported by the name of its schema. */
export function verdictCode(): string {
  const ids = Object.fromEntries(COMPILED_AHEAD.map((name) => [name, String(schemas[name]['$id'])]));
  return standalone.default(createVerdictAjv(true), ids);
}
