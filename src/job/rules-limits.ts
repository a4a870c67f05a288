import { durationMs } from './duration.ts';
import type { FieldPath } from './positions.ts';
import { parseQuantity } from './quantity.ts';
import { eachStep, type Report, type Rule } from './rule.ts';
import { quote } from './words.ts';

/** Timers of Node count at most 2^31 - 1 milliseconds, 24.8 days; whoever waits longer for one run has forgotten it. */
const LONGEST_TIMEOUT = { text: '24d', ms: 24 * 86_400_000 } as const;

export const durationsRule: Rule = ({ job: { spec } }, report) => {
  const { timeouts, keep, retry, services = {} } = spec;
  if (timeouts)
    for (const key of TIMEOUTS) checkTimeout(report, timeouts[key], () => ['spec', 'timeouts', key], key === 'grace');
  eachStep(spec, (step, path) => checkTimeout(report, step.timeout, () => [...path(), 'timeout']));
  for (const [name, { health = {} }] of Object.entries(services))
    for (const key of ['interval', 'timeout'] as const)
      checkTimeout(report, health[key], () => ['spec', 'services', name, 'health', key]);
  if (keep) {
    checkPositive(report, keep.for, () => ['spec', 'keep', 'for']);
    checkPositive(report, keep.artifacts, () => ['spec', 'keep', 'artifacts']);
  }
  const { backoff, maxBackoff = '5m' } = retry ?? {};
  if (backoff !== undefined && durationMs(backoff) > durationMs(maxBackoff))
    report(['spec', 'retry', 'backoff'], `${quote(backoff)} is longer than maxBackoff, ${maxBackoff}`);
};

const TIMEOUTS = ['queue', 'start', 'run', 'grace', 'finally'] as const;

/** A time span that is written is one, except where nothing at all has a meaning, and is short enough. */
function checkTimeout(report: Report, text: string | undefined, path: () => FieldPath, mayBeNothing = false): void {
  if (text === undefined) return;
  const ms = durationMs(text);
  if (ms === 0 && !mayBeNothing) report(path(), nothingAtAll(text));
  if (ms > LONGEST_TIMEOUT.ms) report(path(), `${quote(text)} is too long; the most is ${LONGEST_TIMEOUT.text}`);
}

/** A time span that is written is one. */
export function checkPositive(report: Report, text: string | undefined, path: () => FieldPath): void {
  if (text !== undefined && durationMs(text) === 0) report(path(), nothingAtAll(text));
}

const nothingAtAll = (text: string): string => `${quote(text)} is no time at all; write at least 1s`;

/** The ledger is a git repository: what a job may put there has bounds that no manifest lifts. */
const LOG_BOUNDS = { maxBytes: ['1Ki', '16Mi'], maxRunBytes: ['1Ki', '64Mi'], maxLine: ['128', '1Mi'] } as const;

export const logSizesRule: Rule = ({ job }, report) => {
  const { logs } = job.spec;
  if (!logs) return;
  for (const key of ['maxBytes', 'maxRunBytes', 'maxLine'] as const) {
    const size = logs[key];
    const bytes = size === undefined ? undefined : parseQuantity(size);
    if (size === undefined || bytes === undefined) continue;
    const [least, most] = LOG_BOUNDS[key];
    const path = ['spec', 'logs', key];
    if (bytes < (parseQuantity(least) ?? 0)) report(path, `${quote(size)} is too small; the least is ${least}`);
    if (bytes > (parseQuantity(most) ?? 0)) report(path, `${quote(size)} is too large; the most is ${most}`);
  }
};

export const exitCodesRule: Rule = ({ job }, report) => {
  const { exitCodes } = job.spec;
  if (!exitCodes) return; // the defaults differ
  const warning = exitCodes.warning ?? [42];
  const both = (exitCodes.skipped ?? [43]).find((code) => warning.includes(code));
  const field = exitCodes.skipped === undefined ? 'warning' : 'skipped';
  if (both !== undefined) report(['spec', 'exitCodes', field], `${both} means both warning and skipped; keep one`);
};
