import { createHash } from 'node:crypto';
import { logPath } from '../../src/ledger/layout.ts';
import type { JobFacts } from '../../src/ledger/port.ts';

const hash = (kind: 'sha1' | 'sha256', text: string): string => createHash(kind).update(text).digest('hex');

/** The facts of a run that ended at `finished` (ms since 1970), with a log of about 1 kB. */
export function runFacts(job: string, run: number, finished: number): JobFacts {
  const at = (ms: number): string => new Date(ms).toISOString();
  const times = { queued: at(finished - 3400), started: at(finished - 3000), finished: at(finished) };
  const revision = hash('sha1', `revision ${run}`);
  const digest = `v1:${hash('sha256', `${job} ${run}`)}`;
  const text = Array.from(
    { length: 12 },
    (_, line) => `${at(finished - 2000 + line)} report stdout ${job}: row ${line * run} of run ${run} is done\n`,
  ).join('');
  const log = { path: logPath(job, run, 1), bytes: text.length, sha256: hash('sha256', text), complete: true };
  const ending = { result: 'succeeded', reason: 'Completed', message: 'every step ended with 0', exitCode: 0 } as const;
  return {
    job,
    at: times.finished,
    manifest: { state: 'valid', path: `jobs/${job}.yaml`, revision },
    active: null,
    commit: { digest, spec: { image: 'alpine:3.20', run: `./report --number ${run}\n`, env: { LOG_LEVEL: 'info' } } },
    finished: {
      outcome: {
        apiVersion: 'runledger.dev/v1',
        kind: 'Outcome',
        job,
        run,
        ...ending,
        trigger: { kind: 'commit', revision },
        source: { revision, path: `jobs/${job}.yaml`, digest },
        times,
        vars: { rows: String(run * 17) },
        log,
        tasks: [{ name: 'default', ...ending, times, attempts: [{ number: 1, ...ending, node: 'bench', log, times }] }],
        chain: revision,
        by: { runner: 'process', version: '0.0.0', host: 'bench' },
      },
      logs: new Map([[log.path, Buffer.from(text)]]),
      keep: { runs: 50, forMs: 180 * 86_400_000 },
    },
  };
}
