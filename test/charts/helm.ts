import { execFile, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { loadAll } from 'js-yaml';

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, '../..');
export const CHART = join(ROOT, 'charts/runledger');

/** An object of the API, as far as these tests look into it. */
export interface Rendered {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
}

export interface Helm {
  /** Runs helm; rejects with what it said. */
  (...args: readonly string[]): Promise<string>;
}

/** A program on PATH or that the variable names; undefined, with a line that says so, where there is none. */
export function findProgram(name: string, variable: string, env: NodeJS.ProcessEnv = process.env): string | undefined {
  const program = env[variable] ?? name;
  if (!spawnSync(program, ['version']).error) return program;
  if ((env['RUNLEDGER_TEST_REQUIRE'] ?? '').split(',').includes(name))
    throw new Error(`RUNLEDGER_TEST_REQUIRE names ${name}, and it is not there: put it on PATH or set ${variable}`);
  console.log(`# skipped: ${name} is not there (put it on PATH or set ${variable})`);
  return undefined;
}

export function openHelm(program: string): Helm {
  return async (...args) => (await run(program, [...args], { maxBuffer: 64 * 1024 * 1024 })).stdout;
}

/** The version that the chart is rendered for: a helm without one of its own supposes an old one. */
export const KUBE_VERSION = ['--kube-version', '1.30.0'] as const;

/** What the chart becomes with these values. */
export async function render(
  helm: Helm,
  {
    release = 'runledger',
    namespace = 'runledger',
    values = {},
  }: {
    readonly release?: string;
    readonly namespace?: string;
    readonly values?: object;
  } = {},
): Promise<readonly Rendered[]> {
  const json = Object.entries(values).flatMap(([name, value]) => ['--set-json', `${name}=${JSON.stringify(value)}`]);
  const text = await helm('template', release, CHART, '--namespace', namespace, ...KUBE_VERSION, ...json);
  return loadAll(text).filter(Boolean) as Rendered[];
}

/** What kustomize makes of a folder of manifests/. */
export async function kustomize(folder: string): Promise<readonly Rendered[]> {
  return loadAll((await run('kubectl', ['kustomize', join(ROOT, folder)])).stdout) as Rendered[];
}
