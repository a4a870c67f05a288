/** The floor that a plan is measured against: reads every YAML file of a folder and parses it, and nothing else. */
import { loadAll } from 'js-yaml';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.argv[2] ?? '.';
let documents = 0;
for (const file of globSync('jobs/**/*.yaml', { cwd: folder })) {
  documents += loadAll(readFileSync(join(folder, file), 'utf8')).length;
}
console.log(documents);
