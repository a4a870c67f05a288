// test-timeout: 300s
/** The short version of `npm run chaos`, on a cluster of real nodes. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openTestCluster } from '../support/cluster.ts';
import { temporaryDirectory } from '../support/git.ts';
import { FAULTS } from './faults.ts';
import type { Round } from './round.ts';
import { removeLeftovers, runChaos } from './run.ts';
import { tableOf } from './table.ts';

const JOBS = 4;
const CHOSEN = [
  'stopped at checkedPod, continued after all is done',
  'killed at afterPayload',
  'killed at afterPush',
  'killed at afterPayloads',
  'the API server fails one call in ten',
  'two leaders at once',
];

const test = await openTestCluster('chaos');
if (test) {
  const chaos = suite('chaos');

  chaos('whatever breaks, every run is in the ledger once and had one pod', async () => {
    const folder = await temporaryDirectory();
    const rounds = CHOSEN.map((name): Round => {
      const fault = FAULTS.find((each) => each.name === name);
      assert.ok(fault, name);
      return { fault, jobs: JOBS, real: true };
    });
    await removeLeftovers(test);
    const report = await runChaos({
      test,
      rounds,
      lanes: 3,
      folder: folder.path,
      onPlayed: () => undefined,
      signal: test.signal,
    });
    console.log(tableOf(report.played));
    const problems = report.played.flatMap(({ fault, problems: own }) => own.map((problem) => `${fault}: ${problem}`));
    assert.equal([...report.problems, ...problems], []);
    assert.equal(new Set(report.played.map(({ fault }) => fault)), new Set(CHOSEN));
    await folder.remove();
  });

  chaos.after(() => test.remove());
  chaos.run();
}
