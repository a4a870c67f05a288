// test-timeout: 180s
/** The action, as it is committed, on a cluster: for a pull request of a real forge. */
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Outcome } from '../../src/schemas/index.ts';
import { leftIn } from '../runner/kubernetes/world.ts';
import { openTestCluster, type TestCluster } from '../support/cluster.ts';
import { findForge, type Forge } from '../support/forge.ts';
import { job, openPullWorld, runStep } from './world.ts';

const BUNDLE = join(import.meta.dirname, '../../action/main.mjs');
const test = suite('the action with runner: kubernetes');

const POD = 'image: busybox:1.36\ncheckout: false\ntimeouts: { grace: 1s }';
const FILES = {
  'jobs/check.yaml': job(
    'check',
    `on: { pullRequest: { paths: ["src/**"] } }\n${POD}\nrun: |\n  echo "::error file=src/a.txt,line=1::bad word"\n  exit 3`,
  ),
  'jobs/lint.yaml': job(
    'lint',
    `on: { pullRequest: true }\n${POD}\nrun: echo "::set-outcome-var kernel=$(uname -s)"; echo on $(hostname)`,
  ),
  'jobs/after.yaml': job('after', `on: { pullRequest: true }\nneeds: [check]\n${POD}\nrun: echo never`),
  'jobs/main.yaml': job('main', `${POD}\nrun: echo never`),
  'src/a.txt': 'good\n',
};

/** What an output of the step is. */
const outputOf = (outputs: string, name: string): string =>
  new RegExp(`^${name}<<(\\S+)\\n([\\s\\S]*?)\\n\\1$`, 'm').exec(outputs)?.[2] ?? '';

async function define(forge: Forge, it: TestCluster): Promise<void> {
  const world = await openPullWorld(forge, FILES);
  test.after(async () => {
    await world.close();
    await it.remove();
  });

  test('what a pull request touches runs in pods, and the forge is told what became of it', async () => {
    const lint = job(
      'lint',
      `on: { pullRequest: true }\n${POD}\nrun: echo "::set-outcome-var kernel=$(uname -s)"; hostname`,
    );
    const sha = await world.push({ 'src/a.txt': 'bad\n', 'jobs/lint.yaml': lint }, 'change');
    const number = await world.pull('change');
    const { namespace, kubeconfig } = it;
    const inputs = { runner: 'kubernetes', kubeconfig, namespace, statuses: 'true', outcomes: 'branch' };
    const { code, text, outputs } = await runStep(world, forge, {
      main: BUNDLE,
      event: 'pull_request',
      number,
      inputs,
    });
    assert.is(code, 1, text);
    assert.match(text, '::error file=src/a.txt,line=1,title=check run 1::bad word', text);
    assert.not.match(text, 'never');
    assert.is(outputOf(outputs, 'result'), 'failed', outputs);
    const outcomes = new Map(
      (JSON.parse(outputOf(outputs, 'outcome-json')) as readonly Outcome[]).map((outcome) => [outcome.job, outcome]),
    );
    assert.equal(
      [...outcomes.values()].map((each) => `${each.job} ${each.result} ${each.reason} ${each.exitCode}`).sort(),
      ['after skipped UpstreamFailed null', 'check failed ExitCode 3', 'lint succeeded Completed 0'],
    );
    const { by, vars, tasks } = outcomes.get('lint')!;
    assert.is(by.runner, 'kubernetes');
    assert.equal(vars, { kernel: 'Linux' });
    const pod = tasks[0]?.attempts[0]?.pod;
    assert.ok(pod?.startsWith('lint-1-'), pod);
    assert.match(text, `lint | ${pod}`, 'the name of its pod is that of its host');
    const [comment, ...others] = await world.comments(number);
    assert.equal(others, []);
    for (const said of ['3 runs: 1 failed, 1 succeeded, 1 skipped', '| ❌ failed | check run 1 |', sha])
      assert.match(comment?.body ?? '', said);
    assert.equal(await world.statuses(sha), [
      'runledger/after failure',
      'runledger/check failure',
      'runledger/lint success',
    ]);
    assert.equal(await world.branches(), ['change', 'main', `runledger/pr/${number}`], 'and no ledger of main');
    assert.equal((await leftIn(it, namespace)).toSorted(), ['claim after', 'claim check', 'claim lint']);
  });
}

const forge = findForge();
const it = forge === undefined ? undefined : await openTestCluster('action');
if (forge && it) {
  await define(forge, it);
  test.run();
}
