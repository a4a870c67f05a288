import { createLineIndex, formatPath } from '../job/positions.ts';
import { shorten } from '../job/words.ts';
import { readYaml, YAML_LIMITS, type YamlFile } from '../job/yaml.ts';
import type { ManifestProblem } from '../schemas/index.ts';
import { manifestTroubles, withoutUnsupported } from './check.ts';
import { documentOf, type Draft } from './draft.ts';
import { DIALECTS } from './dialects.ts';
import { createReader, type Trouble, troubleText } from './reader.ts';
import type { System } from './system.ts';
import { withLiterals } from './templates.ts';
import { writeYaml } from './write.ts';

/** A Job manifest that was made, ready to be written. */
export interface ConvertedJob {
  readonly name: string;
  readonly text: string;
  /** How many things a person has to decide: `TODO(convert)` in the text. */
  readonly todos: number;
  /** Where in the input it comes from. */
  readonly line: number;
  readonly column: number;
}

/** What became of a file. */
export interface Conversion {
  readonly jobs: readonly ConvertedJob[];
  /** What can't be carried over. The jobs that it concerns are not among `jobs`. */
  readonly problems: readonly ManifestProblem[];
  /** What somebody should know, and no job says. */
  readonly notes: readonly ManifestProblem[];
}

export interface ConvertOptions {
  readonly system: System;
  /** How messages name the file. */
  readonly path: string;
  /** What can't be carried over becomes a comment, and the job is written without it. */
  readonly allowTodo: boolean;
}

/** Turns a job file of another system into manifests. Never throws for what the file says. */
export function convertFile(bytes: Uint8Array, options: ConvertOptions): Conversion {
  const { path, system } = options;
  const fail = (line: number, column: number, message: string): Conversion => ({
    jobs: [],
    problems: [{ file: path, line, column, message: shorten(message) }],
    notes: [],
  });
  if (bytes.byteLength <= YAML_LIMITS.bytes) {
    const text = Buffer.from(bytes).toString('utf8');
    const refused = DIALECTS[system].refuses?.(text);
    if (refused) {
      const { line, column } = createLineIndex(text).at(refused.offset);
      return fail(line, column, refused.message);
    }
  }
  const { file, fault } = readYaml(bytes);
  if (fault) return fail(fault.line, fault.column, fault.message);
  const documents = file.documents.flatMap((document, index) => (document === null ? [] : [index]));
  if (documents.length === 0) return fail(1, 1, 'the file is empty; there is nothing to convert');
  const parts = documents.map((index) => convertDocument(file, index, options));
  return {
    jobs: parts.flatMap(({ jobs }) => jobs),
    problems: parts.flatMap(({ problems }) => problems),
    notes: parts.flatMap(({ notes }) => notes),
  };
}

function convertDocument(file: YamlFile, index: number, { system, path, allowTodo }: ConvertOptions): Conversion {
  const placed = ({ path: field, place, message }: Omit<Trouble, 'severity'>): ManifestProblem => {
    const { line, column } = file.locate(index, field, place);
    const at = { file: path, line, column };
    const said = shorten(message);
    return field.length === 0 ? { ...at, message: said } : { ...at, field: formatPath(field), message: said };
  };
  if (file.size(index) > YAML_LIMITS.values) {
    const message = `the document has ${file.size(index)} keys and values; at most ${YAML_LIMITS.values} are read`;
    return { jobs: [], problems: [placed({ path: [], place: 'value', message })], notes: [] };
  }
  const dialect = DIALECTS[system];
  const reader = createReader(file.documents[index]);
  const written = (field: readonly (string | number)[]): string | undefined => file.written(index, field);
  const drafts = reader.root ? dialect.convert(reader, { fileName: baseName(path), written }) : [];
  reader.finish();
  const jobs: ConvertedJob[] = [];
  for (const draft of drafts) {
    const about = reader.troubles.filter((trouble) => concerns(trouble, draft, drafts));
    if (about.some(({ severity }) => severity === 'error' || (severity === 'loss' && !allowTodo))) continue;
    const lost = about.filter(({ severity }) => severity === 'loss');
    const { text, todos, troubles } = manifestOf(draft, lost, dialect.templates);
    for (const message of troubles)
      reader.report('error', draft.source, `what it would become is no valid job: ${message}`);
    if (troubles.length === 0)
      jobs.push({ name: draft.name, text, todos, ...file.locate(index, draft.source, 'value') });
  }
  const isProblem = ({ severity }: Trouble): boolean =>
    severity === 'error' || (severity === 'loss' && !(allowTodo && drafts.length > 0));
  return {
    jobs,
    problems: reader.troubles.filter(isProblem).map(placed),
    notes: reader.troubles.filter(({ severity }) => severity === 'note').map(placed),
  };
}

interface Made {
  readonly text: string;
  readonly todos: number;
  readonly troubles: readonly string[];
}

function manifestOf(draft: Draft, lost: readonly Trouble[], templates: boolean): Made {
  const made = documentOf(draft);
  const { document, comments } = withoutUnsupported(templates ? made : withLiterals(made));
  const losses = lost.map((trouble) => ({ path: [], todo: true, text: `not carried over: ${troubleText(trouble)}` }));
  const all = [...losses, ...draft.comments, ...comments];
  const text = writeYaml(document, all);
  const troubles = manifestTroubles(text, document);
  return { text, todos: all.filter(({ todo }) => todo).length, troubles };
}

/** Whether a trouble is about a job: it lies within what the job was made of, or within nothing that any job was made of. */
function concerns({ path }: Trouble, draft: Draft, drafts: readonly Draft[]): boolean {
  const isWithin = ({ source }: Draft): boolean => source.every((part, index) => path[index] === part);
  const owners = drafts.filter(isWithin);
  return owners.length === 0 || owners.includes(draft);
}

/** `jobs/nightly.yaml` is `nightly`. */
const baseName = (path: string): string =>
  path
    .split('/')
    .at(-1)
    ?.replace(/\.(ya?ml|json)$/i, '') ?? path;
