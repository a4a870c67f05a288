import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { globMatches, imageMatches, imageText, parseImage } from '../../src/render/images.ts';

const test = suite('images');
const D = `sha256:${'0a'.repeat(32)}`;

const NAMES: readonly (readonly [reference: string, full: string])[] = [
  ['alpine', 'docker.io/library/alpine:latest'],
  ['alpine:3.20', 'docker.io/library/alpine:3.20'],
  ['acme/tool', 'docker.io/acme/tool:latest'],
  ['docker.io/alpine', 'docker.io/library/alpine:latest'],
  ['index.docker.io/acme/tool:1', 'docker.io/acme/tool:1'],
  ['ghcr.io/acme/tool', 'ghcr.io/acme/tool:latest'],
  ['localhost/tool', 'localhost/tool:latest'],
  ['registry:5000/tool', 'registry:5000/tool:latest'],
  ['registry:5000/a/b:1', 'registry:5000/a/b:1'],
  [`alpine@${D}`, `docker.io/library/alpine@${D}`],
  [`alpine:3.20@${D}`, `docker.io/library/alpine:3.20@${D}`],
];

for (const [reference, full] of NAMES)
  test(`${reference} is ${full}`, () => assert.is(imageText(parseImage(reference)), full));

const MATCHES: readonly (readonly [image: string, glob: string, allowed: boolean])[] = [
  ['ghcr.io/acme/tool:1', 'ghcr.io/acme/*', true],
  [`ghcr.io/acme/tool@${D}`, 'ghcr.io/acme/*', true],
  ['ghcr.io/acme/team/tool:1', 'ghcr.io/acme/*', false],
  ['ghcr.io/acme/team/tool:1', 'ghcr.io/acme/**', true],
  ['ghcr.io/acmeevil/tool:1', 'ghcr.io/acme/*', false],
  ['ghcrxio/acme/tool', 'ghcr.io/acme/*', false],
  ['evil.example/ghcr.io/acme/tool', 'ghcr.io/acme/*', false],
  ['acme/tool', 'ghcr.io/acme/*', false],
  ['alpine', 'alpine', true],
  ['alpine:3.20', 'alpine', true],
  [`alpine@${D}`, 'alpine', true],
  ['docker.io/library/alpine:3.20', 'alpine', true],
  ['alpine:3.20', 'alpine:3.*', true],
  [`alpine:3.20@${D}`, 'alpine:3.*', true],
  ['alpine:4', 'alpine:3.*', false],
  ['alpine', 'alpine:3.*', false],
  [`alpine@${D}`, 'alpine:3.*', false],
  [`alpine:3.20@${D}`, `alpine@${D}`, true],
  ['alpine:3.20', `alpine@${D}`, false],
  ['evil/alpine', 'alpine', false],
  ['alpine-evil', 'alpine', false],
  ['anything.example:5000/x/y:z', '*', true],
  ['acme/tool:1', 'acme/*', true],
  ['registry:5000/a:1', 'registry:5000/*', true],
  ['registry:5001/a:1', 'registry:5000/*', false],
  ['ghcr.io/acme/tool:1', '*/acme/*', true],
];

for (const [image, glob, allowed] of MATCHES)
  test(`${glob} ${allowed ? 'allows' : 'does not allow'} ${image}`, () =>
    assert.is(imageMatches(image, [glob]), allowed));

test('an empty list allows nothing, one match is enough', () => {
  assert.not(imageMatches('alpine', []));
  assert.ok(imageMatches('alpine', ['x', 'alpine']));
});

test('globs on names take every other character as it is', () => {
  assert.ok(globMatches('report.v1', ['report*']));
  assert.ok(globMatches('report', ['report*']));
  assert.not(globMatches('my-report', ['report*']));
  assert.not(globMatches('reportXv1', ['report.v1']));
  assert.ok(globMatches('a+b', ['a+b']));
  assert.ok(globMatches('ab', ['a?']));
});

test.run();
