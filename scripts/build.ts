/** Compiles src/ to dist/: what `npm pack` ships. */
import standalone from 'ajv/dist/standalone/index.js';
import { execFileSync } from 'node:child_process';
import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { COMPILED_AHEAD, COMPILED_FILE, createVerdictAjv } from '../src/job/verdict.ts';
import { schemas } from '../src/schemas/index.ts';

rmSync('dist', { recursive: true, force: true });
execFileSync('tsc', ['--project', 'tsconfig.build.json'], { stdio: 'inherit' });
writeFileSync(join('dist/src/job', COMPILED_FILE), verdicts());
chmodSync('dist/src/cli/main.js', 0o755);

/** The code of the validators that are compiled ahead: compiling them takes longer than a small repository's whole plan. */
function verdicts(): string {
  const ids = Object.fromEntries(COMPILED_AHEAD.map((name) => [name, String(schemas[name]['$id'])]));
  return standalone.default(createVerdictAjv(true), ids);
}
