import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openMemoryBranch } from '../../src/git/memory-branch.ts';
import type { Catalog } from '../../src/job/model.ts';
import { openLedger } from '../../src/ledger/writer.ts';
import { createRunnerSets, createSetStatuses, setCapacities } from '../../src/reconciler/runner-sets.ts';
import type { PoolOrder, PoolState } from '../../src/runner/port.ts';
import type { RunnerSet } from '../../src/schemas/index.ts';

const setOf = (name: string, spec: Partial<RunnerSet['spec']> = {}): RunnerSet => ({
  apiVersion: 'runledger.dev/v1',
  kind: 'RunnerSet',
  metadata: { name },
  spec: { maxRunners: 4, image: 'alpine', ...spec },
});
const catalogOf = (sets: readonly RunnerSet[], more: Partial<Catalog> = {}): Catalog => ({
  revision: 'a'.repeat(40),
  chain: 'a'.repeat(40),
  jobs: new Map(),
  runnerSets: new Map(sets.map((set) => [set.metadata.name, set])),
  invalidJobs: new Map(),
  problems: [],
  brokenFiles: new Map(),
  ...more,
});
const stateOf = (set: string, more: Partial<PoolState> = {}): PoolState => ({
  set,
  minRunners: 0,
  maxRunners: 4,
  scheduledMin: 0,
  slots: 4,
  desired: 1,
  idle: 0,
  busy: 1,
  starting: 0,
  failing: 0,
  assigned: 1,
  waiting: 0,
  ready: { status: true, reason: 'RunnersStart', message: 'runners start as they should' },
  ...more,
});
const FAILING = { status: false, reason: 'ImagePullFailed', message: 'alpine: not found' };
const at = (minute: number): Date => new Date(Date.UTC(2026, 10, 20, 7, minute));

const keeping = suite('runner sets that are kept');

keeping('are told once for each revision and window', () => {
  const told: (readonly [readonly PoolOrder[], boolean])[] = [];
  const sets = createRunnerSets({ keep: (orders, complete) => void told.push([orders, complete]) });
  const scheduled = setOf('small', { schedule: [{ cron: '0 8 * * *', for: '1h', minRunners: 3 }] });
  const catalog = catalogOf([scheduled]);
  assert.is(sets.keep(catalog, at(10)), at(60).getTime());
  assert.is(sets.keep(catalog, at(30)), at(60).getTime());
  assert.is(told.length, 1);
  sets.keep(catalog, at(60));
  sets.keep(catalogOf([scheduled], { brokenFiles: new Map([['a.yaml', []]]) }), at(61));
  assert.equal(
    told.map(([orders, complete]) => [orders[0]?.scheduledMin, complete]),
    [
      [0, true],
      [3, true],
      [3, false],
    ],
  );
});

keeping('have slots, and at most so many attempts', () => {
  const { sets, runners } = setCapacities(catalogOf([setOf('a'), setOf('b', { slots: 9 })]));
  assert.equal(
    [...sets],
    [
      ['a', 4],
      ['b', 9],
    ],
  );
  assert.equal(
    [...(runners ?? [])],
    [
      ['a', 4],
      ['b', 4],
    ],
  );
});

keeping.run();

const telling = suite('what the ledger is told of runner sets');

telling('a commit for what matters, and none for a runner that comes or goes', async () => {
  const { signal } = new AbortController();
  const author = { name: 'r', email: 'r@localhost' };
  const ledger = openLedger({ branch: openMemoryBranch('ledger'), author, now: () => at(0).getTime(), signal });
  const statuses = createSetStatuses();
  const catalog = catalogOf([setOf('small')]);
  const tell = async (states: readonly PoolState[], minute: number, seen = catalog): Promise<boolean> => {
    const view = await ledger.read(signal);
    const runnerSets = statuses(states, view.runnerSets, seen, at(minute));
    return (await ledger.write({ facts: [], runnerSets }, signal)) !== null;
  };
  const ready = async (): Promise<unknown> => (await ledger.read(signal)).runnerSets.get('small')?.conditions[0];

  assert.is(await tell([stateOf('small')], 0), true);
  assert.is(await tell([stateOf('small', { idle: 2, busy: 0, desired: 3 })], 1), false);
  assert.is(await tell([stateOf('small', { ready: FAILING, failing: 1 })], 2), true);
  const failing = {
    type: 'Ready',
    status: 'False',
    reason: 'ImagePullFailed',
    message: 'alpine: not found',
    lastTransitionTime: at(2).toISOString(),
  };
  assert.equal(await ready(), failing);
  assert.is(await tell([stateOf('small', { ready: FAILING, failing: 2 })], 3), false);
  assert.is(await tell([stateOf('small', { ready: { ...FAILING, reason: 'Unschedulable' } })], 4), true);
  assert.equal(await ready(), { ...failing, reason: 'Unschedulable' }, 'since when it is not ready stays');
  assert.is(await tell([stateOf('small', { maxRunners: 9 })], 5), true);
  // Out of the source, it stays until it has been drained.
  assert.is(await tell([stateOf('small')], 6, catalogOf([])), false);
  assert.is(await tell([], 7, catalogOf([])), true);
  assert.is((await ledger.read(signal)).runnerSets.size, 0);
});

telling.run();
