import { open } from 'node:fs/promises';
import { JSON_SCHEMA, load } from 'js-yaml';
import { messageOf, usageError } from '../../errors.ts';
import type { Job, SecretReference } from '../../schemas/index.ts';
import type { SecretValue } from '../../logs/redact.ts';

/** Values of secrets by name and key, in place of a cluster's. */
export type Secrets = ReadonlyMap<string, ReadonlyMap<string, string>>;

const MAX_BYTES = 4 * 1024 * 1024;

/** Of a parser's message only the place: the rest quotes the file. */
function placeOf(error: unknown): string {
  const mark = (error as { mark?: { line?: number; column?: number } } | null)?.mark;
  return mark?.line === undefined ? '' : ` at line ${mark.line + 1}, column ${(mark.column ?? 0) + 1}`;
}

function parse(path: string, text: string): unknown {
  try {
    return load(text, { schema: JSON_SCHEMA });
  } catch (error) {
    // No cause: its message and stack quote the file.
    throw usageError('SecretsFileInvalid', `${path} is neither YAML nor JSON${placeOf(error)}`, {
      hint: 'write NAME: { KEY: "value" }',
    });
  }
}

const isMapping = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function readKeys(path: string, name: string, entries: unknown): Map<string, string> {
  if (!isMapping(entries))
    throw usageError('SecretsFileInvalid', `${path}: ${name} holds no keys`, {
      hint: `write ${name}: { KEY: "value" }`,
    });
  const keys = new Map<string, string>();
  for (const [key, value] of Object.entries(entries)) {
    if (typeof value !== 'string')
      throw usageError('SecretsFileInvalid', `${path}: the value of ${name}/${key} is not a text`, {
        hint: 'put it in quotes',
      });
    keys.set(key, value);
  }
  return keys;
}

async function readOwnFile(path: string): Promise<string> {
  const handle = await open(path, 'r').catch((error: unknown) => {
    throw usageError('SecretsFileUnreadable', `the secrets file can't be read: ${messageOf(error)}`);
  });
  try {
    const stat = await handle.stat();
    if ((stat.mode & 0o004) !== 0)
      throw usageError('SecretsFileOpen', `${path} can be read by every user of this machine`, {
        hint: `chmod 600 ${path}`,
      });
    if (!stat.isFile() && !stat.isFIFO()) throw usageError('SecretsFileUnreadable', `${path} is no file`);
    if (stat.size > MAX_BYTES) throw usageError('SecretsFileInvalid', `${path} is larger than 4 MiB`);
    return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}

/**
 * Reads `--secrets FILE`: YAML or JSON, name → key → value. Throws CodedErrors (usage) `SecretsFileUnreadable`,
 * `SecretsFileOpen` (every user may read it), `SecretsFileInvalid`; none of them quotes the file.
 */
export async function readSecretsFile(path: string): Promise<Secrets> {
  const text = await readOwnFile(path);
  const content = text.trim() === '' ? {} : (parse(path, text) ?? {});
  if (!isMapping(content))
    throw usageError('SecretsFileInvalid', `${path} holds no mapping`, { hint: 'write NAME: { KEY: "value" }' });
  return new Map(Object.entries(content).map(([name, entries]) => [name, readKeys(path, name, entries)]));
}

export const labelOf = ({ name, key }: SecretReference): string => `secret ${name}/${key}`;

/** Every secret that a spec refers to, once. */
function references(spec: Job['spec']): readonly SecretReference[] {
  const steps = [...(spec.steps ?? []), ...(spec.finally ?? [])];
  const envs = [spec.env, ...steps.map(({ env }) => env)];
  const fromEnv = envs.flatMap((env) =>
    Object.values(env ?? {}).flatMap((v) => (typeof v === 'string' ? [] : v.secret)),
  );
  const fromFiles = (spec.files ?? []).flatMap(({ secret }) => secret ?? []);
  return [...new Map([...fromEnv, ...fromFiles].map((reference) => [labelOf(reference), reference])).values()];
}

/** The values that a spec refers to, or a sentence that names all that are missing. */
export function resolveSecrets(
  spec: Job['spec'],
  secrets: Secrets,
): { readonly values: readonly SecretValue[] } | { readonly missing: string } {
  const values: SecretValue[] = [];
  const missing: string[] = [];
  for (const reference of references(spec)) {
    const { name, key } = reference;
    const keys = secrets.get(name);
    const value = keys?.get(key);
    if (value !== undefined) values.push({ label: labelOf(reference), value });
    else if (keys) missing.push(`secret ${JSON.stringify(name)} has no key ${JSON.stringify(key)}`);
    else missing.push(`there is no secret ${JSON.stringify(name)} (its key ${JSON.stringify(key)} is needed)`);
  }
  return missing.length === 0 ? { values } : { missing: `${missing.join('; ')}: give it with --secrets FILE` };
}
