// test-timeout: 400s
/** upgrade against a registry with keys of its own, with the real npm; and what commands say of a ledger that is too new. */
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isCoded } from '../../src/errors.ts';
import { upgradeText } from '../../src/cli/commands/upgrade.ts';
import { installationOf } from '../../src/cli/upgrade/installation.ts';
import { assertIntact, assertSigned } from '../../src/cli/upgrade/signature.ts';
import { upgrade, type Upgrade } from '../../src/cli/upgrade/upgrade.ts';
import { compareVersions } from '../../src/cli/upgrade/versions.ts';
import { cliHere } from '../support/cli.ts';
import { commitFiles, git, initRepository, temporaryDirectory } from '../support/git.ts';
import {
  integrityOf,
  makeKey,
  packProgram,
  signatureOf,
  startNpmRegistry,
  type NpmRegistry,
  type SigningKey,
} from '../support/npm-registry.ts';

const run = promisify(execFile);
const { signal } = new AbortController();

interface World {
  readonly folder: string;
  readonly prefix: string;
  readonly root: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly key: SigningKey;
  readonly registry: NpmRegistry;
  /** What the installed program prints. */
  said(): Promise<string>;
  upgrade(check?: boolean): Promise<Upgrade>;
  remove(): Promise<void>;
}

/** runledger 0.1.0 as `npm install --global` installs it, and a registry that has 0.2.0. */
async function makeWorld(says: string = '0.2.0'): Promise<World> {
  const { path: folder, remove } = await temporaryDirectory();
  const prefix = join(folder, 'prefix');
  await mkdir(prefix);
  const key = makeKey();
  const registry = await startNpmRegistry(await packProgram(folder, '0.2.0', says), '0.2.0', key);
  const env = {
    PATH: `${dirname(process.execPath)}:${process.env['PATH']}`,
    HOME: folder,
    npm_config_registry: registry.url,
    npm_config_prefix: prefix,
    npm_config_cache: join(folder, 'cache'),
  };
  await run('npm', ['install', '--global', '--offline', await packProgram(folder, '0.1.0')], { env, cwd: folder });
  const root = join(prefix, 'lib/node_modules/runledger');
  return {
    folder,
    prefix,
    root,
    env,
    key,
    registry,
    said: async () => (await run(join(prefix, 'bin/runledger'), [], { env })).stdout.trim(),
    upgrade: (check = false) => upgrade({ version: '0.1.0', root, check }, { env, cwd: folder }, signal),
    async remove() {
      await registry.close();
      await remove();
    },
  };
}

/** The upgrade is refused with this code, and what was installed is as it was. */
async function refused(world: World, code: string): Promise<void> {
  const error = await world.upgrade().then(
    (done) => assert.unreachable(`it was ${done.state}`),
    (thrown: unknown) => thrown,
  );
  assert.ok(isCoded(error, code), `${String(error)} instead of ${code}`);
  assert.is(await world.said(), '0.1.0');
  assert.equal(await readdir(dirname(world.root)), ['runledger']);
}

const test = suite('upgrade');

test('the newest version takes the place of the installed one, once; nothing is left beside it', async () => {
  const world = await makeWorld();
  try {
    assert.equal(await world.upgrade(true), { installed: '0.1.0', newest: '0.2.0', state: 'available' });
    assert.is(await world.said(), '0.1.0');
    const done = await world.upgrade();
    assert.equal(done, { installed: '0.1.0', newest: '0.2.0', state: 'upgraded' });
    assert.is(upgradeText(done), 'upgraded runledger 0.1.0 to 0.2.0\n');
    assert.is(await world.said(), '0.2.0');
    assert.equal(await readdir(dirname(world.root)), ['runledger']);
    const listed = await run('npm', ['ls', '--global'], { env: world.env });
    assert.match(listed.stdout, /runledger@0\.2\.0/);
    const again = await upgrade(
      { version: '0.2.0', root: world.root, check: false },
      { env: world.env, cwd: world.folder },
      signal,
    );
    assert.is(again.state, 'current');
  } finally {
    await world.remove();
  }
});

test('what the registry has not signed, or not so, is not installed', async () => {
  const world = await makeWorld();
  const { registry, key } = world;
  const { published } = registry;
  const right = published.signatures;
  try {
    published.signatures = [];
    await refused(world, 'SignatureMissing');
    published.signatures = right;
    registry.keys = [];
    await refused(world, 'RegistryUnsigned');
    registry.keys = [key.listed];
    // Somebody on the way hands out other bytes, and then says so too.
    const theirs = await readFile(await packProgram(world.folder, '0.2.0', 'theirs'));
    published.archive = theirs;
    await refused(world, 'NpmFailed');
    published.integrity = integrityOf(theirs);
    await refused(world, 'SignatureWrong');
  } finally {
    await world.remove();
  }
});

test('a version that does not start here is not put in place', async () => {
  const world = await makeWorld('something else');
  try {
    await refused(world, 'UpgradeBroken');
  } finally {
    await world.remove();
  }
});

test('a key may expire after the release, and all signatures have to be right', () => {
  const [key, other] = [makeKey('2026-06-01T00:00:00Z'), makeKey()];
  const archive = Buffer.from('archive');
  const integrity = integrityOf(archive);
  const message = `runledger@1.0.0:${integrity}`;
  const release = { name: 'runledger', version: '1.0.0', integrity, published: '2026-05-01T00:00:00Z' };
  const good = signatureOf(key, message);
  assertSigned({ ...release, signatures: [good] }, [key.listed, other.listed]);
  const bad = { ...signatureOf(other, message), sig: good.sig };
  const code = (error: unknown): boolean => isCoded(error, 'SignatureWrong');
  assert.throws(() => assertSigned({ ...release, signatures: [good, bad] }, [key.listed, other.listed]), code);
  const garbage = { ...other.listed, key: 'AAAA' };
  assert.throws(() => assertSigned({ ...release, signatures: [signatureOf(other, message)] }, [garbage]), code);
  const refusedWith = (
    expected: string,
    signatures: Parameters<typeof assertSigned>[0]['signatures'],
    keys = [key.listed],
  ) =>
    assert.throws(
      () => assertSigned({ ...release, signatures }, keys),
      (error: unknown) => isCoded(error, expected),
    );
  refusedWith('SignatureMissing', []);
  refusedWith('SignatureWrong', [signatureOf(key, `runledger@1.0.1:${integrity}`)]);
  refusedWith('SignatureKeyUnknown', [signatureOf(other, message)]);
  refusedWith('SignatureKeyExpired', [good], [{ ...key.listed, expires: '2026-04-01T00:00:00Z' }]);
  const { published: _, ...undated } = release;
  assert.throws(
    () => assertSigned({ ...undated, signatures: [good] }, [key.listed]),
    (e: unknown) => isCoded(e, 'SignatureKeyExpired'),
  );
  assertIntact({ ...release, signatures: [] }, archive);
  assert.throws(
    () => assertIntact({ ...release, signatures: [] }, Buffer.from('archivf')),
    (e: unknown) => isCoded(e, 'IntegrityWrong'),
  );
});

test('how it was installed is told by where it lies, and each way has a command', () => {
  const tell = (root: string, env: Record<string, string> = {}): string => {
    const found = installationOf({ root, prefix: '/usr/local', env });
    return found.kind === 'global' ? 'global' : `${found.what}: ${found.command('2.0.0')}`;
  };
  assert.is(tell('/usr/local/lib/node_modules/runledger'), 'global');
  assert.is(tell('/home/ada/.npm/_npx/ab12/node_modules/runledger'), 'npx: npx runledger@2.0.0 …');
  assert.is(
    tell('/srv/app/node_modules/runledger'),
    'a dependency of a project: npm --prefix /srv/app install runledger@2.0.0',
  );
  assert.is(
    tell('/home/ada/src/runledger'),
    'a checkout: git -C /home/ada/src/runledger pull && npm --prefix /home/ada/src/runledger ci',
  );
  assert.match(tell('/app'), /^an image: kubectl .*runledger:2\.0\.0$/);
  assert.match(tell('/usr/local/lib/node_modules/runledger', { KUBERNETES_SERVICE_HOST: '10.0.0.1' }), /^an image/);
});

test('versions are in the order of Semantic Versioning', () => {
  const ordered = [
    '0.9.0',
    '1.0.0-alpha',
    '1.0.0-alpha.1',
    '1.0.0-alpha.beta',
    '1.0.0-beta.2',
    '1.0.0-beta.11',
    '1.0.0-rc.1',
    '1.0.0',
    '1.0.1',
    '1.10.0',
  ];
  assert.equal(ordered.toReversed().sort(compareVersions), ordered);
  assert.is(compareVersions('1.0.0+a', '1.0.0+b'), 0);
});

/** Every command that reads a ledger, with what else it has to be told. */
const READERS: readonly (readonly string[])[] = [
  ['get'],
  ['why', 'a'],
  ['history', 'a'],
  ['diff', 'a'],
  ['logs', 'a'],
  ['artifacts', 'a'],
  ['open', 'a', '--print'],
  ['wait', '--timeout', '1s'],
  ['watch', '-o', 'json'],
  ['top'],
  ['rerun', 'a', '--author', 'Ada <ada@example.com>'],
  ['cancel', 'a', '--run', '1', '--author', 'Ada <ada@example.com>'],
  ['run', 'a'],
  ['reconcile', '--dry-run'],
  ['reconcile'],
  ['doctor'],
];

test('every command says of a ledger that is too new that it is, and what to do; upgrade does, too', async () => {
  const world = await makeWorld();
  try {
    const tree = await initRepository(join(world.folder, 'repository'));
    const job = 'apiVersion: runledger.dev/v1\nkind: Job\nmetadata: { name: a }\nspec: { image: a, run: "true" }\n';
    await commitFiles(tree, { 'a.yaml': job });
    await git(tree, 'checkout', '--quiet', '--orphan', 'runledger/status');
    await git(tree, 'rm', '--quiet', '-rf', '.');
    await commitFiles(tree, { format: '2\n', 'README.md': 'new\n' });
    await git(tree, 'checkout', '--quiet', 'main');
    const wrong: string[] = [];
    for (const args of READERS) {
      const { code, stdout, stderr } = await cliHere(args, { cwd: tree });
      const said = `${stdout}${stderr}`;
      const ok =
        code === 2 &&
        /has format 2, this runledger knows formats up to 1/.test(said) &&
        said.includes('runledger upgrade');
      if (!ok) wrong.push(`${args.join(' ')}: ${code} ${said}`);
    }
    assert.is(wrong.join('\n'), '');
    await writeFile(join(tree, 'untracked'), '');
    const { code, stdout } = await cliHere(['upgrade', '--check'], {
      cwd: tree,
      env: world.env as Record<string, string>,
    });
    assert.is(code, 0);
    assert.match(stdout, /^there is runledger 0\.2\.0, signed by the registry; this one is a checkout/);
    assert.match(stdout, /note: branch runledger\/status: the ledger has format 2/);
  } finally {
    await world.remove();
  }
});

test.run();
