// test-timeout: 300s
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Outcome } from '../../src/schemas/index.ts';
import { withHouse } from '../reconciler/house.ts';
import { commitFiles } from '../support/git.ts';

const examples = join(import.meta.dirname, '../../examples/jobs');

const test = suite('the examples with the process runner');

test('each does what it says', () =>
  withHouse(async (house) => {
    cpSync(examples, join(house.folder, 'jobs'), { recursive: true });
    await commitFiles(house.folder, {});
    const keeper = await house.keeper();
    const { outcomes, observation, plan, failures } = await keeper.settle();
    assert.equal([failures, observation.catalog.problems], [[], []]);
    assert.equal(
      plan.filter(({ action, reason }) => action === 'invalid' && reason !== 'Refused').map(({ message }) => message),
      [],
    );
    const byJob = new Map(outcomes.map((outcome) => [outcome.job, outcome]));
    const of = (job: string): Outcome => {
      const outcome = byJob.get(job);
      if (!outcome) throw new Error(`${job} did not run`);
      return outcome;
    };
    assert.equal(of('integration-report').vars, { summary: '12 passed' });
    assert.equal(
      of('flaky-download').tasks[0]?.attempts.map(({ exitCode }) => exitCode),
      [75, 0],
    );
    assert.equal(
      of('compatibility').tasks.map(({ name }) => name),
      ['22-linux', '24-linux', '24-windows', '25-linux'],
    );
    assert.equal(
      of('test-suites').tasks.map(({ name, result }) => [name, result]),
      [
        ['unit', 'succeeded'],
        ['browser', 'succeeded'],
        ['load', 'succeeded'],
      ],
    );
    assert.equal(of('release-notes').trigger, { kind: 'needs', job: 'release-build', run: 1 });
    assert.is(of('release-notes').result, 'succeeded');
    assert.is(of('deploy-staging').result, 'succeeded');
    assert.is(of('smoke-test').exitCode, 3);
    assert.is(byJob.has('index-nightly'), false, 'not before its time');
    const log = await (await house.view()).read(of('integration-report').log?.path ?? '');
    const text = Buffer.from(log ?? []).toString();
    assert.match(text, 'praise stdout all went well');
    assert.not.match(text, 'alarm');
    const { next, schedule } = (await house.status('index-nightly')) ?? {};
    assert.ok(schedule !== undefined && next !== undefined && next.length > 0);
  }));

test.run();
