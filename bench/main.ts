/**
 * Runs a bench by its name: `npm run bench -- plan`. Each prints a table and writes JSON to bench/results/. Figures are ratios
 * and medians with their spread, against an alternative measured in the same run: machines are noisy.
 */
import { readdirSync } from 'node:fs';

const names = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.ts') && !['main.ts', 'report.ts'].includes(file))
  .map((file) => file.slice(0, -'.ts'.length));
const [name, ...args] = process.argv.slice(2);
if (name === undefined || !names.includes(name)) {
  console.error(`usage: npm run bench -- NAME\nbenches: ${names.join(', ')}`);
  process.exit(2);
}
const { run } = (await import(`./${name}.ts`)) as { run: (args: readonly string[]) => Promise<void> };
await run(args);
