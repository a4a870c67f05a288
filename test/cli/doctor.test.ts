import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { loadAll } from 'js-yaml';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Check } from '../../src/cli/doctor/check.ts';
import { clockCheck, skewOf } from '../../src/cli/doctor/clock.ts';
import { versionCheck } from '../../src/cli/doctor/cluster.ts';
import { hereChecks } from '../../src/cli/doctor/here.ts';
import { CONTROLLER_ROLE, JOBS_ROLE, NODE_ROLE, type Permission } from '../../src/cli/doctor/permissions.ts';
import { cliHere, type CliResult } from '../support/cli.ts';
import { basicAuth, startGitServer } from '../support/git-server.ts';
import { initRepository, temporaryDirectory } from '../support/git.ts';
import { job } from './asking.ts';

const test = suite<{ root: string; remove: () => Promise<void> }>('doctor');

test.before.each(async (context) => {
  const { path: root, remove } = await temporaryDirectory();
  Object.assign(context, { root, remove });
});
test.after.each(({ remove }) => remove());

const find = ({ stdout }: CliResult, area: string, name: string): Check | undefined =>
  (JSON.parse(stdout) as { checks: Check[] }).checks.find((check) => check.area === area && check.name === name);

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

test('what is asked for is exactly what the shipped Roles allow', () => {
  const rulesIn = (file: string): readonly string[] => {
    const text = readFileSync(path.join(import.meta.dirname, '../../manifests', file), 'utf8');
    const roles = (loadAll(text) as { kind: string; rules?: readonly Rule[] }[]).filter(({ kind }) =>
      kind.endsWith('Role'),
    );
    return roles.flatMap(({ rules = [] }) =>
      rules.flatMap(({ apiGroups, resources, verbs }) =>
        apiGroups.flatMap((group) => resources.flatMap((of) => verbs.map((verb) => `${group} ${of} ${verb}`))),
      ),
    );
  };
  const asked = (permissions: readonly Permission[]): readonly string[] =>
    permissions.flatMap(({ group, resource, verbs }) => verbs.map((verb) => `${group} ${resource} ${verb}`));
  assert.equal(asked(JOBS_ROLE).toSorted(), rulesIn('jobs/role.yaml').toSorted());
  assert.equal(asked(CONTROLLER_ROLE).toSorted(), rulesIn('controller/role.yaml').toSorted());
  assert.equal(asked(NODE_ROLE).toSorted(), rulesIn('components/node-reader/clusterrole.yaml').toSorted());
});

test('clocks are the same as far as whole seconds and the time of an answer can tell', () => {
  const date = 'Fri, 20 Nov 2026 01:30:00 GMT';
  const at = Date.parse(date);
  assert.is(skewOf({ date, sent: at + 999, received: at + 1_200 }), 0);
  assert.is(skewOf({ date, sent: at - 300, received: at - 100 }), 100, 'the server is ahead');
  assert.is(skewOf({ date, sent: at + 4_000, received: at + 9_000 }), -3_000, 'the server is behind');
  assert.is(skewOf({ date: 'soon', sent: at, received: at }), null);
  const far = clockCheck('git', 'the git server', { date, sent: at - 3_600_000, received: at - 3_600_000 });
  assert.is(far.state, 'fail');
  assert.is(far.message, 'the clock of this machine is 1h behind that of the git server');
  assert.is(clockCheck('git', 'it', { date, sent: at + 11_000, received: at + 11_000 }).state, 'warn');
  assert.is(clockCheck('git', 'it', undefined).state, 'skipped');
});

test('versions that are too old are said so', () => {
  assert.is(versionCheck('v1.29.9').state, 'fail');
  assert.is(versionCheck('v1.30.0').state, 'ok');
  assert.is(versionCheck('v1.34.4-gke.1').state, 'ok');
  assert.equal(
    hereChecks('20.11.1', 'linux x64').map(({ name, state }) => `${name} ${state}`),
    ['runledger ok', 'node fail'],
  );
  assert.equal(
    hereChecks('22.22.0', 'linux x64').map(({ state }) => state),
    ['ok', 'ok'],
  );
  assert.is(hereChecks('24.1.0', 'darwin arm64')[1]?.state, 'ok');
});

test('a folder is looked at, and a ledger that is newer', async ({ root }) => {
  const folder = await initRepository(path.join(root, 'jobs'));
  writeFileSync(path.join(folder, 'a.yaml'), job('a', 'run: "true"'));
  const before = await cliHere(['doctor', '-o', 'json'], { cwd: folder });
  assert.is(before.code, 0, before.stdout);
  assert.match(find(before, 'ledger', 'format')?.message ?? '', /no branch runledger\/status yet/);
  assert.is(find(before, 'cluster', 'reachable')?.state, 'skipped');
  await cliHere(['reconcile', '--log-level', 'silent'], { cwd: folder });
  const { code, stdout } = await cliHere(['doctor'], { cwd: folder });
  assert.is(code, 0);
  assert.match(stdout, /^here\n {2}✓ runledger/m);
  assert.match(stdout, /^ledger\n {2}✓ format +runledger\/status can be read: 1 job, at [0-9a-f]{12}$/m);
  assert.match(stdout, /^5 fine, 0 warnings, 0 failed$/m);
  const outside = await cliHere(['doctor', '-C', root], { cwd: root });
  assert.is(outside.code, 2);
  assert.match(outside.stdout, /✗ read .* is not in a git repository\n +→ Run `git init`/);
});

test('a server is asked for reading and for pushing, and nothing is pushed', async ({ root }) => {
  const auth = basicAuth('ada', 'correct-horse');
  const server = await startGitServer({ root: path.join(root, 'server'), auth: [auth] });
  const home = path.join(root, 'home');
  mkdirSync(home);
  const doctor = (url: string, password: string): Promise<CliResult> =>
    cliHere(['doctor', '-C', url, '-o', 'json'], {
      cwd: home,
      env: { RUNLEDGER_GIT_USERNAME: 'ada', RUNLEDGER_GIT_PASSWORD: password },
    });
  try {
    const repository = await server.createRepository('jobs.git');
    const bare = repository.url.replace('ada:correct-horse@', '');
    await repository.git('symbolic-ref', 'HEAD', 'refs/heads/main');
    const tree = (await repository.git('hash-object', '-t', 'tree', '-w', '/dev/null')).trim();
    const identity = ['-c', 'user.name=ada', '-c', 'user.email=ada@example.com'];
    const commit = (await repository.git(...identity, 'commit-tree', tree, '-m', 'first')).trim();
    await repository.git('update-ref', 'refs/heads/main', commit);
    const fine = await doctor(bare, 'correct-horse');
    assert.is(fine.code, 0, fine.stdout + fine.stderr);
    assert.match(find(fine, 'git', 'read')?.message ?? '', /can be read: 1 branch$/);
    assert.is(find(fine, 'git', 'push')?.state, 'ok');
    assert.is(find(fine, 'git', 'clock')?.state, 'ok');
    assert.is(await repository.git('rev-parse', 'main'), commit);
    assert.not(server.requests.some(({ method, url }) => method === 'POST' && url.endsWith('git-receive-pack')));
    await repository.git('config', 'http.receivepack', 'false');
    const readOnly = await doctor(bare, 'correct-horse');
    assert.is(readOnly.code, 2);
    assert.is(find(readOnly, 'git', 'read')?.state, 'ok');
    assert.match(find(readOnly, 'git', 'push')?.message ?? '', /does not allow pushing/);
    assert.match(find(readOnly, 'git', 'push')?.hint ?? '', /right to write/);
    const wrong = await doctor(bare, 'wrong-horse');
    assert.is(wrong.code, 2);
    assert.match(find(wrong, 'git', 'read')?.message ?? '', /refused the credentials/);
    assert.is(find(wrong, 'ledger', 'format'), undefined, 'it would only say so again');
    assert.not.match(wrong.stdout + wrong.stderr, /horse/);
  } finally {
    await server.close();
  }
});

test('a server whose clock is an hour ahead fails', async ({ root }) => {
  const ahead = createServer((_request, response) => {
    response.setHeader('date', new Date(Date.now() + 3_600_000).toUTCString());
    response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => ahead.listen(0, '127.0.0.1', resolve));
  try {
    const url = `http://127.0.0.1:${(ahead.address() as AddressInfo).port}/jobs.git`;
    const { code, stdout } = await cliHere(['doctor', '-C', url], { cwd: root });
    assert.is(code, 2);
    assert.match(stdout, /✗ read +there is no repository at http/);
    assert.match(
      stdout,
      /✗ clock +the clock of this machine is (1h|59m59s|59m58s)\S* behind that of the git server\n +→ have both/,
    );
  } finally {
    ahead.close();
  }
});

test('a cluster that is named and not there fails', async ({ root }) => {
  const folder = await initRepository(path.join(root, 'jobs'));
  const kubeconfig = path.join(root, 'kubeconfig');
  const missing = await cliHere(['doctor', '--kubeconfig', kubeconfig, '-o', 'json'], { cwd: folder });
  assert.is(missing.code, 2);
  assert.match(find(missing, 'cluster', 'reachable')?.message ?? '', /kubeconfig .* does not exist/);
});

if (process.getuid?.() === 0) console.log('# skipped: a folder that may not be written to (root may)');
else
  test('a folder that may not be written to fails', async ({ root }) => {
    const folder = await initRepository(path.join(root, 'jobs'));
    chmodSync(path.join(folder, '.git'), 0o555);
    try {
      const locked = await cliHere(['doctor', '-o', 'json'], { cwd: folder });
      assert.is(find(locked, 'git', 'push')?.state, 'fail');
    } finally {
      chmodSync(path.join(folder, '.git'), 0o755);
    }
  });

test.run();
