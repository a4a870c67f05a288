import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { DesiredJob } from '../../src/job/model.ts';
import { triggerFacts } from '../../src/reconciler/facts.ts';
import { plan, type PlanInput } from '../../src/reconciler/plan.ts';
import { chainOf } from '../../src/reconciler/record.ts';
import type { LiveRun } from '../../src/runner/port.ts';
import type { Job, JobStatus, PlannedAction, Trigger } from '../../src/schemas/index.ts';
import { applyFacts } from '../../src/ledger/status.ts';
import { at, attempt, exited, job, live, NOW, readySince, REVISION, status, summary, world } from './world.ts';

const NAMES = ['a', 'b', 'c', 'd'] as const;
const OTHER = 'b'.repeat(40);
const LETTERS = ['x', 'y', 'z'] as const;

/** Jobs need only those before them, so that there are no cycles. */
const jobsArb: fc.Arbitrary<readonly DesiredJob[]> = fc
  .tuple(
    ...NAMES.map((_, index) =>
      fc.record({
        there: fc.boolean(),
        letter: fc.constantFrom(...LETTERS),
        suspend: fc.boolean(),
        needs: fc.subarray(NAMES.slice(0, index)),
        on: fc.constantFrom<Job['spec']['on']>(
          undefined,
          { commit: true },
          { commit: false },
          { schedule: { cron: '*/20 * * * *', catchUp: 'all', maxCatchUp: 3 } },
          { commit: true, schedule: { cron: '0 * * * *' } },
        ),
      }),
    ),
  )
  .map((shapes) =>
    shapes.flatMap(({ there, letter, suspend, needs, on }, index) =>
      there
        ? [
            job(NAMES[index] ?? 'a', letter, {
              ...(suspend ? { suspend } : {}),
              ...(needs.length > 0 ? { needs } : {}),
              ...(on ? { on } : {}),
            }),
          ]
        : [],
    ),
  );

/** A request is of one job. */
const triggerArb = (name: string): fc.Arbitrary<Trigger> =>
  fc.oneof(
    fc.constantFrom(REVISION, OTHER).map((revision): Trigger => ({ kind: 'commit', revision })),
    fc.constantFrom(at(-3_600), at(-1_200)).map((instant): Trigger => ({ kind: 'schedule', at: instant })),
    fc.constantFrom(`${name}-r1`, `${name}-r2`).map((id): Trigger => ({ kind: 'request', id })),
  );

const statusArb = (name: string): fc.Arbitrary<JobStatus | undefined> =>
  fc.option(
    fc
      .record({
        runs: fc.array(
          fc.record({ trigger: triggerArb(name), result: fc.constantFrom('succeeded', 'failed', 'skipped') }),
          {
            maxLength: 3,
          },
        ),
        letter: fc.constantFrom(...LETTERS),
        ready: fc.boolean(),
      })
      .map(({ runs, letter, ready }) => {
        const lastRuns = runs
          .map(({ trigger, result }, index) =>
            summary(index + 1, {
              trigger,
              result: result as 'succeeded',
              finished: at(-100 + index),
              ...(trigger.kind === 'commit' ? { revision: trigger.revision } : { chain: chainIn(trigger) }),
            }),
          )
          .toReversed();
        const instants = lastRuns.flatMap(({ trigger }) => (trigger.kind === 'schedule' ? [trigger.at] : [])).sort();
        return status(name, runs.length + 1, letter, {
          lastRuns,
          conditions: ready ? [readySince(at(-7_200))] : [],
          ...(instants.length > 0 ? { lastInstant: instants.at(-1)! } : {}),
        });
      }),
    { nil: undefined },
  );

const chainIn = (trigger: Trigger): string =>
  trigger.kind === 'schedule' ? trigger.at : trigger.kind === 'request' ? trigger.id : REVISION;

interface Case {
  readonly jobs: readonly DesiredJob[];
  readonly statuses: readonly JobStatus[];
  readonly live: readonly LiveRun[];
  readonly requests: PlanInput['requests'];
}

const caseArb: fc.Arbitrary<Case> = fc
  .record({
    jobs: jobsArb,
    statuses: fc.tuple(...NAMES.map(statusArb)),
    running: fc.array(
      fc.constantFrom(...NAMES).chain((name) =>
        fc.record({
          name: fc.constant(name),
          letter: fc.constantFrom(...LETTERS),
          trigger: triggerArb(name),
          state: fc.constantFrom('claimed', 'held', 'running', 'ended'),
          mine: fc.boolean(),
        }),
      ),
      { maxLength: 4 },
    ),
    requests: fc.array(
      fc.record({
        job: fc.constantFrom<string>(...NAMES),
        nth: fc.constantFrom(1, 2, 3),
      }),
      { maxLength: 2 },
    ),
  })
  .map(({ jobs, statuses, running, requests }) => {
    const now = new Map(jobs.map((each) => [each.name, each.digest]));
    // A run of this very commit was of the job as this commit has it.
    const known = statuses
      .filter((each) => each !== undefined)
      .map((each) => {
        const ran = each.lastRuns.some(({ trigger }) => trigger.kind === 'commit' && trigger.revision === REVISION);
        const digest = now.get(each.job);
        return ran && digest !== undefined ? Object.assign(each, { lastCommitDigest: digest }) : each;
      });
    const counts = new Map(known.map(({ job: name, nextRun }) => [name, nextRun]));
    const runs = running.map(({ name, letter, trigger, state, mine }) => {
      const run = counts.get(name) ?? 1;
      counts.set(name, run + 1);
      return live(job(name, letter), run, {
        record: { trigger, chain: chainIn(trigger) },
        held: state !== 'claimed',
        mine,
        attempts: state === 'running' ? [attempt(null)] : state === 'ended' ? [attempt(exited(0))] : [],
      });
    });
    // A request is one, whoever hands it on.
    const ids = new Map(requests.map(({ job: name, nth }) => [`${name}-r${nth}`, name]));
    const unique = [...ids].map(([id, name]) => ({ job: name, id, params: {}, args: [] }));
    return { jobs, statuses: known, live: runs, requests: unique };
  });

const inputOf = ({ jobs, statuses, live: runs, requests }: Case): PlanInput =>
  world({ jobs, statuses, live: runs, rest: { requests } });

const runsIn = (actions: readonly PlannedAction[]) => actions.filter(({ action }) => action === 'run');

/** What the ledger gets to know when this is planned: since when jobs are as they are. */
function noted(given: Case, actions: readonly PlannedAction[]): readonly JobStatus[] {
  const statuses = new Map(given.statuses.map((each) => [each.job, each]));
  for (const action of actions) {
    const desired = given.jobs.find(({ name }) => name === action.job);
    const known = statuses.get(action.job);
    const facts = desired && triggerFacts(desired, action, known, { revision: REVISION, committed: at(-5_000) }, NOW);
    if (facts) statuses.set(action.job, applyFacts(known, facts));
  }
  return [...statuses.values()];
}

/** The claims that a plan makes; as far as `upTo` of them: whoever made them may have been cut off. */
function claims(given: Case, actions: readonly PlannedAction[], upTo: number = Infinity): readonly LiveRun[] {
  const input = inputOf(given);
  return runsIn(actions)
    .slice(0, upTo)
    .map((action) => {
      const desired = given.jobs.find(({ name }) => name === action.job)!;
      const chain = chainOf(action, input);
      return live(desired, action.run ?? 0, { record: { trigger: action.trigger!, chain }, held: false });
    });
}

/** What is live once these claims are made: one that was there and is claimed again, as its job is by now, is the same run. */
const withClaims = (before: readonly LiveRun[], made: readonly LiveRun[]): readonly LiveRun[] => {
  const again = new Set(made.map(({ record }) => `${record.job} ${record.run}`));
  return [...before.filter(({ record }) => !again.has(`${record.job} ${record.run}`)), ...made];
};

const identity = ({ job: name, run, trigger }: Pick<PlannedAction, 'job' | 'run' | 'trigger'>): string =>
  `${name} ${run} ${JSON.stringify(trigger)}`;

const test = suite('properties of the plan');

test('planning what the plan produced gives no new run', () => {
  fc.assert(
    fc.property(caseArb, (given) => {
      const first = plan(inputOf(given));
      const statuses = noted(given, first);
      const withNotes = { ...given, statuses };
      const second = plan(inputOf(withNotes));
      const produced = withClaims(given.live, claims(withNotes, second));
      const third = plan(inputOf({ ...withNotes, live: produced }));
      assert.equal(runsIn(third), []);
    }),
    { numRuns: 3_000 },
  );
});

test('who is cut off after some claims, and plans again, makes the others alone', () => {
  fc.assert(
    fc.property(caseArb, fc.nat(4), (given, upTo) => {
      const noticed = { ...given, statuses: noted(given, plan(inputOf(given))) };
      const whole = plan(inputOf(noticed));
      const made = claims(noticed, whole, upTo);
      const rest = runsIn(plan(inputOf({ ...noticed, live: withClaims(noticed.live, made) })));
      const expected = new Set(runsIn(whole).map(identity));
      for (const each of [...made.map(({ record }) => record), ...rest])
        assert.ok(expected.has(identity(each)), `${identity(each)} is new`);
      const twice = rest.filter((each) => made.some(({ record }) => identity(record) === identity(each)));
      assert.equal(twice, []);
    }),
    { numRuns: 3_000 },
  );
});

test('numbers are new, each is given once, and every run has a trigger', () => {
  fc.assert(
    fc.property(caseArb, (given) => {
      const runs = runsIn(plan(inputOf(given)));
      const numbers = runs.map(({ job: name, run }) => `${name} ${run}`);
      assert.is(new Set(numbers).size, numbers.length);
      for (const { job: name, run = 0, trigger, reason } of runs) {
        assert.ok(trigger);
        if (reason === 'Interrupted') {
          const waits = given.live.find(({ record }) => record.job === name && record.run === run);
          assert.equal(waits?.record.trigger, trigger);
          assert.is(waits?.held, false);
          continue;
        }
        assert.ok(run >= (given.statuses.find((each) => each.job === name)?.nextRun ?? 1));
        assert.ok(given.live.every(({ record }) => record.job !== name || record.run < run));
      }
    }),
    { numRuns: 1_000 },
  );
});

test('nothing that is suspended, invalid or gone runs but by request', () => {
  fc.assert(
    fc.property(caseArb, (given) => {
      for (const { job: name, trigger, reason } of runsIn(plan(inputOf(given)))) {
        const desired = given.jobs.find((each) => each.name === name);
        assert.ok(desired);
        // What waits goes on; nothing new comes.
        if (desired.manifest.spec.suspend === true && reason !== 'Interrupted') assert.is(trigger?.kind, 'request');
      }
    }),
    { numRuns: 1_000 },
  );
});

test('it depends on its input alone, and not on its order', () => {
  fc.assert(
    fc.property(caseArb, (given) => {
      const turned = {
        ...given,
        jobs: given.jobs.toReversed(),
        statuses: given.statuses.toReversed(),
        live: given.live.toReversed(),
      };
      assert.equal(runsIn(plan(inputOf(turned))), runsIn(plan(inputOf(given))));
    }),
    { numRuns: 500 },
  );
});

test.run();
