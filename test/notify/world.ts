import type { Outcome } from '../../src/schemas/index.ts';

export const SHA = 'a'.repeat(40);

/** An outcome of a commit, with what a test is about. */
export const outcomeOf = (more: Partial<Outcome> = {}): Outcome => ({
  apiVersion: 'runledger.dev/v1',
  kind: 'Outcome',
  job: 'report',
  run: 12,
  result: 'failed',
  reason: 'ExitCode',
  message: 'step "load" ended with exit code 3',
  exitCode: 3,
  step: 'load',
  trigger: { kind: 'commit', revision: SHA },
  source: { revision: SHA, path: 'jobs/report.yaml', digest: `v1:${'0'.repeat(64)}` },
  times: {
    queued: '2026-03-01T00:00:00.000Z',
    started: '2026-03-01T00:00:10.000Z',
    finished: '2026-03-01T00:01:22.000Z',
  },
  vars: { rows: '1204' },
  tasks: [],
  chain: SHA,
  by: { runner: 'kubernetes', version: '1.0.0' },
  ...more,
});
