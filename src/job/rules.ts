import { posix } from 'node:path';
import { SHORT_STEP } from './defaults.ts';
import type { Finding } from './explain.ts';
import { expressionsRule } from './rules-expressions.ts';
import { contentRule, filesRule } from './rules-files.ts';
import { durationsRule, exitCodesRule, logSizesRule } from './rules-limits.ts';
import { matrixRule, tasksRule } from './rules-matrix.ts';
import { runsOnFindings } from './runs-on.ts';
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

/** What runledger's own containers are called. */
const RESERVED_NAME = 'runledger-';
const reservedName = (name: string): string =>
  `${quote(name)} is reserved; names that begin with runledger- are not free`;

const stepsRule: Rule = ({ job }, report) => {
  const names = new Set<string>();
  eachStep(job.spec, ({ name, workingDirectory }, path) => {
    if (names.has(name)) report([...path(), 'name'], `${quote(name)} is the name of another step already`);
    if (name.startsWith(RESERVED_NAME)) report([...path(), 'name'], reservedName(name));
    names.add(name);
    const leaves =
      workingDirectory !== undefined &&
      !workingDirectory.startsWith('/') &&
      insideFolder(workingDirectory) === undefined;
    if (leaves) report([...path(), 'workingDirectory'], `${quote(workingDirectory)} leaves the workspace`);
  });
};

/** Services and steps are containers of one pod, and told apart by their names alone. */
const servicesRule: Rule = ({ job: { spec } }, report) => {
  const services = Object.entries(spec.services ?? {});
  if (services.length === 0) return;
  const steps = new Set(spec.steps ? [] : [SHORT_STEP]);
  eachStep(spec, ({ name }) => void steps.add(name));
  for (const [name, { tmpfs = [] }] of services) {
    const path: FieldPath = ['spec', 'services', name];
    if (steps.has(name)) report(path, `${quote(name)} is the name of a step already`, 'key');
    if (name.startsWith(RESERVED_NAME)) report(path, reservedName(name), 'key');
    const places = tmpfs.map((folder) => posix.normalize(folder));
    for (const [index, place] of places.entries()) {
      const at: FieldPath = [...path, 'tmpfs', index];
      if (places.indexOf(place) < index) report(at, `${quote(place)} is in the list twice`);
      else if (place.includes(':')) report(at, `${quote(place)} holds a colon, which no mount can have`);
      else if (/^\/runledger(\/|$)/.test(place)) report(at, `${quote(place)} belongs to runledger; use another folder`);
    }
  }
};

const imagesRule: Rule = ({ job: { spec } }, report) => {
  const check = ({ image }: { readonly image?: string }, path: () => FieldPath): void => {
    if (image !== undefined && /\s/.test(image) && !image.includes('${{'))
      report([...path(), 'image'], `${quote(image)} is not an image; it holds white space`);
  };
  check(spec, () => ['spec']);
  eachStep(spec, check);
  for (const [name, service] of Object.entries(spec.services ?? {})) check(service, () => ['spec', 'services', name]);
};

const runsOnRule: Rule = ({ job: { spec } }, report) => {
  if (spec.runsOn === undefined) return;
  for (const { path, place, message } of runsOnFindings(spec)) report(path, message, place);
};

const RULES: readonly Rule[] = [
  labelsRule,
  stepsRule,
  servicesRule,
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
  runsOnRule,
];

/** What values that were filled in can break. */
const RENDERED: readonly Rule[] = [stepsRule, servicesRule, imagesRule, filesRule, contentRule, stringsRule];
