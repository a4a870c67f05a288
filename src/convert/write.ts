import { dump } from 'js-yaml';
import type { FieldPath } from '../job/positions.ts';
import type { Comment, Mapping } from './draft.ts';

const WIDTH = 116;
const TODO = 'TODO(convert): ';

/**
 * A document as YAML with its comments: each stands above the field that it is about, or above the nearest that is written around
 * it. What comments say is text of other systems: it can't end its line.
 */
export function writeYaml(document: Mapping, comments: readonly Comment[]): string {
  const remarks = comments.map((comment) => ({ ...comment, path: writtenPath(document, comment.path) }));
  const head = remarks.filter(({ path }) => path.length === 0).flatMap((comment) => commentLines(comment, ''));
  return [...head, ...mappingLines(document, [], '', remarks), ''].join('\n');
}

/** The part of the path that is written. */
function writtenPath(document: Mapping, path: FieldPath): FieldPath {
  let value: unknown = document;
  for (const [index, part] of path.entries()) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, part)) return path.slice(0, index);
    value = (value as Record<string | number, unknown>)[part];
  }
  return path;
}

function mappingLines(value: Mapping, path: FieldPath, indent: string, comments: readonly Comment[]): string[] {
  return Object.entries(value).flatMap(([key, child]) => {
    const at = [...path, key];
    const above = commentsAt(at, comments).flatMap((comment) => commentLines(comment, indent));
    return above.concat(entryLines(key, child, at, indent, comments));
  });
}

function entryLines(
  key: string,
  value: unknown,
  path: FieldPath,
  indent: string,
  comments: readonly Comment[],
): readonly string[] {
  const name = keyText(key);
  if (!isCommented(path, comments)) {
    const line = `${indent}${name} ${inFlow(value, path) ?? ''}`;
    if (!line.endsWith(' ') && line.length <= WIDTH) return [line];
  }
  if (typeof value !== 'object' || value === null) return plain({ [key]: value }, indent);
  if (Object.keys(value).length === 0) return [`${indent}${name} ${Array.isArray(value) ? '[]' : '{}'}`];
  const below = Array.isArray(value)
    ? listLines(value, path, `${indent}  `, comments)
    : mappingLines(value as Mapping, path, `${indent}  `, comments);
  return [`${indent}${name}`, ...below];
}

/** `on` is quoted for parsers of YAML 1.1, of which no reader of manifests is one. */
const keyText = (key: string): string => (key === 'on' ? 'on:' : dump({ [key]: null }).replace(/ null\n$/, ''));

const isScalar = (value: unknown): boolean => typeof value !== 'object' || value === null;

/** Short lists of words, and small mappings further down, on one line, as a person writes them. */
function inFlow(value: unknown, path: FieldPath): string | undefined {
  const isItem = typeof path.at(-1) === 'number';
  const least = Array.isArray(value) ? 2 : isItem ? 4 : 3;
  if (typeof value !== 'object' || value === null || path.length < least) return undefined;
  const items: readonly unknown[] = Object.values(value);
  const isSmall = Array.isArray(value) || items.length <= 3;
  if (items.length === 0 || !isSmall || !items.every((item) => isScalar(item) && !String(item).includes('\n')))
    return undefined;
  return dump(value, { flowLevel: 0, lineWidth: -1, flowBracketPadding: !Array.isArray(value) }).trimEnd();
}

function listLines(
  value: readonly unknown[],
  path: FieldPath,
  indent: string,
  comments: readonly Comment[],
): readonly string[] {
  return value.flatMap((item, index) => {
    const at = [...path, index];
    const above = commentsAt(at, comments).flatMap((comment) => commentLines(comment, indent));
    const line = `${indent}- ${(!isCommented(at, comments) && inFlow(item, at)) || ''}`;
    if (!line.endsWith('- ') && line.length <= WIDTH) return [...above, line];
    if (typeof item !== 'object' || item === null || Array.isArray(item) || Object.keys(item).length === 0)
      return [...above, ...plain([item], indent)];
    const lines = mappingLines(item as Mapping, at, `${indent}  `, comments);
    // The dash belongs to the first line that is no comment.
    const first = lines.findIndex((text) => !text.trimStart().startsWith('#'));
    return [
      ...above,
      ...lines.map((text, count) => (count === first ? `${indent}- ${text.slice(indent.length + 2)}` : text)),
    ];
  });
}

const plain = (value: object, indent: string): readonly string[] =>
  dump(value, { lineWidth: -1, noRefs: true })
    .trimEnd()
    .split('\n')
    .map((line) => (line === '' ? line : indent + line));

const isSame = (one: FieldPath, other: FieldPath): boolean => JSON.stringify(one) === JSON.stringify(other);

const commentsAt = (path: FieldPath, comments: readonly Comment[]): readonly Comment[] =>
  comments.filter((comment) => isSame(comment.path, path));

/** Whether something below the path has a comment. */
const isCommented = (path: FieldPath, comments: readonly Comment[]): boolean =>
  comments.some((comment) => comment.path.length > path.length && isSame(comment.path.slice(0, path.length), path));

function commentLines({ text, todo }: Comment, indent: string): readonly string[] {
  const words = `${todo ? TODO : ''}${text}`.replaceAll(/[\p{C}\s]+/gu, ' ').split(' ');
  const lines: string[] = [];
  let line = `${indent}#`;
  for (const word of words) {
    if (line.length + word.length + 1 > WIDTH && line.length > indent.length + 1) {
      lines.push(line);
      line = `${indent}#  `;
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}
