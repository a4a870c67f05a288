import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Check } from '../../src/cli/doctor/check.ts';
import { connectAs, shippedRules } from '../runner/kubernetes/world.ts';
import { cliHere } from '../support/cli.ts';
import { createAccount, openTestCluster, type TestCluster } from '../support/cluster.ts';
import { initRepository, temporaryDirectory } from '../support/git.ts';

const test = suite('doctor on a cluster');

function addTests(it: TestCluster, root: string): void {
  const diagnose = async (name: string, ...without: readonly string[]) => {
    const folder = path.join(root, name);
    await mkdir(folder);
    const { token } = await createAccount(it, [...(await shippedRules(...without))]);
    await (await connectAs(it, folder, token)).close();
    const repository = await initRepository(path.join(folder, 'jobs'));
    const options = ['--kubeconfig', path.join(folder, 'kubeconfig'), '-n', it.namespace, '-o', 'json'];
    const { code, stdout, stderr } = await cliHere(['doctor', ...options], { cwd: repository });
    assert.not.match(stdout + stderr, new RegExp(token), 'a token is shown nowhere');
    const { checks } = JSON.parse(stdout) as { readonly checks: readonly Check[] };
    const states = Object.fromEntries(
      checks.filter(({ area }) => area === 'cluster').map(({ name: of, state }) => [of, state]),
    );
    return { code, checks, states };
  };
  const FINE = {
    reachable: 'ok',
    version: 'ok',
    clock: 'ok',
    pods: 'ok',
    'pods/log': 'ok',
    'pods/exec': 'ok',
    configmaps: 'ok',
    'configmaps/finalizers': 'ok',
    events: 'ok',
    secrets: 'ok',
    poddisruptionbudgets: 'ok',
    // Of other Roles, which this account does not have.
    leases: 'warn',
    nodes: 'warn',
  };

  test('an account with the shipped Role of the jobs lacks nothing there', async () => {
    const { code, states } = await diagnose('whole');
    assert.is(code, 0);
    assert.equal(states, FINE);
  });

  test('what an account lacks is named: a warning where runs go on without, else a failure', async () => {
    const silent = await diagnose('silent', 'events');
    assert.is(silent.code, 0);
    assert.equal(silent.states, { ...FINE, events: 'warn' });
    const events = silent.checks.find(({ name }) => name === 'events');
    assert.match(events?.message ?? '', new RegExp(`^may not list, create, patch in namespace ${it.namespace}: `));
    assert.match(events?.hint ?? '', /Role runledger-jobs/);
    const blind = await diagnose('blind', 'pods/log');
    assert.is(blind.code, 2);
    assert.equal(blind.states, { ...FINE, 'pods/log': 'fail' });
  });
}

const world = await openTestCluster('doctor');
if (world !== undefined) {
  const { path: root, remove } = await temporaryDirectory();
  test.after(async () => {
    await remove();
    await world.remove();
  });
  addTests(world, root);
}
test.run();
