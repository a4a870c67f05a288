/** What a configuration may say of statuses and notifications, and what is wrong before anything runs. */
import { dump } from 'js-yaml';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readConfig, tokenOf } from '../../src/cli/config.ts';
import { isCoded } from '../../src/errors.ts';
import type { SourceConfig } from '../../src/schemas/index.ts';
import { temporaryDirectory } from '../support/git.ts';

const test = suite('a configuration');
const directory = await temporaryDirectory();
test.after(() => directory.remove());

const source = { name: 'platform', url: 'https://github.com/acme/jobs.git' };
const token = { tokenFrom: { env: 'TOKEN' } };

async function troubles(more: object, sources: readonly object[] = [source]): Promise<readonly string[]> {
  const file = path.join(directory.path, 'config.yaml');
  await writeFile(file, dump({ apiVersion: 'runledger.dev/v1', kind: 'Config', sources, ...more }));
  try {
    await readConfig(file);
    return [];
  } catch (error) {
    assert.ok(isCoded(error, 'ConfigInvalid'), String(error));
    return error.message.split('\n').map((line) => line.replace(/^.*?config\.yaml:\d+:\d+: /, ''));
  }
}

const statuses = (more: object): Promise<readonly string[]> => troubles({}, [{ ...source, statuses: true, ...more }]);

test('statuses need a repository on a forge that is known, and a token', async () => {
  assert.equal(await statuses({ forge: token }), []);
  assert.equal(await statuses({ auth: token }), []);
  const [missing] = await statuses({});
  assert.match(missing ?? '', /statuses.*needs a token: write forge: \{ tokenFrom/);
  const [unknown] = await statuses({ url: 'https://git.acme.dev/a/b.git', auth: token });
  assert.match(unknown ?? '', /git\.acme\.dev.*write forge: \{ kind: github \| gitlab \| gitea \}/);
  assert.equal(await statuses({ url: 'https://git.acme.dev/a/b.git', auth: token, forge: { kind: 'gitea' } }), []);
  const [folder] = await troubles({}, [{ name: 'here', dir: '.', statuses: true }]);
  assert.match(folder ?? '', /needs a repository/);
});

test('the token of the forge comes before those for git', () => {
  const from = (more: Partial<SourceConfig>): unknown => tokenOf({ name: 'a', ...more });
  const [forge, git] = [{ env: 'FORGE' }, { env: 'GIT' }];
  assert.equal(from({ forge: { tokenFrom: forge }, auth: { tokenFrom: git } }), forge);
  assert.equal(from({ auth: { passwordFrom: git } }), git);
  assert.is(from({}), undefined);
});

test('pull requests need a forge that is known, a token, and a branch that no other source follows them of', async () => {
  const pulls = { ...source, pullRequests: true };
  const [missing] = await troubles({}, [pulls]);
  assert.match(missing ?? '', /pullRequests.*needs a token: write forge: \{ tokenFrom/);
  const [unknown] = await troubles({}, [{ ...pulls, url: 'https://git.acme.dev/a/b.git', auth: token }]);
  assert.match(unknown ?? '', /git\.acme\.dev.*write forge: \{ kind: github \| gitlab \| gitea \}/);
  const ok = { ...pulls, auth: token };
  assert.equal(await troubles({}, [ok]), []);
  const other = { ...ok, name: 'other', path: 'b', ledger: { branch: 'other' } };
  const [second, ...more] = await troubles({}, [ok, other]);
  assert.match(second ?? '', /source platform follows the pull requests of this branch already/);
  assert.equal(more, []);
  assert.equal(await troubles({}, [ok, { ...other, branch: 'release' }]), []);
});

const notification = (more: object): Promise<readonly string[]> => troubles({ notifications: [more] });

test('a notification has one address, and texts that have values', async () => {
  assert.equal(await notification({ url: 'https://chat.example/x' }), []);
  const slack = { urlFrom: { env: 'SLACK' }, format: 'slack', on: ['changed', 'failed'] };
  assert.equal(await notification({ ...slack, text: '${{ job.name }}', sources: ['platform'] }), []);
  const hook = { url: 'https://chat.example/x', headersFrom: { 'X-Team': { file: '/token' } } };
  assert.equal(await notification({ ...hook, body: { a: ['${{ outcome.vars.rows }}'] } }), []);

  const wrong: readonly (readonly [object, RegExp])[] = [
    [{}, /needs exactly one of url and urlFrom/],
    [{ ...slack, url: 'https://chat.example/x' }, /needs exactly one of url and urlFrom/],
    [{ url: 'https://user:pass@chat.example/x' }, /without credentials/],
    [{ ...slack, text: '${{ outcome.resul }}' }, /text.*resul/],
    [{ ...hook, body: { a: ['${{ job.labels.x }}'] } }, /body\.a\[0\].*labels/],
    [{ ...hook, text: 'x' }, /text.*goes with format: slack/],
    [{ ...slack, body: {} }, /body.*goes with format: json/],
    [{ ...hook, sources: ['other'] }, /there is no source other/],
    [{ ...hook, headersFrom: { 'a b': { env: 'X' } } }, /is not the name of a header/],
  ];
  for (const [more, expected] of wrong) {
    const [line] = await notification(more);
    assert.match(line ?? 'nothing is wrong', expected);
  }
});

test.run();
