/** Job files of other systems, and what is to become of them. */
import { load } from 'js-yaml';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Conversion, convertFile } from '../../src/convert/convert.ts';
import { type System, SYSTEMS } from '../../src/convert/system.ts';
import { formatProblem } from '../../src/job/problems.ts';
import type { Job } from '../../src/schemas/index.ts';

export const FOLDER = join(import.meta.dirname, 'fixtures');

export interface Fixture {
  readonly system: System;
  readonly name: string;
  readonly text: string;
  /** The file that holds what it becomes. */
  readonly target: string;
}

export const fixtures: readonly Fixture[] = SYSTEMS.flatMap((system) =>
  readdirSync(join(FOLDER, system))
    .filter((file) => /\.in\.(yaml|json)$/.test(file))
    .sort()
    .map((file) => {
      const name = file.replace(/\.in\.\w+$/, '');
      const text = readFileSync(join(FOLDER, system, file), 'utf8');
      return { system, name, text, target: join(FOLDER, system, `${name}.out.yaml`) };
    }),
);

export const convert = (system: System, text: string | Uint8Array, allowTodo = false): Conversion =>
  convertFile(Buffer.from(text), { system, path: 'job.yaml', allowTodo });

/** Everything that a conversion says, as one text. */
export const allOf = ({ jobs, problems, notes }: Conversion): string =>
  [
    ...jobs.map(({ text }) => `---\n${text}`),
    ...notes.map((note) => `# note: ${formatProblem(note)}\n`),
    ...problems.map((problem) => `# error: ${formatProblem(problem)}\n`),
  ].join('');

/** The only job of a text. */
export function jobOf(system: System, text: string, allowTodo = false): Job {
  const { jobs, problems } = convert(system, text, allowTodo);
  if (jobs.length !== 1) throw new Error(`${jobs.length} jobs: ${problems.map(formatProblem).join('; ')}`);
  return load(jobs[0]?.text ?? '') as Job;
}

export const specOf = (system: System, text: string, allowTodo = false): Job['spec'] =>
  jobOf(system, text, allowTodo).spec;

/** The problems of a text, a line each. */
export const problemsOf = (system: System, text: string | Uint8Array): readonly string[] =>
  convert(system, text).problems.map(formatProblem);
