import { createHash } from 'node:crypto';
import { terminalError } from '../errors.ts';
import type { CommitInfo, EntryMode, NewObject, ObjectType, Signature, TreeEntry } from './port.ts';

/** What a new commit says; the committer is the author, all times are UTC. */
export interface CommitContent {
  readonly tree: string;
  readonly parents: readonly string[];
  readonly message: string;
  readonly author: Signature;
}

/** Bytes of a name that is no valid UTF-8: kept beside the readable name, so that a tree read and written again is the same. */
const RAW_NAME = Symbol('rawName');
interface RawNamed extends TreeEntry {
  readonly [RAW_NAME]?: Uint8Array;
}

const FORBIDDEN_NAMES: ReadonlySet<string> = new Set(['', '.', '..', '.git']);
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The SHA-1 id of an object: over `<type> <length>\0<content>`, as gitformat-pack(5) and git-hash-object(1) have it. */
export function objectId(type: ObjectType, content: Uint8Array): string {
  return createHash('sha1').update(`${type} ${content.length}\0`).update(content).digest('hex');
}

const newObject = (type: ObjectType, content: Uint8Array): NewObject => ({
  id: objectId(type, content),
  type,
  content,
});

/** A file's content as an object; text is stored as UTF-8. */
export function newBlob(content: Uint8Array | string): NewObject {
  return newObject('blob', typeof content === 'string' ? Buffer.from(content) : content);
}

/** A folder as an object; the entries come in any order. Throws on a name that git would refuse, or that comes twice. */
export function newTree(entries: readonly TreeEntry[]): NewObject {
  return newObject('tree', encodeTree(entries));
}

/** A commit as an object. */
export function newCommit(commit: CommitContent): NewObject {
  return newObject('commit', encodeCommit(commit));
}

/** An annotated tag of a commit as an object. It has no message, and a tagger only because git likes one. */
export function newTag(commit: string, name: string, tagger: Signature): NewObject {
  const lines = [`object ${commit}`, 'type commit', `tag ${name}`, `tagger ${signatureLine(tagger)}`, '', ''];
  return newObject('tag', Buffer.from(lines.join('\n')));
}

const nameBytes = (entry: RawNamed): Uint8Array => entry[RAW_NAME] ?? Buffer.from(entry.name);

function assertName(name: string): void {
  if (FORBIDDEN_NAMES.has(name) || name.includes('/') || name.includes('\0')) {
    throw terminalError('TreeEntryInvalid', `"${name}" cannot be the name of an entry in a git tree`);
  }
}

/** A tree's bytes. Git sorts by name as bytes, folders as if their name ended with a slash. */
export function encodeTree(entries: readonly TreeEntry[]): Uint8Array {
  const rows = entries.map((entry) => {
    assertName(entry.name);
    const name = nameBytes(entry);
    return { entry, name, key: entry.mode === '040000' ? Buffer.concat([name, Buffer.from('/')]) : Buffer.from(name) };
  });
  rows.sort((a, b) => Buffer.compare(a.key, b.key));
  const parts: Uint8Array[] = [];
  const seen = new Set<string>();
  for (const { entry, name } of rows) {
    const unique = Buffer.from(name).toString('latin1');
    if (seen.has(unique)) throw terminalError('TreeEntryInvalid', `"${entry.name}" is twice in one git tree`);
    seen.add(unique);
    parts.push(Buffer.from(`${entry.mode.replace(/^0/, '')} `), name, Buffer.of(0), Buffer.from(entry.id, 'hex'));
  }
  return Buffer.concat(parts);
}

/** Old and foreign writers left modes such as 100664: they count as the one of git's five modes that is meant. */
function entryMode(mode: string): EntryMode {
  switch (mode) {
    case '40000':
    case '040000':
      return '040000';
    case '120000':
    case '160000':
      return mode;
    default:
      return (Number.parseInt(mode, 8) & 0o100) === 0 ? '100644' : '100755';
  }
}

function treeEntry(mode: string, name: Buffer, id: string): TreeEntry {
  const base = { mode: entryMode(mode), name: name.toString('utf8'), id };
  if (!base.name.includes('\uFFFD')) return base;
  try {
    strictUtf8.decode(name);
    return base;
  } catch {
    const raw: RawNamed = { ...base, [RAW_NAME]: Buffer.from(name) };
    return raw;
  }
}

/** The entries of a tree's bytes, in git's order. */
export function parseTree(content: Uint8Array): readonly TreeEntry[] {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  const entries: TreeEntry[] = [];
  let at = 0;
  while (at < bytes.length) {
    const space = bytes.indexOf(0x20, at);
    const end = bytes.indexOf(0, space);
    if (space < 0 || end < 0 || end + 21 > bytes.length)
      throw terminalError('ObjectCorrupt', 'a git tree ends too early');
    const id = bytes.toString('hex', end + 1, end + 21);
    entries.push(treeEntry(bytes.toString('latin1', at, space), bytes.subarray(space + 1, end), id));
    at = end + 21;
  }
  return entries;
}

/** A person's name on a commit can hold no line break and no angle bracket. */
const clean = (text: string): string => text.replace(/[<>\n\r\0]/g, '').trim();

const signatureLine = ({ name, email, timestamp }: Signature): string =>
  `${clean(name)} <${clean(email)}> ${Math.floor(timestamp)} +0000`;

/** A commit's bytes; the message ends with one line feed. */
export function encodeCommit({ tree, parents, message, author }: CommitContent): Uint8Array {
  const lines = [
    `tree ${tree}`,
    ...parents.map((parent) => `parent ${parent}`),
    `author ${signatureLine(author)}`,
    `committer ${signatureLine(author)}`,
    '',
    `${message.replaceAll('\0', '').replace(/\n+$/, '')}\n`,
  ];
  return Buffer.from(lines.join('\n'));
}

function parseSignature(line: string): Signature {
  const found = /^(.*?) ?<([^>]*)> (-?\d+)/.exec(line);
  return { name: found?.[1] ?? line, email: found?.[2] ?? '', timestamp: Number(found?.[3] ?? 0) };
}

/** Reads a commit's bytes; signatures and other further headers are passed over. */
export function parseCommit(id: string, content: Uint8Array): CommitInfo {
  const text = Buffer.from(content.buffer, content.byteOffset, content.byteLength).toString('utf8');
  const split = text.indexOf('\n\n');
  const header = split < 0 ? text : text.slice(0, split);
  const values = (name: string): readonly string[] =>
    header.split('\n').flatMap((line) => (line.startsWith(`${name} `) ? [line.slice(name.length + 1)] : []));
  const tree = values('tree')[0];
  if (tree === undefined) throw terminalError('ObjectCorrupt', `commit ${id} names no tree`);
  return {
    id,
    tree,
    parents: values('parent'),
    message: split < 0 ? '' : text.slice(split + 2),
    author: parseSignature(values('author')[0] ?? ''),
    committer: parseSignature(values('committer')[0] ?? ''),
  };
}
