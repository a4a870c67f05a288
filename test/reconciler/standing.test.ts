import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { RunWait } from '../../src/reconciler/dispatch.ts';
import { standingOf } from '../../src/reconciler/standing.ts';
import { applyFacts } from '../../src/ledger/status.ts';
import type { LiveRun } from '../../src/runner/port.ts';
import type { JobStatus } from '../../src/schemas/index.ts';
import { at, attempt, exited, job, live, NOW, status, summary } from './world.ts';

const test = suite('what the ledger says of runs that wait or are executed');
const now = NOW.getTime();
const a = job('a', 'a');

const waitsFor = (run: number, what: string): RunWait => ({ job: 'a', run, for: what, now: `${what}, position 1` });

function look(runs: readonly LiveRun[], waits: readonly RunWait[] = [], known?: JobStatus) {
  return standingOf({
    live: runs,
    waits: new Map(waits.map((wait) => [`${wait.job}/${wait.run}`, wait])),
    statuses: new Map(known ? [['a', known]] : []),
    isOurs: () => true,
    now,
  });
}

const queued = (seconds: number, run = 1) => live(a, run, { record: { queued: at(seconds) } });
const running = (seconds: number, run = 1) =>
  live(a, run, { attempts: [{ ...attempt(null), started: at(seconds) }], record: { queued: at(-60) } });

test('a run that waits for ten seconds is told of, with what it waits for and without its place', () => {
  const { facts, dueAt } = look([queued(-10)], [waitsFor(1, 'for capacity of the source')]);
  assert.equal(facts, [
    {
      job: 'a',
      at: NOW.toISOString(),
      active: { run: 1, phase: 'Queued', waiting: 'run 1 waits for capacity of the source' },
    },
  ]);
  assert.is(dueAt, null);
});

test('one that waits for less is not, and it is said when it will be', () => {
  assert.equal(look([queued(-9)], [waitsFor(1, 'for x')]), { facts: [], dueAt: now + 1_000 });
  assert.equal(look([running(-4)]), { facts: [], dueAt: now + 6_000 });
});

test('what the ledger says already is not said again', () => {
  const [fact] = look([queued(-10)], [waitsFor(1, 'for x')]).facts;
  const known = applyFacts(status('a', 1, 'a'), fact!);
  assert.equal([known.phase, known.waiting, known.nextRun], ['Queued', 'run 1 waits for x', 2]);
  assert.equal(look([queued(-10)], [waitsFor(1, 'for x')], known), { facts: [], dueAt: null });
  assert.is(look([queued(-10)], [waitsFor(1, 'for y')], known).facts.length, 1, 'it waits for something else');
});

test('a run beside the one that waits is told of with it', () => {
  const [fact] = look([running(-20), queued(-15, 2)], [waitsFor(2, 'for run 1 of a in group a')]).facts;
  assert.equal(fact?.active, { run: 2, phase: 'Running', waiting: 'run 2 waits for run 1 of a in group a' });
});

test('of many runs that wait the first three are told of', () => {
  const runs = [1, 2, 3, 4, 5].map((run) => queued(-20, run));
  const [fact] = look(
    runs,
    runs.map(({ record }) => waitsFor(record.run, 'for x')),
  ).facts;
  assert.is(fact?.active?.waiting, 'run 1 waits for x; run 2 waits for x; run 3 waits for x; more wait');
});

test('a run whose pod does not start waits for that', () => {
  const [fact] = look([live(a, 1, { attempts: [{ ...attempt(null), started: null }] })]).facts;
  assert.equal(fact?.active, { run: 1, phase: 'Queued', waiting: 'run 1 waits to start' });
});

test('when no run is left, the ledger is told', () => {
  const known = { ...status('a', 2, 'a'), phase: 'Running' as const };
  const [fact] = look([], [], known).facts;
  assert.is(fact?.active, null);
  assert.is(applyFacts(known, fact!).phase, 'Idle');
  assert.equal(look([], [], status('a', 2, 'a')).facts, []);
});

test('what is recorded is over, though it is still claimed', () => {
  const known = { ...status('a', 2, 'a'), lastRuns: [summary(1)] };
  assert.equal(look([running(-20)], [], known), { facts: [], dueAt: null });
  const late = { job: 'a', at: NOW.toISOString(), active: { run: 1, phase: 'Running' as const } };
  assert.is(applyFacts(known, late).phase, 'Idle', 'and word of it that comes late changes nothing');
});

test('runs of other processes are theirs to tell of, and jobs of others too', () => {
  assert.equal(look([live(a, 1, { mine: false, attempts: [attempt(null)] })]).facts, []);
  const none = standingOf({ live: [queued(-20)], waits: new Map(), statuses: new Map(), isOurs: () => false, now });
  assert.equal(none, { facts: [], dueAt: null });
});

test('a run that has ended and is about to be recorded still counts as running', () => {
  const known = { ...status('a', 2, 'a'), phase: 'Running' as const };
  const ended = live(a, 1, { attempts: [{ ...attempt(exited(0)), started: at(-20) }] });
  assert.equal(look([ended], [], known).facts, []);
});

test.run();
