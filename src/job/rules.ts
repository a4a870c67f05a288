import type { Job } from '../schemas/index.ts';
import type { Finding } from './explain.ts';
import { contentRule, filesRule } from './rules-files.ts';
import { durationsRule, exitCodesRule, logSizesRule } from './rules-limits.ts';
import { parametersRule } from './rules-parameters.ts';
import { needsRule, schedulesRule } from './rules-triggers.ts';
import { finding, type Rule, stepsOf } from './rule.ts';
import { insideFolder } from './paths.ts';
import { stringsRule } from './strings.ts';
import { quote } from './words.ts';

/**
 * What a Job that its schema allows may still not say, as far as the manifest alone tells. `manifestPath` is where it lies in
 * the repository, since `from` counts from there.
 */
export function ruleFindings(job: Job, manifestPath: string): readonly Finding[] {
  const findings: Finding[] = [];
  for (const rule of RULES) for (const finding of rule(job, manifestPath)) findings.push(finding);
  return findings;
}

const labelsRule: Rule = function* ({ metadata }) {
  for (const key of Object.keys(metadata.labels ?? {})) {
    const path = ['metadata', 'labels', key];
    const name = key.split('/').at(-1) ?? '';
    if (/^([^/]*\.)?runledger\.dev\//.test(key))
      yield finding(path, 'labels of runledger.dev are set by runledger', 'key');
    else if (name.length > 63)
      yield finding(path, `the name of a label has at most 63 characters; this has ${name.length}`, 'key');
  }
};

const stepsRule: Rule = function* (job) {
  const names = new Set<string>();
  for (const { step, path } of stepsOf(job.spec)) {
    const { name, workingDirectory } = step;
    if (names.has(name)) yield finding([...path, 'name'], `${quote(name)} is the name of another step already`);
    names.add(name);
    const leaves =
      workingDirectory !== undefined &&
      !workingDirectory.startsWith('/') &&
      insideFolder(workingDirectory) === undefined;
    if (leaves) yield finding([...path, 'workingDirectory'], `${quote(workingDirectory)} leaves the workspace`);
  }
};

const imagesRule: Rule = function* (job) {
  for (const { step, path } of [{ step: job.spec, path: ['spec'] }, ...stepsOf(job.spec)]) {
    const { image } = step;
    if (image !== undefined && /\s/.test(image) && !image.includes('${{'))
      yield finding([...path, 'image'], `${quote(image)} is not an image; it holds white space`);
  }
};

const RULES: readonly Rule[] = [
  labelsRule,
  stepsRule,
  imagesRule,
  filesRule,
  contentRule,
  parametersRule,
  schedulesRule,
  needsRule,
  durationsRule,
  logSizesRule,
  exitCodesRule,
  stringsRule,
];
