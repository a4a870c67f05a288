import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isCoded } from '../../src/errors.ts';
import { forgeAddress } from '../../src/forge/address.ts';

const test = suite('the address of an API');

const found = (remote: string, hints = {}): string => {
  const { kind, api, project } = forgeAddress(remote, hints);
  return `${kind} ${api} ${project}`;
};

test('follows from the remote', () => {
  assert.is(found('https://github.com/acme/jobs.git'), 'github https://api.github.com acme/jobs');
  assert.is(found('git@github.com:acme/jobs.git'), 'github https://api.github.com acme/jobs');
  assert.is(found('https://github.acme.dev/a/b'), 'github https://github.acme.dev/api/v3 a/b');
  assert.is(found('https://acme.ghe.com/a/b'), 'github https://api.acme.ghe.com a/b');
  assert.is(found('https://gitlab.com/acme/team/jobs.git'), 'gitlab https://gitlab.com/api/v4 acme/team/jobs');
  assert.is(found('https://u:secret@codeberg.org/a/b'), 'gitea https://codeberg.org/api/v1 a/b');
  assert.is(found('http://git.local:3000/a/b.git', { kind: 'gitea' }), 'gitea http://git.local:3000/api/v1 a/b');
});

test('what comes before /api/ in it is no part of the name', () => {
  const below = { kind: 'gitlab', api: 'https://acme.dev/git/lab/api/v4/' } as const;
  assert.is(found('https://acme.dev/git/lab/a/b/c.git', below), 'gitlab https://acme.dev/git/lab/api/v4 a/b/c');
  const github = { kind: 'github', api: 'https://api.github.com' } as const;
  assert.is(found('https://mirror.dev/a/b.git', github), 'github https://api.github.com a/b');
});

test('what names no repository is refused', () => {
  const refused = (remote: string, hints: object, code: string): void =>
    assert.throws(
      () => forgeAddress(remote, hints),
      (error: unknown) => isCoded(error, code) && !/secret/.test(String(error)),
    );
  refused('https://git.acme.dev/a/b', {}, 'ForgeUnknown');
  refused('https://u:secret@github.com/a', {}, 'RemoteForm');
  refused('https://u:secret@acme.dev/gitea/a/b', { kind: 'gitea' }, 'RemoteForm');
  refused('/srv/git/jobs.git', {}, 'RemoteForm');
});

test.run();
