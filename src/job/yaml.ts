import { constructFromEvents, EVENT_ID, type Event, parseEvents, YAMLException } from 'js-yaml';
import type { Position } from './model.ts';
import {
  buildTree,
  createLineIndex,
  type FieldPath,
  locateField,
  type Place,
  plainText,
  type TreeNode,
} from './positions.ts';
import { decodeUtf8 } from './utf8.ts';

/**
 * Bounds on what a file may ask of the parser. A manifest is written by hand; whatever goes beyond these is a
 * mistake or an attack, and is refused before it costs time or memory.
 */
export const YAML_LIMITS = {
  /** Bytes of a file. */
  bytes: 1024 * 1024,
  /** Nested lists and mappings. */
  depth: 50,
  /** `*alias` nodes in a document. */
  aliases: 50,
  /** Documents in a file. */
  documents: 100,
  /** Keys and values of a manifest, and values of any document once its aliases are written out. */
  values: 20_000,
} as const;

/** Why a file is no YAML, and where. */
export interface YamlFault extends Position {
  readonly message: string;
}

/** The documents of a file that parses. */
export interface YamlFile {
  readonly documents: readonly unknown[];
  /** About how many keys and values a document has, as written. */
  size(document: number): number;
  /** Where a document's content begins. */
  position(document: number): Position;
  /** Where a field of a document is written, or the nearest thing around it that is. */
  locate(document: number, path: FieldPath, place: Place): Position;
  /** A scalar without quotes as it is written: `3.10`. Undefined for any other value. */
  written(document: number, path: FieldPath): string | undefined;
}

export type YamlResult =
  { readonly file: YamlFile; readonly fault?: never } | { readonly file?: never; readonly fault: YamlFault };

const MARK = Buffer.from('runledger.dev/');

/** Whether a file speaks of runledger at all; the others are never parsed. */
export function mentionsRunledger(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).includes(MARK);
}

/**
 * Parses a file of YAML 1.2 (core schema). A byte order mark, CRLF and an empty file are fine; an empty file has no
 * documents. Never throws: whatever is wrong comes back as the fault. Duplicate keys, merge keys and tags other than
 * the core ones are faults or plain keys, as YAML 1.2 has it.
 */
export function readYaml(bytes: Uint8Array): YamlResult {
  if (bytes.byteLength > YAML_LIMITS.bytes) {
    const mebibytes = (bytes.byteLength / YAML_LIMITS.bytes).toFixed(1);
    return {
      fault: { line: 1, column: 1, message: `the file has ${mebibytes} MiB; a manifest may have 1 MiB at most` },
    };
  }
  const { text, fault } = decodeUtf8(bytes);
  if (fault) return { fault };
  try {
    return readText(text);
  } catch (error) {
    // js-yaml asks to expect any exception, not only its own.
    return { fault: faultOf(error, text) };
  }
}

function readText(text: string): YamlResult {
  const events = parseEvents(text, { maxDepth: YAML_LIMITS.depth + 1 });
  const starts = documentStarts(events);
  const lines = createLineIndex(text);
  const fault = (offset: number, message: string): YamlResult => ({ fault: { ...lines.at(offset), message } });
  if (starts.length > YAML_LIMITS.documents) {
    const offset = offsetOf(events[(starts[YAML_LIMITS.documents] ?? 0) + 1]);
    return fault(offset, `the file has ${starts.length} documents; at most ${YAML_LIMITS.documents} are allowed`);
  }
  const documents = constructFromEvents(events, { source: text, maxAliases: YAML_LIMITS.aliases });
  if (text.includes('&') && text.includes('*')) {
    const alias = offsetOf(events.find(({ type }) => type === EVENT_ID.ALIAS));
    for (const document of documents) {
      const bomb = aliasTrouble(document);
      if (bomb) return fault(alias, bomb);
    }
  }
  const trees = new Map<number, TreeNode>();
  const treeOf = (document: number): TreeNode => {
    const tree = trees.get(document) ?? buildTree(text, events, starts[document] ?? 0);
    trees.set(document, tree);
    return tree;
  };
  return {
    file: {
      documents,
      size: (document) => (starts[document + 1] ?? events.length) - (starts[document] ?? 0),
      position: (document) => lines.at(offsetOf(events[(starts[document] ?? 0) + 1])),
      locate: (document, path, place) => lines.at(locateField(treeOf(document), path, place)),
      written: (document, path) => plainText(text, treeOf(document), path),
    },
  };
}

/** The indexes of the events that open documents. */
function documentStarts(events: readonly Event[]): readonly number[] {
  const starts: number[] = [];
  for (let index = 0; index < events.length; index += 1)
    if (events[index]?.type === EVENT_ID.DOCUMENT) starts.push(index);
  return starts;
}

function offsetOf(event: Event | undefined): number {
  if (event === undefined) return 0;
  if (event.type === EVENT_ID.SCALAR) return Math.max(0, event.valueStart);
  if (event.type === EVENT_ID.SEQUENCE || event.type === EVENT_ID.MAPPING) return Math.max(0, event.start);
  // The event's range is the name, after the asterisk.
  if (event.type === EVENT_ID.ALIAS) return Math.max(0, event.anchorStart - 1);
  return 0;
}

/**
 * Fifty aliases are enough to write 2^50 values, or a value that contains itself. Sizes are added up per shared
 * value, so that looking costs no more than the file is long.
 */
function aliasTrouble(document: unknown): string | undefined {
  const sizes = new Map<object, number>();
  const sizeOf = (value: unknown): number => {
    if (typeof value !== 'object' || value === null) return 1;
    const known = sizes.get(value);
    if (known !== undefined) return known;
    sizes.set(value, Number.NaN); // being added up: met again, it contains itself
    let size = 1;
    for (const child of Object.values(value)) size += sizeOf(child);
    sizes.set(value, size);
    return size;
  };
  const size = sizeOf(document);
  if (Number.isNaN(size)) return 'an alias stands within the value that it refers to';
  if (size <= YAML_LIMITS.values) return undefined;
  return `the aliases of the document stand for more than ${YAML_LIMITS.values} values`;
}

/** What the parser says, in words that tell what to do where its own do not. */
const EXPLANATIONS: readonly (readonly [RegExp, string])[] = [
  [/^null byte/, 'the file holds a NUL byte; it is not text'],
  [/^nesting exceeded/, `lists and mappings are nested more than ${YAML_LIMITS.depth} deep`],
  [
    /alias(es)? .*(exceed|limit|max)|(exceed|limit|max).*alias/i,
    `a document has more than ${YAML_LIMITS.aliases} aliases`,
  ],
  [/^duplicated mapping key/, 'this key is written twice in the same mapping'],
  [/^tab characters/, 'a tab is used for indentation; YAML needs spaces'],
  [
    /^bad indentation of a mapping entry/,
    'this does not fit here; check the indentation, and quote values that hold ": " or begin with @ or `',
  ],
  [/^bad indentation of a sequence entry/, 'this does not fit here; check the indentation of the list'],
  [
    /^deficient indentation/,
    'a value that began further up is not closed here; check quotes and brackets, and the indentation',
  ],
  [/^end of the stream or a document separator/, 'this does not belong to what stands above; check the indentation'],
  [
    /^can not read a block mapping entry|^expected ':' after/,
    'a key without a colon; check the indentation of the lines above',
  ],
  [/^missed comma/, 'a comma is missing within brackets or braces'],
  [/^unexpected end of the (stream|document) within a (double|single) quoted/, 'a quote is not closed'],
  [/^unexpected end of the stream within a flow/, 'a bracket or brace is not closed'],
  [/^the stream contains non-printable/, 'a control character that YAML does not allow'],
  [
    /^unknown (scalar|sequence|mapping) tag/,
    'a YAML tag (!name) that means nothing here; quote the value if it begins with !',
  ],
  [/complex keys/, 'a list or mapping as a key; keys are plain words'],
  [/^unknown escape sequence/, 'an unknown escape in double quotes; write a backslash as \\\\ or use single quotes'],
];

function faultOf(error: unknown, text: string): YamlFault {
  const reason =
    error instanceof YAMLException ? error.reason : error instanceof RangeError ? 'too deeply nested' : String(error);
  const offset = error instanceof YAMLException ? (error.mark?.position ?? 0) : 0;
  const unidentified = /^unidentified alias "(.{1,40})/.exec(reason);
  const message = unidentified
    ? `the alias *${unidentified[1]?.replace(/"$/, '')} has no anchor before it; quote the value if it begins with *`
    : (EXPLANATIONS.find(([pattern]) => pattern.test(reason))?.[1] ?? reason);
  return { ...createLineIndex(text).at(offset), message };
}
