import { type FieldPath, formatPath, type Place } from '../job/positions.ts';
import { jsonType, wrongType } from '../job/words.ts';
import { isMapping, type Mapping, textMapOf, textOf, textsOf } from './scalars.ts';
import { keyOf, type Marks, visitUnread } from './unread.ts';

/**
 * Something of the input that no manifest can say. `error`: no job comes of it. `loss`: the job would do something else
 * without it, so there is none either, unless the loss is accepted (`--allow-todo`) and becomes a comment. `note`: nothing is
 * lost, but somebody should know.
 */
export interface Trouble {
  readonly severity: 'error' | 'loss' | 'note';
  readonly path: FieldPath;
  readonly place: Place;
  readonly message: string;
}

/** A mapping of the input. Whatever is asked for counts as read; what nobody has asked for is reported at the end. */
export interface Fields {
  readonly path: FieldPath;
  /** Names of the fields that have a value, in their order. */
  readonly keys: readonly string[];
  has(key: string): boolean;
  /** Whether it is there, be it without a value. The field counts as read if it has none. */
  isWritten(key: string): boolean;
  /** The value as a text: numbers and booleans as they are written in JSON. */
  text(key: string): string | undefined;
  integer(key: string): number | undefined;
  flag(key: string): boolean | undefined;
  /** A list of texts. */
  texts(key: string): readonly string[] | undefined;
  /** A list of texts and of mappings that are to be read one by one. */
  mixed(key: string): readonly (string | Fields)[];
  /** A mapping of texts. */
  textMap(key: string): Readonly<Record<string, string>> | undefined;
  /** A mapping whose fields are to be read one by one; undefined where it is none, or not there. */
  fields(key: string): Fields | undefined;
  /** A list of mappings that are to be read one by one. */
  items(key: string): readonly Fields[];
  /** The value with all that is in it, as it is. */
  take(key: string): unknown;
  /** What type the value has, without reading it. */
  type(key: string): ReturnType<typeof jsonType> | undefined;
  /** Reports that what the field says can't be carried over. The field counts as read. */
  loss(key: string, message: string): void;
  /** Reports that the field makes no sense, so that there is no job. The field counts as read. */
  error(key: string, message: string): void;
  /** Tells something about the field; it counts as read. */
  note(key: string, message: string): void;
}

/** A document of the input while it is being read. */
export interface Reader {
  /** Undefined where the document is no mapping; that is a trouble then. */
  readonly root: Fields | undefined;
  readonly troubles: readonly Trouble[];
  report(severity: Trouble['severity'], path: FieldPath, message: string, place?: Place): void;
  /** Reports every field that has not been read. Called once, when the document has been converted. */
  finish(): void;
}

/** Starts to read a document. */
export function createReader(document: unknown): Reader {
  const troubles: Trouble[] = [];
  const marks: Marks = { taken: new Set(), opened: new Set(), asked: new Map() };
  const said = new Set<string>();
  const report: Reader['report'] = (severity, path, message, place = 'key') => {
    const trouble: Trouble = { severity, path, place, message };
    // What several jobs have in common is read for each of them.
    if (!said.has(JSON.stringify(trouble))) troubles.push(trouble);
    said.add(JSON.stringify(trouble));
  };
  marks.opened.add(keyOf([]));
  if (!isMapping(document)) report('error', [], wrongType(document, ['object']), 'value');
  return {
    root: isMapping(document) ? fieldsOf(document, [], marks, report) : undefined,
    troubles,
    report,
    finish: () => visitUnread(document, [], marks, report),
  };
}

function fieldsOf(value: Mapping, path: FieldPath, marks: Marks, report: Reader['report']): Fields {
  const asked = new Set<string>();
  marks.asked.set(keyOf(path), asked);
  const at = (key: string): FieldPath => [...path, key];
  const written = (key: string): unknown => (Object.hasOwn(value, key) ? value[key] : undefined);
  const take = (key: string): unknown => {
    asked.add(key);
    marks.taken.add(keyOf(at(key)));
    return written(key) ?? undefined;
  };
  /** The value if it is of the type; else that is an error. */
  const typed = <T>(key: string, type: string, convert: (found: unknown) => T | undefined): T | undefined => {
    const found = take(key);
    if (found === undefined) return undefined;
    const converted = convert(found);
    if (converted === undefined) report('error', at(key), wrongType(found, [type]), 'value');
    return converted;
  };
  const open = (key: string): unknown => {
    asked.add(key);
    marks.opened.add(keyOf(at(key)));
    return written(key) ?? undefined;
  };
  const listOfFields = (key: string, withTexts: boolean): readonly (string | Fields)[] => {
    const found = open(key);
    if (found === undefined) return [];
    if (!Array.isArray(found)) {
      report('error', at(key), wrongType(found, ['array']), 'value');
      return [];
    }
    return found.flatMap((item: unknown, index): readonly (string | Fields)[] => {
      const below = [...at(key), index];
      const text = withTexts ? textOf(item) : undefined;
      (text === undefined ? marks.opened : marks.taken).add(keyOf(below));
      if (text !== undefined) return [text];
      if (isMapping(item)) return [fieldsOf(item, below, marks, report)];
      report('error', below, wrongType(item, ['object']), 'value');
      return [];
    });
  };
  const say =
    (severity: Trouble['severity']) =>
    (key: string, message: string): void => {
      // What is looked into counts by itself, also where all of it is refused.
      if (!marks.opened.has(keyOf(at(key)))) take(key);
      report(severity, at(key), message);
    };
  return {
    path,
    keys: Object.keys(value).filter((key) => (value[key] ?? undefined) !== undefined),
    has: (key) => (written(key) ?? undefined) !== undefined,
    isWritten(key) {
      if (Object.hasOwn(value, key) && value[key] === null) take(key);
      return Object.hasOwn(value, key);
    },
    type: (key) => ((written(key) ?? undefined) === undefined ? undefined : jsonType(written(key))),
    take,
    text: (key) => typed(key, 'string', textOf),
    integer: (key) => typed(key, 'integer', (found) => (Number.isSafeInteger(found) ? (found as number) : undefined)),
    flag: (key) => typed(key, 'boolean', (found) => (typeof found === 'boolean' ? found : undefined)),
    texts: (key) => typed(key, 'array', textsOf),
    textMap: (key) => typed(key, 'object', textMapOf),
    fields(key) {
      const found = open(key);
      if (found === undefined) return undefined;
      if (isMapping(found)) return fieldsOf(found, at(key), marks, report);
      report('error', at(key), wrongType(found, ['object']), 'value');
      return undefined;
    },
    items: (key) => listOfFields(key, false) as readonly Fields[],
    mixed: (key) => listOfFields(key, true),
    loss: say('loss'),
    error: say('error'),
    note: say('note'),
  };
}

/** A trouble as one line of a comment: with its place, and what it is about. */
export const troubleText = ({ path, message }: Pick<Trouble, 'path' | 'message'>): string =>
  path.length === 0 ? message : `${formatPath(path)}: ${message}`;
