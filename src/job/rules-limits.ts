import { durationMs } from './duration.ts';
import type { Finding } from './explain.ts';
import type { FieldPath } from './positions.ts';
import { parseQuantity } from './quantity.ts';
import { finding, type Rule, stepsOf } from './rule.ts';
import { quote } from './words.ts';

/** Timers of Node count at most 2^31 - 1 milliseconds, 24.8 days; whoever waits longer for one run has forgotten it. */
const LONGEST_TIMEOUT = { text: '24d', ms: 24 * 86_400_000 } as const;

export const durationsRule: Rule = function* ({ spec }) {
  const { timeouts = {}, keep = {}, retry = {} } = spec;
  for (const key of ['queue', 'start', 'run', 'finally'] as const)
    yield* positive(['spec', 'timeouts', key], timeouts[key]);
  for (const key of ['queue', 'start', 'run', 'grace', 'finally'] as const)
    yield* shortEnough(['spec', 'timeouts', key], timeouts[key]);
  for (const { step, path } of stepsOf(spec)) {
    yield* positive([...path, 'timeout'], step.timeout);
    yield* shortEnough([...path, 'timeout'], step.timeout);
  }
  yield* positive(['spec', 'keep', 'for'], keep.for);
  yield* positive(['spec', 'keep', 'artifacts'], keep.artifacts);
  const { backoff, maxBackoff = '5m' } = retry;
  if (backoff !== undefined && durationMs(backoff) > durationMs(maxBackoff))
    yield finding(['spec', 'retry', 'backoff'], `${quote(backoff)} is longer than maxBackoff, ${maxBackoff}`);
};

/** A time span that is written is one. */
export function* positive(path: FieldPath, text: string | undefined): Iterable<Finding> {
  if (text !== undefined && durationMs(text) === 0)
    yield finding(path, `${quote(text)} is no time at all; write at least 1s`);
}

function* shortEnough(path: FieldPath, text: string | undefined): Iterable<Finding> {
  if (text !== undefined && durationMs(text) > LONGEST_TIMEOUT.ms)
    yield finding(path, `${quote(text)} is too long; the most is ${LONGEST_TIMEOUT.text}`);
}

/** The ledger is a git repository: what a job may put there has bounds that no manifest lifts. */
const LOG_BOUNDS = { maxBytes: ['1Ki', '16Mi'], maxRunBytes: ['1Ki', '64Mi'], maxLine: ['128', '1Mi'] } as const;

export const logSizesRule: Rule = function* ({ spec: { logs = {} } }) {
  for (const key of ['maxBytes', 'maxRunBytes', 'maxLine'] as const) {
    const size = logs[key];
    const bytes = size === undefined ? undefined : parseQuantity(size);
    if (size === undefined || bytes === undefined) continue;
    const [least, most] = LOG_BOUNDS[key];
    const path = ['spec', 'logs', key];
    if (bytes < (parseQuantity(least) ?? 0)) yield finding(path, `${quote(size)} is too small; the least is ${least}`);
    if (bytes > (parseQuantity(most) ?? 0)) yield finding(path, `${quote(size)} is too large; the most is ${most}`);
  }
};

export const exitCodesRule: Rule = function* ({ spec: { exitCodes = {} } }) {
  const warning = exitCodes.warning ?? [42];
  const both = (exitCodes.skipped ?? [43]).find((code) => warning.includes(code));
  const field = exitCodes.skipped === undefined ? 'warning' : 'skipped';
  if (both !== undefined)
    yield finding(['spec', 'exitCodes', field], `${both} means both warning and skipped; keep one`);
};
