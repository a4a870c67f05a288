import type { ManifestProblem } from '../schemas/index.ts';
import type { Finding } from './explain.ts';
import type { Catalog } from './model.ts';
import { formatPath } from './positions.ts';
import { shorten } from './words.ts';
import type { YamlFile } from './yaml.ts';

/** `jobs/a.yaml:12:7: spec.timeouts.run: "5 minutes" is not a duration; write 5m` */
export function formatProblem({ file, line, column, field, message }: ManifestProblem): string {
  return `${file}:${line}:${column}: ${field === undefined ? '' : `${field}: `}${message}`;
}

/** All that is wrong in a revision, each problem once, by file and place. */
export function allProblems({
  invalidJobs,
  problems,
  brokenFiles,
}: Pick<Catalog, 'invalidJobs' | 'problems' | 'brokenFiles'>): readonly ManifestProblem[] {
  const all = [
    ...[...invalidJobs.values()].flatMap((job) => job.problems),
    ...problems,
    ...[...brokenFiles.values()].flat(),
  ];
  const unique = new Map(all.map((problem) => [formatProblem(problem), problem]));
  return [...unique.values()].sort((a, b) =>
    a.file === b.file ? a.line - b.line || a.column - b.column : a.file < b.file ? -1 : 1,
  );
}

/** More than this of one document is no help to anyone. */
const PROBLEMS_A_DOCUMENT = 50;

/** Findings with their places in the file: in the order of the text, one for each field and place, the first fifty. */
export function placeFindings(
  path: string,
  yaml: YamlFile,
  document: number,
  findings: readonly Finding[],
): readonly ManifestProblem[] {
  const placed = findings.slice(0, PROBLEMS_A_DOCUMENT).map(({ path: field, place, message }): ManifestProblem => {
    const { line, column } = yaml.locate(document, field, place);
    const problem = { file: path, line, column, message: shorten(message) };
    return field.length === 0
      ? problem
      : { file: path, line, column, field: formatPath(field), message: problem.message };
  });
  const rest = findings.length - placed.length;
  const more =
    rest > 0 ? [{ file: path, ...yaml.position(document), message: `${rest} more problems are not listed` }] : [];
  return tidyProblems([...placed, ...more]);
}

/** Orders problems by file, line and column, and keeps the first for each field at a place. */
export function tidyProblems(problems: readonly ManifestProblem[]): readonly ManifestProblem[] {
  const seen = new Set<string>();
  const kept = problems.filter(({ file, line, column, field }) => {
    const place = JSON.stringify([file, line, column, field]);
    return seen.has(place) ? false : seen.add(place);
  });
  return kept.sort(compareProblems);
}

/** By file, line, column, field and message. */
export function compareProblems(a: ManifestProblem, b: ManifestProblem): number {
  return (
    compareText(a.file, b.file) ||
    a.line - b.line ||
    a.column - b.column ||
    compareText(a.field ?? '', b.field ?? '') ||
    compareText(a.message, b.message)
  );
}

/** By UTF-16 code units: the same on every machine, unlike a comparison by locale. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
