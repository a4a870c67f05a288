import type { Finding } from './explain.ts';
import { expressionsRule } from './rules-expressions.ts';
import { contentRule, filesRule } from './rules-files.ts';
import { durationsRule, exitCodesRule, logSizesRule } from './rules-limits.ts';
import { matrixRule, tasksRule } from './rules-matrix.ts';
import { parametersRule } from './rules-parameters.ts';
import { needsRule, schedulesRule } from './rules-triggers.ts';
import { eachStep, findingsOf, type Judged, type Rule } from './rule.ts';
import { insideFolder } from './paths.ts';
import type { FieldPath } from './positions.ts';
import { stringsRule } from './strings.ts';
import { quote } from './words.ts';

/** What a Job that its schema allows may still not say, as far as the manifest alone tells. */
export function ruleFindings(judged: Judged): readonly Finding[] {
  return findingsOf(RULES, judged);
}

/** What a Job with the values of its templates filled in may not say. */
export function renderedFindings(judged: Judged): readonly Finding[] {
  return findingsOf(RENDERED, judged);
}

const RESERVED_LABEL = /^([^/]*\.)?runledger\.dev\//;

const labelsRule: Rule = ({ job }, report) => {
  const { labels } = job.metadata;
  if (!labels) return;
  for (const key of Object.keys(labels)) {
    const path = ['metadata', 'labels', key];
    const length = key.length - key.lastIndexOf('/') - 1;
    if (RESERVED_LABEL.test(key)) report(path, 'labels of runledger.dev are set by runledger', 'key');
    else if (length > 63) report(path, `the name of a label has at most 63 characters; this has ${length}`, 'key');
  }
};

const stepsRule: Rule = ({ job }, report) => {
  const names = new Set<string>();
  eachStep(job.spec, ({ name, workingDirectory }, path) => {
    if (names.has(name)) report([...path(), 'name'], `${quote(name)} is the name of another step already`);
    names.add(name);
    const leaves =
      workingDirectory !== undefined &&
      !workingDirectory.startsWith('/') &&
      insideFolder(workingDirectory) === undefined;
    if (leaves) report([...path(), 'workingDirectory'], `${quote(workingDirectory)} leaves the workspace`);
  });
};

const imagesRule: Rule = ({ job: { spec } }, report) => {
  const check = ({ image }: { readonly image?: string }, path: () => FieldPath): void => {
    if (image !== undefined && /\s/.test(image) && !image.includes('${{'))
      report([...path(), 'image'], `${quote(image)} is not an image; it holds white space`);
  };
  check(spec, () => ['spec']);
  eachStep(spec, check);
};

const RULES: readonly Rule[] = [
  labelsRule,
  stepsRule,
  imagesRule,
  filesRule,
  contentRule,
  parametersRule,
  tasksRule,
  matrixRule,
  schedulesRule,
  needsRule,
  durationsRule,
  logSizesRule,
  exitCodesRule,
  stringsRule,
  expressionsRule,
];

/** What values that were filled in can break. */
const RENDERED: readonly Rule[] = [stepsRule, imagesRule, filesRule, contentRule, stringsRule];
