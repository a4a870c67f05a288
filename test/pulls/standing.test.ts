import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { asksForMore, standingOf } from '../../src/pulls/standing.ts';
import type { JobStatus, Outcome, Reason } from '../../src/schemas/index.ts';
import { at, status, summary } from '../reconciler/world.ts';

const test = suite('how the jobs of a pull request stand');
const [HEAD, OLD] = ['d'.repeat(40), 'e'.repeat(40)];
const order = { number: 7, revision: HEAD, jobs: new Map([['a', 'src/x has changed']]) };

const run = (number: number, revision: string, more: object = {}, reason: Reason = 'Completed') =>
  summary(number, { trigger: { kind: 'pullRequest', number: 7, revision, ...more }, reason });
const viewOf = (lastRuns: JobStatus['lastRuns']) => ({
  statuses: new Map([['a', status('a', 9, 'a', { lastRuns })]]),
  outcome: async (job: string, number: number) =>
    ({
      job,
      run: number,
      result: 'succeeded',
      reason: 'Completed',
      times: { started: at(0), finished: at(5) },
    }) as Outcome,
});
const rowsFor = async (
  lastRuns: JobStatus['lastRuns'],
  rest: object = {},
  actions: Parameters<typeof standingOf>[2] = [],
) => {
  const { rows, open } = await standingOf({ ...order, ...rest }, viewOf(lastRuns), actions);
  return [...rows.map(({ state, run: number, message }) => [state, number, message].join(' ')), open];
};

test('a job stands by the newest outcome of this head, and else by what is planned', async () => {
  assert.equal(await rowsFor([run(3, HEAD), run(2, HEAD), run(1, OLD)]), ['succeeded 3 ', 0]);
  assert.equal(await rowsFor([run(1, OLD)]), ['run  src/x has changed', 1]);
  assert.equal(await rowsFor([]), ['run  src/x has changed', 1]);
  const planned = (action: 'suspended' | 'invalid', reason: string, message: string) =>
    rowsFor([], {}, [{ job: 'a', action, reason, message }]);
  assert.equal(await planned('suspended', 'Suspended', 'suspended: by hand'), ['suspended  by hand', 0]);
  assert.equal(await planned('invalid', 'Refused', 'refused: no store'), ['refused  no store', 0]);
});

test('what ran by other definitions, or ended with the pull request, does not count', async () => {
  const ofBase = run(1, HEAD, { definitions: 'base' });
  assert.equal(await rowsFor([ofBase]), ['run  src/x has changed', 1]);
  assert.equal(await rowsFor([ofBase], { definitions: 'base' }), ['succeeded 1 ', 0]);
  assert.equal(await rowsFor([run(1, HEAD, {}, 'PullRequestClosed')]), ['run  src/x has changed', 1]);
  assert.ok(asksForMore(order, viewOf([ofBase])));
  assert.not(asksForMore(order, viewOf([run(1, HEAD)])));
  assert.not(asksForMore({ ...order, jobs: new Map() }, viewOf([])));
});

test.run();
