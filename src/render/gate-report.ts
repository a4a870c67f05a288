const RESULTS = [
  'exited',
  'skipped',
  'cancelled',
  'timeout-step',
  'timeout-run',
  'timeout-finally',
  'oom-killed',
  'start-error',
  'lost',
] as const;

/**
 * What a gate leaves as its container's termination message. The job can write there too: it explains an exit code other
 * than 0, and never makes a success of anything (docs/architecture.md, Exactly once).
 */
export interface GateReport {
  /**
   * `exited`: the command ended by itself. `skipped`: it was not started, after another step's end or because of `when`.
   * `cancelled`: it was stopped by TERM. `timeout-…`: it was stopped when that time was over.
   * `oom-killed`: a process of it was killed for its memory, whatever the command made of that. `start-error`: there was
   * nothing to start. `lost`: it was not started, since the step before it had died without a word.
   */
  readonly result: (typeof RESULTS)[number];
  readonly code: number;
  /** RFC 3339, UTC; null where the command was not started. */
  readonly started: string | null;
  readonly finished: string;
}

/** The report in a termination message; null where there is none. */
export function parseGateReport(message: string): GateReport | null {
  let report: Record<string, unknown> | null;
  try {
    report = JSON.parse(message) as Record<string, unknown> | null;
  } catch {
    return null;
  }
  const result = RESULTS.find((known) => known === report?.['result']);
  const { gate, code, started, finished } = report ?? {};
  if (gate !== 1 || result === undefined || !Number.isInteger(code)) return null;
  if (typeof started !== 'string' || typeof finished !== 'string') return null;
  return { result, code: Number(code), started: started === '' ? null : started, finished };
}
