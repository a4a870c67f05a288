/**
 * Writes test/forge/github-api.json: of GitHub's OpenAPI description, as the npm package @octokit/openapi has it, what concerns
 * the operations that src/forge/github.ts calls (docs/decisions/0035). Called by hand; it needs a registry.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { format } from 'prettier';
import { extract } from 'tar-stream';

const PACKAGE = '@octokit/openapi@23.0.2';
const INTEGRITY = 'sha512-pV8M7L9GY23AybNvTmo2nyjmpmnt6+2sRE/tqr0ZLQcPS4lnw7u5eZGNmwRNkBC3D7gZXbFx5AHzLUVRBXGDhg==';
const FILES = { description: 'package/generated/api.github.com.json', licence: 'package/LICENSE' };
const TARGET = new URL('../test/forge/github-api.json', import.meta.url);
const LICENCE = new URL('../test/forge/github-api.licence.txt', import.meta.url);

const OPERATIONS: readonly (readonly [method: string, path: string])[] = [
  ['get', '/user'],
  ['get', '/repos/{owner}/{repo}/pulls'],
  ['get', '/repos/{owner}/{repo}/pulls/{pull_number}'],
  ['get', '/repos/{owner}/{repo}/pulls/{pull_number}/files'],
  ['get', '/repos/{owner}/{repo}/issues/{issue_number}/comments'],
  ['post', '/repos/{owner}/{repo}/issues/{issue_number}/comments'],
  ['patch', '/repos/{owner}/{repo}/issues/comments/{comment_id}'],
  ['get', '/repos/{owner}/{repo}/collaborators/{username}/permission'],
  ['get', '/repos/{owner}/{repo}/commits/{ref}/statuses'],
  ['post', '/repos/{owner}/{repo}/statuses/{sha}'],
];

type Node = Readonly<Record<string, unknown>>;
interface Description {
  readonly openapi: string;
  readonly info: Node;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Node>>>>;
  readonly components: Readonly<Record<string, Node>>;
}

/** For people, or for generators of clients. */
const isProse = (name: string, value: unknown): boolean =>
  name.startsWith('x-') ||
  name === 'externalDocs' ||
  name === 'tags' ||
  name === 'example' ||
  ((name === 'description' || name === 'summary' || name === 'title') && typeof value === 'string');

function withoutProse(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutProse);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name, child]) => !isProse(name, child))
      .map(([name, child]) => [name, name === 'enum' ? child : withoutProse(child)]),
  );
}

/** The description with these operations, and the components that they lead to. Throws where an operation is not in it. */
function excerpt({ openapi, info, paths, components }: Description): Description {
  const kept: Record<string, Record<string, unknown>> = {};
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    const { $ref } = value as { readonly $ref?: unknown };
    if (typeof $ref !== 'string') return Object.values(value).forEach(visit);
    const [kind = '', name = ''] = $ref.replace('#/components/', '').split('/');
    const found = components[kind]?.[name];
    if (found === undefined) throw new Error(`${$ref} is not in the description`);
    if (kept[kind]?.[name] !== undefined) return;
    // An example is an answer as GitHub gives it: nothing of it is prose.
    (kept[kind] ??= {})[name] = kind === 'examples' ? found : withoutProse(found);
    visit(kind === 'examples' ? undefined : found);
  };
  const wanted: Record<string, Record<string, Node>> = {};
  for (const [method, at] of OPERATIONS) {
    const operation = paths[at]?.[method];
    if (operation === undefined) throw new Error(`${method} ${at} is not in the description`);
    visit(operation);
    (wanted[at] ??= {})[method] = withoutProse(operation) as Node;
  }
  const { title, version, license } = info;
  return { openapi, info: { title, version, license }, paths: wanted, components: kept };
}

async function filesOf(archive: string, names: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  const entries = extract();
  const fed = pipeline(createReadStream(archive), createGunzip(), entries);
  for await (const entry of entries)
    if (names.includes(entry.header.name)) found.set(entry.header.name, (await buffer(entry)).toString());
    else entry.resume();
  await fed;
  return found;
}

const folder = mkdtempSync(path.join(tmpdir(), 'github-description-'));
try {
  const packed = execFileSync('npm', ['pack', PACKAGE, '--json', '--pack-destination', folder], { encoding: 'utf8' });
  const [{ filename } = { filename: '' }] = JSON.parse(packed) as readonly { readonly filename: string }[];
  const archive = path.join(folder, filename);
  const integrity = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`;
  if (integrity !== INTEGRITY) throw new Error(`${PACKAGE} has the integrity ${integrity}, not ${INTEGRITY}`);
  const files = await filesOf(archive, Object.values(FILES));
  const description = excerpt(JSON.parse(files.get(FILES.description) ?? '') as Description);
  writeFileSync(TARGET, await format(JSON.stringify(description), { parser: 'json', printWidth: 120 }));
  writeFileSync(LICENCE, files.get(FILES.licence) ?? '');
} finally {
  rmSync(folder, { recursive: true });
}
