import { posix } from 'node:path';
import type { Job, JobFile, Step } from '../schemas/index.ts';
import { cronTrouble, isTimeZone, timeZones } from './cron.ts';
import { durationMs, parseDuration } from './duration.ts';
import type { Finding } from './explain.ts';
import { insideFolder, resolveFrom } from './paths.ts';
import { matchesPattern, PATTERN_LIMITS, patternTrouble } from './pattern.ts';
import type { FieldPath, Place } from './positions.ts';
import { formatBytes, parseQuantity } from './quantity.ts';
import { stringTroubles } from './strings.ts';
import { didYouMean, listOf, quote } from './words.ts';

type JobSpec = Job['spec'];
type Rule = (job: Job, manifestPath: string) => readonly Finding[];

/**
 * What scripts and files of a run may take together, in bytes: they travel in one ConfigMap, which Kubernetes limits to 1 MiB
 * (https://kubernetes.io/docs/concepts/configuration/configmap/), names and metadata included.
 */
export const CONTENT_LIMIT = 1_000_000;

/** Timers of Node count at most 2^31 - 1 milliseconds, 24.8 days; and who waits longer than this for one run has forgotten it. */
const LONGEST_TIMEOUT_DAYS = 24;

/**
 * What a Job that its schema allows may still not say, as far as the manifest alone tells. `manifestPath` is where it lies in
 * the repository, since `from` counts from there.
 */
export function ruleFindings(job: Job, manifestPath: string): readonly Finding[] {
  return RULES.flatMap((rule) => rule(job, manifestPath));
}

const spec = (...path: FieldPath): FieldPath => ['spec', ...path];
const finding = (path: FieldPath, message: string, place: Place = 'value'): Finding => ({ path, place, message });

const labels: Rule = ({ metadata }) =>
  Object.keys(metadata.labels ?? {}).flatMap((key) => {
    const path = ['metadata', 'labels', key];
    const name = key.split('/').at(-1) ?? '';
    if (/^([^/]*\.)?runledger\.dev\//.test(key))
      return finding(path, 'labels of runledger.dev are set by runledger', 'key');
    return name.length > 63
      ? finding(path, `the name of a label has at most 63 characters; this has ${name.length}`, 'key')
      : [];
  });

/** Every step with its path, those of `finally` included. */
function stepsOf({
  steps = [],
  finally: last = [],
}: JobSpec): readonly { readonly step: Step; readonly path: FieldPath }[] {
  return [
    ...steps.map((step, index) => ({ step, path: spec('steps', index) })),
    ...last.map((step, index) => ({ step, path: spec('finally', index) })),
  ];
}

const steps: Rule = (job) => {
  const names = new Set<string>();
  return stepsOf(job.spec).flatMap(({ step, path }) => {
    const found: Finding[] = [];
    if (names.has(step.name))
      found.push(finding([...path, 'name'], `${quote(step.name)} is the name of another step already`));
    names.add(step.name);
    const { workingDirectory } = step;
    if (
      workingDirectory !== undefined &&
      !workingDirectory.startsWith('/') &&
      insideFolder(workingDirectory) === undefined
    )
      found.push(finding([...path, 'workingDirectory'], `${quote(workingDirectory)} leaves the workspace`));
    return found;
  });
};

const images: Rule = (job) =>
  [{ step: job.spec, path: spec() }, ...stepsOf(job.spec)].flatMap(({ step: { image }, path }) =>
    image !== undefined && /\s/.test(image.replaceAll(/\$\{\{.*?\}\}/g, ''))
      ? finding([...path, 'image'], `${quote(image)} is not an image; it holds white space`)
      : [],
  );

const files: Rule = (job, manifestPath) => {
  const taken = new Map<string, string>();
  return (job.spec.files ?? []).flatMap((file, index) => {
    const path = spec('files', index);
    const found = [...fileTrouble(file, path, manifestPath)];
    const place = posix.normalize(file.path);
    const other = [...taken].find(
      ([known]) => known === place || known.startsWith(`${place}/`) || place.startsWith(`${known}/`),
    );
    if (other?.[0] === place) found.push(finding([...path, 'path'], `${quote(file.path)} is written twice`));
    else if (other)
      found.push(
        finding(
          [...path, 'path'],
          `${quote(file.path)} and ${quote(other[1])} can't both be: one is a file, the other needs it as a folder`,
        ),
      );
    taken.set(place, file.path);
    return found;
  });
};

function* fileTrouble(file: JobFile, path: FieldPath, manifestPath: string): Iterable<Finding> {
  const place = posix.normalize(file.path);
  if (place === '.') yield finding([...path, 'path'], `${quote(file.path)} is not the path of a file`);
  if (/^\/(proc|sys|dev|runledger)(\/|$)/.test(place)) {
    const hint = place.startsWith('/runledger/files/') ? `; write ${place.slice('/runledger/files/'.length)}` : '';
    yield finding([...path, 'path'], `${quote(file.path)} lies in a folder that is not the job's${hint}`);
  }
  if (file.from !== undefined && resolveFrom(manifestPath, file.from) === undefined)
    yield finding([...path, 'from'], `${quote(file.from)} leaves the repository`);
}

const content: Rule = ({ spec: written }) => {
  const bytes = contentBytes(written);
  return bytes > CONTENT_LIMIT ? [finding(spec(), contentTrouble(bytes), 'key')] : [];
};

/** Bytes of the scripts and the files that are written into a spec; without those that `from` draws in. */
export function contentBytes({ run = '', steps: list = [], files: mounted = [] }: JobSpec): number {
  const texts = [run, ...list.map((step) => step.run ?? ''), ...mounted.map((file) => file.content ?? '')];
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
}

export function contentTrouble(bytes: number): string {
  return `scripts and files have ${formatBytes(bytes)} together; a run can carry ${formatBytes(CONTENT_LIMIT)}`;
}

const parameters: Rule = ({ spec: written }) => {
  const starts = written.on === undefined ? (written.needs ?? []).length === 0 : isAutomatic(written.on);
  return Object.entries(written.parameters ?? {}).flatMap(([name, parameter]) => {
    const path = spec('parameters', name);
    const trouble = parameter.pattern === undefined ? undefined : patternTrouble(parameter.pattern);
    if (trouble !== undefined) return finding([...path, 'pattern'], `${quote(parameter.pattern)} ${trouble}`);
    const refusal = valueTrouble(parameter, parameter.default ?? '');
    if (refusal === undefined) return [];
    if (parameter.default !== undefined) return finding([...path, 'default'], `${quote(parameter.default)} ${refusal}`);
    return starts ? finding(path, 'has no default, and a run that starts by itself needs one', 'key') : [];
  });
};

const isAutomatic = ({ commit, schedule, pullRequest }: NonNullable<JobSpec['on']>): boolean =>
  [commit, schedule, pullRequest].some((trigger) => trigger !== undefined && trigger !== false);

/** Why a parameter may not have a value, as the end of a sentence; undefined when it may. The pattern has to be a good one. */
export function valueTrouble(parameter: NonNullable<JobSpec['parameters']>[string], value: string): string | undefined {
  const said = parameter.message === undefined ? '' : `: ${parameter.message}`;
  if (parameter.enum && !parameter.enum.includes(value))
    return `is not one of ${listOf(parameter.enum, 'and')}${said || didYouMean(value, parameter.enum)}`;
  if (parameter.pattern === undefined) return undefined;
  const matches = matchesPattern(parameter.pattern, value);
  if (matches === 'slow')
    return value.length > PATTERN_LIMITS.valueLength
      ? `has more than ${PATTERN_LIMITS.valueLength} characters`
      : 'takes too long to compare with the pattern; simplify the pattern';
  return matches ? undefined : `does not match ${parameter.pattern}${said}`;
}

const schedules: Rule = ({ spec: { on } }) => {
  const { schedule } = on ?? {};
  const list = schedule === undefined ? [] : Array.isArray(schedule) ? schedule : [schedule];
  return list.flatMap((entry, index) => {
    const path = spec('on', 'schedule', ...(Array.isArray(schedule) ? [index] : []));
    const trouble = cronTrouble(entry.cron);
    const found = trouble === undefined ? [] : [finding([...path, 'cron'], trouble)];
    if (entry.timeZone !== undefined && !isTimeZone(entry.timeZone))
      found.push(
        finding(
          [...path, 'timeZone'],
          `${quote(entry.timeZone)} is not a time zone${didYouMean(entry.timeZone, timeZones())}`,
        ),
      );
    return [...found, ...positive([...path, 'deadline'], entry.deadline)];
  });
};

const needs: Rule = ({ metadata, spec: { needs: list = [] } }) => {
  const seen = new Set<string>();
  return list.flatMap((need, index) => {
    const name = typeof need === 'string' ? need : need.job;
    const path = spec('needs', index, ...(typeof need === 'string' ? [] : ['job']));
    if (name === metadata.name) return finding(path, "a job can't need itself");
    if (seen.has(name)) return finding(path, `${quote(name)} is in the list twice`);
    seen.add(name);
    return [];
  });
};

const durations: Rule = ({ spec: { timeouts = {}, keep = {}, retry = {}, ...rest } }) => {
  const limits: readonly (readonly [FieldPath, string | undefined])[] = [
    ...(['queue', 'start', 'run', 'finally'] as const).map((key) => [spec('timeouts', key), timeouts[key]] as const),
    ...stepsOf(rest).map(({ step, path }) => [[...path, 'timeout'], step.timeout] as const),
  ];
  const found = limits.flatMap(([path, text]) => [...positive(path, text), ...shortEnough(path, text)]);
  found.push(...shortEnough(spec('timeouts', 'grace'), timeouts.grace), ...positive(spec('keep', 'for'), keep.for));
  if (retry.backoff !== undefined && durationMs(retry.backoff) > durationMs(retry.maxBackoff ?? '5m'))
    found.push(
      finding(
        spec('retry', 'backoff'),
        `${quote(retry.backoff)} is longer than maxBackoff, ${retry.maxBackoff ?? '5m'}`,
      ),
    );
  return found;
};

function positive(path: FieldPath, text: string | undefined): readonly Finding[] {
  return text !== undefined && parseDuration(text) === 0
    ? [finding(path, `${quote(text)} is no time at all; write at least 1s`)]
    : [];
}

function shortEnough(path: FieldPath, text: string | undefined): readonly Finding[] {
  const tooLong = text !== undefined && durationMs(text) > LONGEST_TIMEOUT_DAYS * 86_400_000;
  return tooLong ? [finding(path, `${quote(text)} is too long; the most is ${LONGEST_TIMEOUT_DAYS}d`)] : [];
}

/** The ledger is a git repository: what a job may put there has bounds that no manifest lifts. */
const LOG_BOUNDS = {
  maxBytes: ['1Ki', '16Mi'],
  maxRunBytes: ['1Ki', '64Mi'],
  maxLine: ['128', '1Mi'],
} as const;

const logSizes: Rule = ({ spec: { logs = {} } }) =>
  (['maxBytes', 'maxRunBytes', 'maxLine'] as const).flatMap((key) => {
    const size = logs[key];
    const bytes = size === undefined ? undefined : parseQuantity(size);
    const [least, most] = LOG_BOUNDS[key];
    if (size === undefined || bytes === undefined) return [];
    if (bytes < (parseQuantity(least) ?? 0))
      return finding(spec('logs', key), `${quote(size)} is too small; the least is ${least}`);
    return bytes > (parseQuantity(most) ?? 0)
      ? finding(spec('logs', key), `${quote(size)} is too large; the most is ${most}`)
      : [];
  });

const exitCodes: Rule = ({ spec: { exitCodes: codes } }) => {
  const warning = codes?.warning ?? [42];
  const both = (codes?.skipped ?? [43]).find((code) => warning.includes(code));
  if (both === undefined) return [];
  const field = codes?.skipped === undefined ? 'warning' : 'skipped';
  return [finding(spec('exitCodes', field), `${both} means both warning and skipped; keep one`)];
};

const RULES: readonly Rule[] = [
  labels,
  steps,
  images,
  files,
  content,
  parameters,
  schedules,
  needs,
  durations,
  logSizes,
  exitCodes,
  stringTroubles,
];
