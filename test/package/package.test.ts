// test-timeout: 400s
/** What `npm pack` makes: only what is needed, and it works where nothing else is. */
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { gitEnv, temporaryDirectory } from '../support/git.ts';

const ROOT = join(import.meta.dirname, '../..');
const run = promisify(execFile);
/** The node of this process first: the package's command is found by name. */
const env = {
  ...process.env,
  PATH: `${dirname(process.execPath)}:${process.env['PATH']}`,
  npm_config_update_notifier: 'false',
};
const npm = async (cwd: string, ...args: readonly string[]): Promise<string> =>
  (await run('npm', [...args], { cwd, env, maxBuffer: 64 * 1024 * 1024 })).stdout;

/**
 * A file that none of these is about has no place in the package. No manifests above all: in a project without a .gitignore
 * they would be jobs.
 */
const WANTED: Readonly<Record<string, RegExp>> = {
  'what npm always packs, and the history': /^(package\.json|README\.md|LICENSE|CHANGELOG\.md)$/,
  'the command line, bundled': /^dist\/src\/cli\/[\w-]+\.js$/,
  'compiled schemas': /^dist\/src\/cli\/verdicts\.cjs$/,
  'the types': /^dist\/src\/schemas\/types\.d\.ts$/,
  schemas: /^schemas\/\w+\.json$/,
};

interface Packed {
  readonly filename: string;
  readonly size: number;
  readonly unpackedSize: number;
  readonly files: readonly { readonly path: string; readonly mode: number }[];
}

const folder = await temporaryDirectory();
await npm(ROOT, 'run', '--silent', 'build');
const said = JSON.parse(
  await npm(ROOT, 'pack', '--json', '--ignore-scripts', '--pack-destination', folder.path),
) as object;
// A list, or by name: that depends on the version of npm.
const [packed] = Object.values(said) as [Packed];

const test = suite('package');
test.after(() => folder.remove());

test('it holds what is needed, and nothing else', () => {
  const paths = packed.files.map(({ path }) => path);
  const strange = paths.filter((path) => !Object.values(WANTED).some((pattern) => pattern.test(path)));
  assert.equal(strange, []);
  for (const [what, pattern] of Object.entries(WANTED))
    assert.ok(
      paths.some((path) => pattern.test(path)),
      what,
    );
  assert.is((packed.files.find(({ path }) => path === 'dist/src/cli/main.js')?.mode ?? 0) & 0o111, 0o111);
  assert.ok(
    packed.size < 1_000_000 && packed.unpackedSize < 4_000_000,
    `${packed.size} and ${packed.unpackedSize} bytes`,
  );
});

test('no file of the command line is left over from something else', async () => {
  const seen = new Set<string>();
  const follow = async (name: string): Promise<void> => {
    if (seen.has(name)) return;
    seen.add(name);
    const text = await readFile(join(ROOT, 'dist/src/cli', name), 'utf8');
    for (const [, next = ''] of text.matchAll(/["']\.\/([\w-]+\.js)["']/g)) await follow(next);
  };
  await follow('main.js');
  const cli = packed.files.flatMap(({ path }) => /^dist\/src\/cli\/([\w-]+\.js)$/.exec(path)?.[1] ?? []);
  assert.equal(
    cli.filter((name) => !seen.has(name)),
    [],
  );
});

test('installed into an empty folder it starts a repository and runs its job', async () => {
  const home = join(folder.path, 'home');
  await mkdir(home);
  await npm(
    home,
    'install',
    '--no-audit',
    '--no-fund',
    '--no-progress',
    '--prefer-offline',
    join(folder.path, packed.filename),
  );
  assert.not((await readdir(join(home, 'node_modules'))).includes('typescript'));
  const runledger = async (...args: readonly string[]): Promise<string> =>
    (
      await run(join(home, 'node_modules/.bin/runledger'), [...args], {
        cwd: home,
        env: { ...gitEnv, PATH: env.PATH, HOME: home },
      })
    ).stdout;
  const started = performance.now();
  await runledger('init');
  await runledger('reconcile');
  const seconds = (performance.now() - started) / 1_000;
  console.log(`# init and reconcile took ${seconds.toFixed(1)} s after installation`);
  const [job] = JSON.parse(await runledger('get', '-o', 'json')) as { lastRuns: { result: string }[] }[];
  assert.is(job?.lastRuns[0]?.result, 'succeeded', JSON.stringify(job));
  assert.is(
    (await runledger('--version')).trim(),
    JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8')).version,
  );
  const schema = "console.log(require('runledger/schemas/job.json').title)";
  assert.is((await run(process.execPath, ['-e', schema], { cwd: home })).stdout.trim(), 'Job');
});

test.run();
