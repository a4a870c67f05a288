import type { Catalog } from '../job/model.ts';
import type { Report } from './report.ts';
import { definitionPaths } from './selection.ts';
import type { Subject } from './subject.ts';

/** What has to be said of a pull request besides its jobs. */
export function notesOf(subject: Subject | undefined): readonly string[] {
  if (!subject) return [];
  return [
    ...(subject.isStale ? ['the pull request has moved on since; its comment is left to the newer run'] : []),
    ...(subject.changed.isComplete ? [] : ['the change is too large for the forge to tell all of its files']),
  ];
}

/** `baseRef`: the branch that it is held against; `base`: the jobs that count, `here`: those of the head. */
export function aboutOf(
  { head, trust, changed }: Subject,
  baseRef: string,
  base: Catalog,
  here: Catalog,
): NonNullable<Report['pullRequest']> {
  const defining = new Set([...definitionPaths(base), ...definitionPaths(here)]);
  const unused = trust.kind === 'unapproved' ? changed.paths.filter((path) => defining.has(path)) : [];
  return { head, base: baseRef, trust, unused };
}
