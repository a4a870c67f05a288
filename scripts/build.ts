/** Compiles src/ to dist/: what `npm pack` ships. */
import { execFileSync } from 'node:child_process';
import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { COMPILED_FILE } from '../src/job/verdict.ts';
import { verdictCode } from './verdicts.ts';

rmSync('dist', { recursive: true, force: true });
execFileSync('tsc', ['--project', 'tsconfig.build.json'], { stdio: 'inherit' });
// Compiling these at every start takes longer than planning a small repository.
writeFileSync(join('dist/src/job', COMPILED_FILE), verdictCode());
chmodSync('dist/src/cli/main.js', 0o755);
