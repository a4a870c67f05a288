import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { CommitStatus } from '../../src/forge/port.ts';
import type { StatusState } from '../../src/forge/port.ts';
import { missedStatuses } from '../../src/notify/catch-up.ts';
import { statusOf } from '../../src/notify/status.ts';
import { createTeller } from '../../src/notify/teller.ts';
import type { RunNews } from '../../src/notify/news.ts';
import type { JobStatus, Outcome, Result } from '../../src/schemas/index.ts';
import { outcomeOf, SHA } from './world.ts';

const test = suite('commit statuses');
const pages = { root: 'https://f/root', outcome: (job: string, run: number) => `https://f/${job}/${run}` };
const signal = new AbortController().signal;

const ended = (more: Partial<Outcome> = {}): CommitStatus | undefined =>
  statusOf({ kind: 'ended', outcome: outcomeOf(more), previous: null }, 'platform', pages);

test('a run stands beside the commit of its chain', () => {
  const base = { sha: SHA, context: 'runledger/platform/report' };
  const news = { job: 'report', run: 12, chain: SHA } as const;
  assert.equal(statusOf({ kind: 'queued', ...news }, 'platform', pages), {
    ...base,
    state: 'pending',
    description: 'run 12 waits',
    targetUrl: pages.root,
  });
  assert.is(statusOf({ kind: 'running', ...news }, 'platform', pages)?.state, 'running');
  assert.equal(ended(), {
    ...base,
    state: 'failure',
    description: 'failed in 1m12s: step "load" ended with exit code 3',
    targetUrl: 'https://f/report/12',
  });
  // What ran for a job that it needs belongs to the same commit.
  assert.is(ended({ trigger: { kind: 'needs', job: 'build', run: 3 } })?.sha, SHA);
});

test('a run of an instant or a request stands nowhere', () => {
  assert.is(ended({ chain: '2026-03-01T00:00:00Z' }), undefined);
  assert.is(ended({ chain: 'd2f1c7d0-0000-4000-8000-000000000000' }), undefined);
  assert.is(ended({ chain: 'none.0123456789abcdef' }), undefined);
});

test('each result is a state', () => {
  const state = (result: Result): string | undefined => ended({ result })?.state;
  const results = ['succeeded', 'warning', 'skipped', 'failed', 'timed-out', 'cancelled', 'error'] as const;
  assert.equal(results.map(state), ['success', 'success', 'success', 'failure', 'failure', 'error', 'error']);
});

test('a description is a line, whatever a job says', () => {
  assert.is(ended({ message: 'a\nb\u001b[31m' })?.description, 'failed in 1m12s: a b');
  assert.ok((ended({ message: 'x'.repeat(500) })?.description.length ?? 999) <= 140);
});

test('the end of a run is news when it is recorded, once, and not when it is refused', () => {
  const heard: RunNews['kind'][] = [];
  const take = createTeller(({ kind }) => heard.push(kind));
  const key = { job: 'report', run: 12 };
  take({ kind: 'claimed', action: key, chain: SHA });
  take({ kind: 'started', key, chain: SHA, first: true });
  take({ kind: 'started', key, chain: SHA, first: false });
  take({ kind: 'finished', outcome: outcomeOf(), previous: null });
  assert.equal(heard, ['queued', 'running']);
  take({ kind: 'recorded', key });
  take({ kind: 'recorded', key });
  assert.equal(heard, ['queued', 'running', 'ended']);
  take({ kind: 'finished', outcome: outcomeOf({ run: 13 }), previous: null });
  take({ kind: 'refused', key: { ...key, run: 13 } });
  take({ kind: 'recorded', key: { ...key, run: 13 } });
  assert.is(heard.length, 3);
});

const NOW = Date.parse('2026-03-01T02:00:00Z');
type Summary = JobStatus['lastRuns'][number];
const summary = (run: number, more: Partial<Summary> = {}): Summary => ({
  run,
  result: 'failed',
  reason: 'ExitCode',
  exitCode: 3,
  trigger: { kind: 'commit', revision: SHA },
  revision: SHA,
  finished: '2026-03-01T01:00:00Z',
  ...more,
});

async function missed(
  runs: Readonly<Record<string, readonly Summary[]>>,
  known: Readonly<Record<string, StatusState>>,
): Promise<{ readonly set: readonly string[]; readonly asked: number }> {
  let asked = 0;
  const statuses = new Map(Object.entries(runs).map(([job, lastRuns]) => [job, { job, lastRuns } as JobStatus]));
  const view = {
    statuses,
    outcome: async (job: string, run: number) => {
      const found = runs[job]?.find((one) => one.run === run);
      return found && outcomeOf({ job, run, result: found.result, chain: found.chain ?? found.revision });
    },
  };
  const forge = {
    async statusesOf() {
      asked += 1;
      return new Map(Object.entries(known));
    },
  };
  const found = await missedStatuses(view, 'platform', pages, forge, NOW, signal);
  return { set: found.map(({ context, state, targetUrl }) => `${context} ${state} ${targetUrl}`), asked };
}

test('after a restart only what the forge does not know is told', async () => {
  const { set, asked } = await missed(
    {
      told: [summary(1)],
      stuck: [summary(2)],
      unheard: [summary(3, { result: 'succeeded' })],
      again: [summary(5), summary(4, { result: 'succeeded' })],
    },
    {
      'runledger/platform/told': 'error',
      'runledger/platform/stuck': 'running',
      'runledger/platform/again': 'success',
    },
  );
  assert.equal(set, [
    'runledger/platform/stuck failure https://f/stuck/2',
    'runledger/platform/unheard success https://f/unheard/3',
    'runledger/platform/again failure https://f/again/5',
  ]);
  assert.is(asked, 1);
});

test('runs of long ago, of instants, and of more commits than a few are left alone', async () => {
  assert.equal(
    await missed(
      {
        old: [summary(1, { finished: '2026-02-01T00:00:00Z' })],
        timed: [summary(1, { chain: '2026-03-01T01:00:00Z' })],
      },
      {},
    ),
    { set: [], asked: 0 },
  );
  const many = Object.fromEntries(
    Array.from({ length: 40 }, (_, index) => [
      `j${index}`,
      [summary(1, { revision: index.toString(16).padStart(40, '0') })],
    ]),
  );
  assert.is((await missed(many, {})).asked, 20);
});

test.run();
