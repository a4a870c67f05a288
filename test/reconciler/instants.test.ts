import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { DesiredJob } from '../../src/job/model.ts';
import type { JobFacts } from '../../src/ledger/port.ts';
import { createAgenda } from '../../src/reconciler/agenda.ts';
import { triggerFacts } from '../../src/reconciler/facts.ts';
import { dueOf } from '../../src/reconciler/instants.ts';
import { plan } from '../../src/reconciler/plan.ts';
import type { Observation } from '../../src/reconciler/ports.ts';
import type { JobStatus } from '../../src/schemas/index.ts';
import { at, job, live, NOW, REVISION, status, told, world } from './world.ts';

const hourly = (spec: Parameters<typeof job>[2] = {}): DesiredJob =>
  job('a', 'a', { on: { schedule: { cron: '0 * * * *', catchUp: 'all' } }, ...spec });
const snapshot = (committed?: string) => ({ revision: REVISION, ...(committed === undefined ? {} : { committed }) });

/** What the ledger gets to know of a job's schedules at a moment. */
const noted = (
  desired: DesiredJob,
  known: JobStatus | undefined,
  now: string,
  committed?: string,
): JobFacts | undefined => {
  const [action] = plan(world({ jobs: [desired], statuses: known ? [known] : [], rest: { now: new Date(now) } }));
  return action && triggerFacts(desired, action, known, snapshot(committed), new Date(now));
};

const dueAt = (desired: DesiredJob, known: JobStatus | undefined, now: string, instants: readonly string[] = []) =>
  dueOf(
    desired,
    known,
    instants.map((instant, index) =>
      live(desired, index + 1, { record: { trigger: { kind: 'schedule', at: instant } } }),
    ),
    new Date(now),
  ).due;

const test = suite('instants of a job');

test('until the ledger knows since when a schedule is there, nothing is due', () => {
  assert.equal(dueAt(hourly(), undefined, at(0)), []);
  assert.equal(dueAt(hourly(), status('a', 1, 'a'), at(0)), []);
});

test('a schedule counts from the commit that brought it', () => {
  const known = told(noted(hourly(), undefined, at(60), at(-2 * 3_600 - 60))!);
  assert.equal(
    dueAt(hourly(), known, at(60)),
    [at(-7_200), at(-3_600), at(0)].map((time) => time.replace('.000', '')),
  );
  const now = told(noted(hourly(), undefined, at(60))!);
  assert.equal(dueAt(hourly(), now, at(60)), [], 'without a commit from when it is seen');
  const future = told(noted(hourly(), undefined, at(60), at(9_999))!);
  assert.is(future?.schedule?.since, at(60), 'a commit of the future counts from now');
});

test('it is noted once, and again when its expressions or zones change', () => {
  const known = told(noted(hourly(), undefined, at(0))!);
  assert.is(noted(hourly(), known, at(100)), undefined);
  const other = hourly({ on: { schedule: { cron: '0 * * * *', catchUp: 'none', deadline: '5m' } } });
  assert.is(noted(other, known, at(100)), undefined, 'how it is made up for is no other schedule');
  const zone = hourly({ on: { schedule: { cron: '0 * * * *', timeZone: 'Asia/Kolkata', catchUp: 'all' } } });
  assert.is(noted(zone, known, at(100))?.schedule?.since, at(100));
  assert.is(noted(job('a', 'a'), known, at(100))?.schedule, null, 'and when there is none any more');
});

test('what passes while a job is suspended is never made up for', () => {
  const known = told(noted(hourly(), undefined, at(60))!)!;
  const suspended: JobFacts = {
    job: 'a',
    at: at(100),
    manifest: { state: 'suspended', path: 'jobs/a.yaml', revision: REVISION },
  };
  const off = told({ ...noted(hourly(), undefined, at(60))! }, suspended)!;
  assert.equal([off.phase, off.schedule, off.next], ['Suspended', undefined, []]);
  const resumed = noted(hourly(), off, at(3 * 3_600), at(-9_000));
  assert.is(resumed?.schedule?.since, at(3 * 3_600), 'not from the commit, which may be older than what passed');
  const on = told(noted(hourly(), undefined, at(60))!, suspended, resumed!);
  assert.equal(dueAt(hourly(), on, at(3 * 3_600 + 60)), []);
  assert.equal(dueAt(hourly(), known, at(3 * 3_600 + 60)).length, 3, 'else they would be');
});

test('a job that was removed and comes back begins anew', () => {
  const removed: JobFacts = { job: 'a', at: at(100), manifest: { state: 'removed', revision: REVISION } };
  const gone = told(noted(hourly(), undefined, at(60))!, removed);
  assert.is(noted(hourly(), gone, at(7_200), at(-9_000))?.schedule?.since, at(7_200));
});

test('an instant that is claimed or recorded is not due again, and those before it are not either', () => {
  const known = told(noted(hourly(), undefined, at(60), at(-7_260))!)!;
  assert.equal(dueAt(hourly(), known, at(60), [at(-3_600)]), ['2026-11-20T12:00:00Z']);
  assert.equal(dueAt(hourly(), known, at(60), [at(0)]), []);
  assert.equal(dueAt(hourly(), { ...known, lastInstant: at(-3_600) }, at(60)), ['2026-11-20T12:00:00Z']);
});

test('a clock that is set back runs no instant twice, and wakes up where it has been', () => {
  const known = { ...told(noted(hourly(), undefined, at(60), at(-7_260))!)!, lastInstant: at(0) };
  for (const now of [at(-30), at(-3_700), at(-30 * 86_400), at(0)]) {
    const { due, wakeAt } = dueOf(hourly(), known, [], new Date(now));
    assert.equal(due, []);
    assert.is(wakeAt, NOW.getTime() + 3_600_000);
  }
});

test('the outcome of an instant moves the watermark, and one that is recorded late does not move it back', () => {
  const late = told(
    { job: 'a', at: at(1) },
    ...[at(0), at(-3_600)].map((instant, index): JobFacts => {
      const { trigger, run } = { trigger: { kind: 'schedule', at: instant } as const, run: index + 1 };
      const outcome = { ...outcomeOf(run), trigger };
      return { job: 'a', at: at(80), finished: { outcome, logs: new Map(), keep: { runs: 9, forMs: 1e9 } } };
    }),
  );
  assert.is(late?.lastInstant, at(0));
});

const outcomeOf = (run: number) =>
  ({
    apiVersion: 'runledger.dev/v1',
    kind: 'Outcome',
    job: 'a',
    run,
    result: 'succeeded',
    reason: 'Completed',
    message: 'well',
    exitCode: 0,
    trigger: { kind: 'commit', revision: REVISION },
    source: { revision: REVISION, path: 'jobs/a.yaml', digest: 'x' },
    times: { queued: at(0), finished: at(1) },
    tasks: [] as never,
    chain: REVISION,
    by: { runner: 'process', version: '0' },
  }) as const;

test('the plan makes a run of each instant that is due, oldest first, with numbers in that order', () => {
  const known = told(noted(hourly(), undefined, at(60), at(-7_260))!)!;
  const actions = plan(world({ jobs: [hourly()], statuses: [known], rest: { now: new Date(at(60)) } }));
  assert.equal(
    actions.map(({ run, trigger }) => [run, trigger?.kind === 'schedule' && trigger.at]),
    [
      [1, '2026-11-20T10:00:00Z'],
      [2, '2026-11-20T11:00:00Z'],
      [3, '2026-11-20T12:00:00Z'],
    ],
  );
  const suspended = hourly({ suspend: true });
  const none = plan(world({ jobs: [suspended], statuses: [known], rest: { now: new Date(at(60)) } }));
  assert.equal(
    none.map(({ action }) => action),
    ['suspended'],
  );
});

test.run();

const agenda = suite('agenda');

const seen = (jobs: readonly DesiredJob[], statuses: readonly JobStatus[] = []): Observation =>
  ({ ...world({ jobs, statuses }), recorded: [] }) as unknown as Observation;

agenda('knows when the next instant of any job comes, and of which', () => {
  const quarterly = job('b', 'b', { on: { schedule: { cron: '*/15 * * * *' } } });
  const kept = createAgenda();
  kept.take(seen([hourly(), quarterly, job('c', 'c')]), ['a', 'b', 'c'], NOW);
  assert.is(kept.next(), NOW.getTime() + 900_000);
  assert.equal(kept.due(NOW.getTime() + 899_999), []);
  assert.equal(kept.due(NOW.getTime() + 900_000), ['b']);
  assert.equal([...kept.due(NOW.getTime() + 3_600_000)].sort(), ['a', 'b']);
});

agenda('forgets jobs that are suspended, gone, or without a schedule', () => {
  const kept = createAgenda();
  kept.take(seen([hourly()]), ['a'], NOW);
  assert.ok(kept.next() !== null);
  kept.take(seen([hourly({ suspend: true })]), ['a'], NOW);
  assert.is(kept.next(), null);
  kept.take(seen([hourly()]), ['a'], NOW);
  kept.take(seen([]), [], NOW);
  assert.is(kept.next(), null);
  kept.take(seen([hourly()]), ['a'], NOW);
  kept.take(seen([job('a', 'a')]), ['a'], NOW);
  assert.is(kept.next(), null);
});

agenda('knows which jobs need which', () => {
  const kept = createAgenda();
  const needing = (name: string, ...needs: string[]): DesiredJob => job(name, 'x', { needs });
  kept.take(seen([job('a', 'a'), needing('b', 'a'), needing('c', 'a', 'b')]), [], NOW);
  assert.equal([kept.dependentsOf('a'), kept.dependentsOf('b'), kept.dependentsOf('c')], [['b', 'c'], ['c'], []]);
});

agenda.run();
