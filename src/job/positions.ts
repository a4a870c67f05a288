import { type Event, EVENT_ID, getScalarValue, SCALAR_STYLE } from 'js-yaml';
import type { Position } from './model.ts';

/** The way to a field from the root of its document: keys of mappings and indexes (from 0) of lists. */
export type FieldPath = readonly (string | number)[];

/** Which part of a field is meant: its key (for a list's item: the item), or its value. */
export type Place = 'key' | 'value';

export interface Entry {
  readonly key: string;
  readonly keyStart: number;
  readonly value: TreeNode;
}

/** Where the parts of a document are written. */
export interface TreeNode {
  /** Offset of the value in the text; -1 where nothing is written (`key:`). */
  readonly start: number;
  /** Offset after a scalar without quotes; -1 for any other value. */
  readonly end: number;
  readonly entries: readonly Entry[];
  readonly items: readonly TreeNode[];
}

/** Turns offsets of a text into lines and columns from 1; a column counts characters, not bytes. */
export function createLineIndex(text: string): { at(offset: number): Position } {
  return {
    at(offset) {
      let line = 1;
      let start = 0;
      for (let index = 0; index < offset && index < text.length; index += 1) {
        const code = text.charCodeAt(index);
        // A CR counts as an end of line only without the LF that closes it.
        if (code === 0x0a || (code === 0x0d && text.charCodeAt(index + 1) !== 0x0a)) {
          line += 1;
          start = index + 1;
        }
      }
      return { line, column: Array.from(text.slice(start, offset)).length + 1 };
    },
  };
}

/** `spec.steps[1].run`; a key that is no plain word stands in brackets and quotes. */
export function formatPath(path: FieldPath): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (/^[\w-]+$/.test(part)) text += text === '' ? part : `.${part}`;
    else text += `[${JSON.stringify(part.length > 60 ? `${part.slice(0, 59)}…` : part)}]`;
  }
  return text;
}

/**
 * The offset of a field in the text of its document. Where the path goes on beyond what is written, the last part that
 * is written counts. Below an alias the place is within the anchor's value.
 */
export function locateField(root: TreeNode, path: FieldPath, place: Place): number {
  let node = root;
  let keyStart = root.start;
  let reached = 0;
  for (const part of path) {
    const next = typeof part === 'number' ? itemAt(node, part) : entryAt(node, part);
    if (next === undefined) break;
    keyStart = next.keyStart;
    node = next.value;
    reached += 1;
  }
  // A field that is not written: the key of the mapping it is missing from says more than that mapping's first line.
  const wanted = reached < path.length ? 'key' : place;
  return Math.max(0, wanted === 'key' || node.start < 0 ? keyStart : node.start);
}

/** A scalar without quotes as it is written; undefined for any other value, and behind an alias. */
export function plainText(text: string, root: TreeNode, path: FieldPath): string | undefined {
  let node: TreeNode | undefined = root;
  for (const part of path) node = node && (typeof part === 'number' ? itemAt(node, part) : entryAt(node, part))?.value;
  return node && node.end >= 0 ? text.slice(node.start, node.end) : undefined;
}

function itemAt(node: TreeNode, index: number): { keyStart: number; value: TreeNode } | undefined {
  const value = node.items[index];
  return value && { keyStart: value.start, value };
}

function entryAt(node: TreeNode, key: string): Entry | undefined {
  return node.entries.find((entry) => entry.key === key);
}

const NOTHING: TreeNode = { start: -1, end: -1, entries: [], items: [] };

/** The tree of a document's places. `opening` is the index of the event that opens the document. */
export function buildTree(text: string, events: readonly Event[], opening: number): TreeNode {
  const anchors = new Map<string, TreeNode>();
  let cursor = opening + 1;

  const build = (): TreeNode => {
    const event = events[cursor];
    cursor += 1;
    if (event === undefined || event.type === EVENT_ID.POP || event.type === EVENT_ID.DOCUMENT) return NOTHING;
    if (event.type === EVENT_ID.ALIAS) {
      const target = anchors.get(text.slice(event.anchorStart, event.anchorEnd));
      return { ...(target ?? NOTHING), start: event.anchorStart - 1, end: -1 };
    }
    const anchor = event.anchorStart < 0 ? undefined : text.slice(event.anchorStart, event.anchorEnd);
    const node =
      event.type === EVENT_ID.SCALAR
        ? { ...NOTHING, start: scalarStart(text, event), end: event.style === SCALAR_STYLE.PLAIN ? event.valueEnd : -1 }
        : buildCollection(event);
    if (anchor !== undefined) anchors.set(anchor, node);
    return node;
  };

  const atEnd = (): boolean => events[cursor] === undefined || events[cursor]?.type === EVENT_ID.POP;

  const buildCollection = (event: { readonly type: number; readonly start: number }): TreeNode => {
    const entries: Entry[] = [];
    const items: TreeNode[] = [];
    while (!atEnd()) {
      if (event.type === EVENT_ID.SEQUENCE) {
        items.push(build());
        continue;
      }
      const keyEvent = events[cursor];
      const key = keyEvent?.type === EVENT_ID.SCALAR ? getScalarValue(text, keyEvent) : '';
      const keyStart = build().start;
      entries.push({ key, keyStart, value: build() });
    }
    cursor += 1;
    return { ...NOTHING, start: event.start, entries, items };
  };

  return build();
}

type ScalarEvent = Extract<Event, { readonly type: typeof EVENT_ID.SCALAR }>;

/** Where a reader sees the scalar begin: at its quote, or at the `|` or `>` of a block. */
function scalarStart(text: string, event: ScalarEvent): number {
  const { style, valueStart } = event;
  if (style === SCALAR_STYLE.SINGLE_QUOTED || style === SCALAR_STYLE.DOUBLE_QUOTED) return valueStart - 1;
  if (style !== SCALAR_STYLE.LITERAL_BLOCK && style !== SCALAR_STYLE.FOLDED_BLOCK) return valueStart;
  const headerEnd = text.lastIndexOf('\n', valueStart - 1);
  const headerStart = text.lastIndexOf('\n', headerEnd - 1) + 1;
  const header = /[|>][-+0-9]*[ \t]*(?:#.*)?\r?$/.exec(text.slice(headerStart, headerEnd));
  return header ? headerStart + header.index : valueStart;
}
