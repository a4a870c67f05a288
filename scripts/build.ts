/** Makes dist/: what `npm pack` ships. */
import { build } from 'esbuild';
import { execFileSync } from 'node:child_process';
import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { COMPILED_FILE } from '../src/job/verdict.ts';
import { verdictCode } from './verdicts.ts';

const FOLDER = 'dist/src/cli';

rmSync('dist', { recursive: true, force: true });
execFileSync('tsc', ['--project', 'tsconfig.build.json'], { stdio: 'inherit' });
// A few files instead of some 200, of which a start loads those that its command needs (docs/decisions/0020).
await build({
  entryPoints: ['src/cli/main.ts'],
  outdir: FOLDER,
  bundle: true,
  splitting: true,
  packages: 'external',
  format: 'esm',
  platform: 'node',
  target: 'node22',
  logLevel: 'warning',
});
// Compiling these at every start takes longer than planning a small repository.
writeFileSync(join(FOLDER, COMPILED_FILE), verdictCode());
chmodSync(join(FOLDER, 'main.js'), 0o755);
