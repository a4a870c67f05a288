// test-timeout: 300s
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { jobsOfPullRequest } from '../../src/reconciler/pull-request.ts';
import { withHouse } from '../reconciler/house.ts';
import {
  checkExamples,
  copyExamples,
  EXAMPLES,
  EXPECTED,
  LATER_MS,
  REQUESTS,
  SECRETS,
  withLogs,
} from '../support/examples.ts';
import { commitFiles } from '../support/git.ts';

const test = suite('the examples with the process runner');

/** What takes a cluster. */
const REFUSED: readonly string[] = ['api-tests'];

test('there is a word on each', () => assert.equal(Object.keys(EXPECTED).sort(), [...EXAMPLES].sort()));

test('each does what it says', () =>
  withHouse(async (house) => {
    copyExamples(house.folder);
    await commitFiles(house.folder, {});
    const secrets = new Map(Object.entries(SECRETS).map(([name, keys]) => [name, new Map(Object.entries(keys))]));
    const keeper = await house.keeper({ secrets });
    const first = await keeper.settle({ requests: REQUESTS });
    assert.equal([first.failures, first.observation.catalog.problems], [[], []]);
    assert.equal(
      first.plan.filter(({ action }) => action === 'invalid').map(({ job, reason }) => [job, reason]),
      REFUSED.map((job) => [job, 'Refused']),
    );
    appendFileSync(join(house.folder, 'jobs/data/orders.csv'), '3,7.50\n');
    await commitFiles(house.folder, {});
    const later = await house.keeper({ now: () => new Date(Date.now() + LATER_MS) });
    const second = await later.settle();
    assert.equal(second.failures, []);
    const revision = await commitFiles(house.folder, { 'jobs/scripts/new.sh': '#!/bin/sh\n# TODO: say more\n' });
    const jobs = jobsOfPullRequest(second.observation.catalog.jobs, ['jobs/scripts/new.sh']);
    const third = await later.settle({ pullRequest: { number: 7, revision, jobs } });
    assert.equal(third.failures, []);
    const view = await house.view();
    checkExamples(await withLogs(view, [...first.outcomes, ...second.outcomes, ...third.outcomes]), 'process', REFUSED);
    const { next, schedule } = (await house.status('index-nightly')) ?? {};
    assert.ok(schedule !== undefined && next !== undefined && next.length > 0);
  }));

test.run();
