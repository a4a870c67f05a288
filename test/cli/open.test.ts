import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { webAddress } from '../../src/forge/web-address.ts';
import { bucketOf } from '../../src/ledger/layout.ts';
import { cliHere } from '../support/cli.ts';
import { git, initRepository, temporaryDirectory } from '../support/git.ts';
import { job } from './asking.ts';

const test = suite<{ folder: string; root: string; remove: () => Promise<void> }>('open');

test.before.each(async (context) => {
  const { path: root, remove } = await temporaryDirectory();
  Object.assign(context, { root, remove, folder: await initRepository(path.join(root, 'jobs')) });
});
test.after.each(({ remove }) => remove());

const LEDGER = { branch: 'runledger/status', kind: 'folder', path: '' } as const;
const OUTCOME = { branch: 'runledger/status', kind: 'file', path: 'jobs/3f/a/1.yaml' } as const;

test('the page of a ledger follows from the address of the remote', () => {
  const pages: readonly (readonly [string, string])[] = [
    ['https://github.com/acme/jobs.git', 'https://github.com/acme/jobs/tree/runledger/status'],
    ['git@github.com:acme/jobs.git', 'https://github.com/acme/jobs/tree/runledger/status'],
    ['https://ada:secret@github.com/acme/jobs', 'https://github.com/acme/jobs/tree/runledger/status'],
    ['ssh://git@gitlab.example.com:2222/a/b/c.git', 'https://gitlab.example.com/a/b/c/-/tree/runledger/status'],
    ['https://codeberg.org/acme/jobs/', 'https://codeberg.org/acme/jobs/src/branch/runledger/status'],
    ['http://gitea.local:3000/acme/jobs.git', 'http://gitea.local:3000/acme/jobs/src/branch/runledger/status'],
  ];
  for (const [remote, page] of pages) assert.is(webAddress(remote, LEDGER), page);
  const file = '/runledger/status/jobs/3f/a/1.yaml';
  assert.is(webAddress('https://github.com/a/b', OUTCOME), `https://github.com/a/b/blob${file}`);
  assert.is(webAddress('https://gitlab.com/a/b', OUTCOME), `https://gitlab.com/a/b/-/blob${file}`);
  assert.is(webAddress('https://git.acme.dev/a/b', OUTCOME, 'gitea'), `https://git.acme.dev/a/b/src/branch${file}`);
  const odd = { branch: 'a b/#?', kind: 'folder', path: '' } as const;
  assert.is(webAddress('https://github.com/a/b', odd), 'https://github.com/a/b/tree/a%20b/%23%3F');
  assert.is(webAddress('git@github.com:a/b?c#d', LEDGER), 'https://github.com/a/b%3Fc%23d/tree/runledger/status');
});

test('an address that no page follows from is refused, without its credentials', () => {
  const refused = (remote: string, code: string): void => {
    try {
      webAddress(remote, LEDGER);
    } catch (error) {
      assert.is((error as { code: string }).code, code, remote);
      assert.not.match((error as Error).message, /secret/);
      return;
    }
    assert.unreachable(remote);
  };
  refused('https://ada:secret@git.acme.dev/a/b', 'ForgeUnknown');
  // A word within another one is no sign: somebody else may own such a name.
  refused('https://notgithubber.dev/a/b', 'ForgeUnknown');
  for (const remote of ['/srv/git/jobs.git', 'file:///srv/jobs.git', '../jobs', 'javascript:alert(1)//secret'])
    refused(remote, remote.startsWith('javascript') ? 'ForgeUnknown' : 'RemoteForm');
  refused('https://ada:secret@github.com/', 'RemoteForm');
});

test('the browser gets the page of a job as one argument, and no shell sees it', async ({ folder, root }) => {
  writeFileSync(path.join(folder, 'a.yaml'), job('a', 'run: "true"'));
  await cliHere(['reconcile', '--log-level', 'silent'], { cwd: folder });
  const none = await cliHere(['open'], { cwd: folder });
  assert.is(none.code, 2);
  assert.match(none.stderr, /has no remote "origin"/);
  await git(folder, 'remote', 'add', 'origin', 'git@github.com:acme/jobs;touch pwned.git');
  const bin = path.join(root, 'bin');
  mkdirSync(bin);
  const seen = path.join(root, 'seen');
  for (const name of ['xdg-open', 'open']) {
    writeFileSync(path.join(bin, name), `#!/bin/sh\nprintf '%s\\n' "$#" "$1" > '${seen}'\n`);
    chmodSync(path.join(bin, name), 0o755);
  }
  const env = { PATH: `${bin}:${process.env['PATH']}` };
  const opened = await cliHere(['open', 'a'], { cwd: folder, env });
  assert.is(opened.code, 0, opened.stderr);
  const page = `https://github.com/acme/jobs%3Btouch%20pwned/tree/runledger/status/jobs/${bucketOf('a')}/a`;
  assert.is(opened.stdout, `${page}\n`);
  assert.is(readFileSync(seen, 'utf8'), `1\n${page}\n`);
  const run = await cliHere(['open', 'a', '--run', '1', '--print', '--forge', 'gitea'], { cwd: folder, env });
  assert.match(run.stdout, /\/src\/branch\/runledger\/status\/jobs\/..\/a\/1\.yaml$/m);
  assert.match((await cliHere(['open', 'b', '--print'], { cwd: folder })).stderr, /did you mean a\?/);
  assert.match((await cliHere(['open', 'a', '--run', '9', '--print'], { cwd: folder })).stderr, /has no run 9/);
  assert.match((await cliHere(['open', '--run', '9', '--print'], { cwd: folder })).stderr, /--run goes with a job/);
  writeFileSync(path.join(bin, 'xdg-open'), '#!/bin/sh\nexit 3\n');
  writeFileSync(path.join(bin, 'open'), '#!/bin/sh\nexit 3\n');
  const failed = await cliHere(['open'], { cwd: folder, env });
  assert.is(failed.code, 2);
  assert.match(failed.stderr, /could not open it \(exit code 3\)/);
  const json = await cliHere(['open', '-o', 'json'], { cwd: folder });
  assert.is(json.stdout.includes('"address": "https://github.com/acme/'), true);
});

test.run();
