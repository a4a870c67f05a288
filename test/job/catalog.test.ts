import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type CodedError, isCoded, terminalError, transientError } from '../../src/errors.ts';
import { type CatalogOptions, createCatalogBuilder } from '../../src/job/catalog.ts';
import { resolveFiles } from '../../src/job/files.ts';
import { coveredOf } from '../../src/job/inputs.ts';
import { digestOfCovered } from '../../src/job/digest.ts';
import type { Catalog, DesiredJob } from '../../src/job/model.ts';
import { formatProblem } from '../../src/job/problems.ts';
import { jobYaml, type MemorySnapshot, snapshotOf } from './world.ts';

const NONE = { knownFiles: new Set<string>() };

const build = (snapshot: MemorySnapshot, knownFiles: readonly string[] = []): Promise<Catalog> =>
  createCatalogBuilder().build(snapshot, { knownFiles: new Set(knownFiles) });

/** Everything that is wrong, by job, or under the empty name. */
function saidOf({ invalidJobs, problems }: Catalog): Readonly<Record<string, readonly string[]>> {
  const said = Object.fromEntries([...invalidJobs].map(([name, job]) => [name, job.problems.map(formatProblem)]));
  return problems.length > 0 ? { ...said, '': problems.map(formatProblem) } : said;
}

const jobOf = (catalog: Catalog, name: string): DesiredJob => {
  const job = catalog.jobs.get(name);
  if (!job) throw new Error(`no job ${name}: ${JSON.stringify(saidOf(catalog))}`);
  return job;
};

const whole = suite('catalog');

whole('holds the jobs of all files and documents, as they were written', async () => {
  const catalog = await build(
    snapshotOf(
      {
        'jobs/a.yaml': `# first\n${jobYaml('a', 'run: x')}---\n${jobYaml('b', 'image: y', 'run: z')}`,
        'other.yml': jobYaml('c', 'run: x'),
        'deploy.yaml': 'apiVersion: apps/v1\nkind: Deployment\n',
        'README.md': 'apiVersion: runledger.dev/v1\n',
      },
      'abc',
    ),
  );
  assert.is(catalog.revision, 'abc');
  assert.equal([...catalog.jobs.keys()], ['a', 'b', 'c']);
  assert.equal(saidOf(catalog), {});
  const { manifest, path, position } = jobOf(catalog, 'b');
  assert.equal(manifest, {
    apiVersion: 'runledger.dev/v1',
    kind: 'Job',
    metadata: { name: 'b' },
    spec: { image: 'y', run: 'z' },
  });
  assert.is(path, 'jobs/a.yaml');
  assert.equal(position, { line: 9, column: 1 });
});

whole('what is wrong with one job leaves the others alone', async () => {
  const catalog = await build(
    snapshotOf({
      'a.yaml': `${jobYaml('a', 'run: 1')}---\n${jobYaml('b', 'run: x')}`,
      'c.yaml': jobYaml('C', 'run: x'),
    }),
  );
  assert.equal([...catalog.jobs.keys()], ['b']);
  assert.equal(saidOf(catalog), {
    a: ['a.yaml:6:8: spec.run: 1 is a number, not a string; write "1"'],
    '': ['c.yaml:4:9: metadata.name: "C" is not a DNS label; write c'],
  });
  assert.is(catalog.invalidJobs.get('a')?.path, 'a.yaml');
  assert.is(catalog.brokenFiles.size, 0);
});

whole('a job of another version, or of a kind with a slip, is invalid and not gone', async () => {
  const catalog = await build(
    snapshotOf({
      'a.yaml': jobYaml('a', 'run: x').replace('/v1', '/v2'),
      'b.yaml': jobYaml('b', 'run: x').replace('kind: Job', 'kind: job'),
    }),
  );
  assert.equal([...catalog.invalidJobs.keys()], ['a', 'b']);
});

whole('of two equal names neither is planned, and each is told of the other', async () => {
  const catalog = await build(
    snapshotOf({
      'a.yaml': `${jobYaml('twice', 'run: x')}---\n${jobYaml('once', 'run: x')}`,
      'b.yaml': `# a comment\n${jobYaml('twice', 'run: 5')}`,
    }),
  );
  assert.equal([...catalog.jobs.keys()], ['once']);
  assert.equal(saidOf(catalog), {
    twice: [
      'a.yaml:1:1: metadata.name: another job is called twice: b.yaml:2; rename one of them',
      'b.yaml:2:1: metadata.name: another job is called twice: a.yaml:1; rename one of them',
      'b.yaml:7:8: spec.run: 5 is a number, not a string; write "5"',
    ],
  });
});

whole('unknown needs are told at their place', async () => {
  const catalog = await build(
    snapshotOf({ 'a.yaml': jobYaml('a', 'run: x', 'needs: [biuld]'), 'b.yaml': jobYaml('build', 'run: x') }),
  );
  assert.equal(saidOf(catalog), {
    a: ['a.yaml:7:11: spec.needs[0]: there is no job "biuld"; did you mean "build"?'],
  });
});

whole.run();

const broken = suite('catalog: broken files');

broken('a file that does not parse counts if it speaks of runledger, or held manifests before', async () => {
  const files = {
    'a.yaml': `${jobYaml('a', 'run: x')}  oops: [`,
    'b.yaml': 'oops: [',
    'c.yaml': 'oops: [',
    'd.yaml': jobYaml('d', 'run: x'),
  };
  const catalog = await build(snapshotOf(files), ['b.yaml']);
  assert.equal([...catalog.brokenFiles.keys()], ['a.yaml', 'b.yaml']);
  assert.equal([...catalog.jobs.keys()], ['d']);
  assert.equal(saidOf(catalog), {
    '': ['a.yaml:7:10: a bracket or brace is not closed', 'b.yaml:1:8: a bracket or brace is not closed'],
  });
});

broken('a file that held manifests in the last build is broken too, before the ledger knows', async () => {
  const builder = createCatalogBuilder();
  await builder.build(snapshotOf({ 'a.yaml': jobYaml('a', 'run: x') }), NONE);
  const catalog = await builder.build(snapshotOf({ 'a.yaml': 'oops: [' }), NONE);
  assert.equal([...catalog.brokenFiles.keys()], ['a.yaml']);
  const emptied = await builder.build(snapshotOf({ 'a.yaml': 'fine: true' }), NONE);
  assert.is(emptied.brokenFiles.size, 0);
});

broken('files that can not be read are told, and the others are planned', async () => {
  const catalog = await build(
    snapshotOf({
      'a.yaml': terminalError('SymlinkLeaves', 'a.yaml leaves'),
      'b.yaml': terminalError('FileTooLarge', 'b.yaml is large'),
      'c.yaml': new Error('EACCES: permission denied'),
      'd.yaml': jobYaml('d', 'run: x'),
      'e.yaml': new Uint8Array(2 * 1024 * 1024).fill(0x20, 100).fill(0x61, 0, 100),
      'f.yaml': Buffer.concat([Buffer.from(jobYaml('f', 'run: x')), Buffer.alloc(2 * 1024 * 1024, 0x0a)]),
    }),
  );
  assert.equal([...catalog.jobs.keys()], ['d']);
  assert.equal(saidOf(catalog), {
    '': [
      'a.yaml:1:1: the file is a symbolic link that leaves the repository or leads nowhere',
      'b.yaml:1:1: the file is larger than 64 MiB',
      "c.yaml:1:1: the file can't be read: EACCES: permission denied",
      'f.yaml:1:1: the file has 2.0 MiB; a manifest may have 1 MiB at most',
    ],
  });
});

broken('a fault that may pass is no word about a manifest: the build fails, and the next one succeeds', async () => {
  const builder = createCatalogBuilder();
  const files = { 'a.yaml': jobYaml('a', 'run: x'), 'b.yaml': jobYaml('b', 'run: x') };
  let thrown: unknown;
  try {
    await builder.build(snapshotOf({ ...files, 'b.yaml': transientError('Disconnected', 'the server hung up') }), NONE);
  } catch (error) {
    thrown = error;
  }
  assert.ok(isCoded(thrown, 'Disconnected'));
  assert.is((await builder.build(snapshotOf(files), NONE)).jobs.size, 2);
});

broken.run();

const inputs = suite('catalog: files beside the manifest');

const REPORT = jobYaml(
  'report',
  'run: x',
  'files:',
  '  - { path: bin/report.sh, from: ../scripts/report.sh, mode: "0755" }',
  '  - { path: conf, content: c }',
);

inputs('their content is part of the digest, and of what a run mounts', async () => {
  const builder = createCatalogBuilder();
  const one = snapshotOf({
    'jobs/r.yaml': REPORT,
    'scripts/report.sh': 'one',
    'jobs/other.yaml': jobYaml('other', 'run: x'),
  });
  const two = snapshotOf({
    'jobs/r.yaml': REPORT,
    'scripts/report.sh': 'two',
    'jobs/other.yaml': jobYaml('other', 'run: x'),
  });
  const before = await builder.build(one, NONE);
  const after = await builder.build(two, NONE);
  assert.is.not(jobOf(after, 'report').digest, jobOf(before, 'report').digest);
  assert.is(jobOf(after, 'other'), jobOf(before, 'other'));
  assert.is(jobOf(await builder.build(one, NONE), 'report').digest, jobOf(before, 'report').digest);
  assert.is(digestOfCovered(await coveredOf(jobOf(after, 'report'), two)), jobOf(after, 'report').digest);
  const mounted = await resolveFiles(jobOf(after, 'report'), two);
  assert.equal(
    mounted.map(({ path, mode, content }) => [path, mode.toString(8), Buffer.from(content).toString()]),
    [
      ['bin/report.sh', '755', 'two'],
      ['conf', '644', 'c'],
    ],
  );
});

inputs('one that is missing, too large or out of reach is told at its place', async () => {
  const manifest = jobYaml(
    'r',
    'run: x',
    'files:',
    '  - { path: a, from: gone }',
    '  - { path: b, from: big }',
    '  - { path: c, from: link }',
  );
  const big = new Uint8Array(1_200_000);
  const catalog = await build(
    snapshotOf({ 'r.yaml': manifest, big, link: terminalError('SymlinkLeaves', 'link leaves') }),
  );
  assert.equal(saidOf(catalog), {
    r: [
      'r.yaml:8:24: spec.files[0].from: "gone" does not exist: the repository has no gone',
      'r.yaml:9:24: spec.files[1].from: "big" has 1.2 MB; a run can carry 1 MB',
      'r.yaml:10:24: spec.files[2].from: "link" is a symbolic link that leaves the repository or leads nowhere',
    ],
  });
});

inputs('several that are too large together', async () => {
  const manifest = jobYaml('r', 'run: x', 'files:', '  - { path: a, from: a }', '  - { path: b, from: b }');
  const half = new Uint8Array(600_000);
  assert.equal(saidOf(await build(snapshotOf({ 'r.yaml': manifest, a: half, b: half }))), {
    r: ['r.yaml:7:3: spec.files: scripts and files have 1.2 MB together; a run can carry 1 MB'],
  });
});

inputs('the files that a commit counts are part of the digest by their ids', async () => {
  const manifest = jobYaml('r', 'run: x', 'on: { commit: { paths: ["data/**"] } }');
  const digestWith = async (files: Readonly<Record<string, string>>): Promise<string> =>
    jobOf(await build(snapshotOf({ 'r.yaml': manifest, ...files })), 'r').digest;
  const base = await digestWith({ 'data/a/b': '1', 'x/y': '1' });
  assert.is(await digestWith({ 'data/a/b': '1', 'x/y': '2' }), base);
  assert.is.not(await digestWith({ 'data/a/b': '2', 'x/y': '1' }), base);
  assert.is.not(await digestWith({ 'data/a/c': '1', 'x/y': '1' }), base);
});

inputs('a file that has gone since the plan is an error that names the job', async () => {
  const snapshot = snapshotOf({ 'jobs/r.yaml': REPORT, 'scripts/report.sh': 'one' });
  const job = jobOf(await build(snapshot), 'report');
  let thrown: unknown;
  await resolveFiles(job, snapshotOf({})).catch((error: unknown) => (thrown = error));
  assert.is(
    (thrown as CodedError).message,
    'jobs/r.yaml: the file ../scripts/report.sh that report needs is not in the repository',
  );
});

inputs.run();

const again = suite('catalog: built again');

again('reads only the file that changed', async () => {
  const files = Object.fromEntries(
    Array.from({ length: 300 }, (_, index) => [`${index}.yaml`, jobYaml(`j${index}`, 'run: x')]),
  );
  const builder = createCatalogBuilder();
  const first = snapshotOf({ ...files, 'r.yaml': REPORT.replace('../', ''), 'scripts/report.sh': 'one' });
  const before = await builder.build(first, NONE);
  assert.is(before.jobs.size, 301);
  const second = snapshotOf({
    ...files,
    '7.yaml': jobYaml('j7', 'run: y'),
    'r.yaml': REPORT.replace('../', ''),
    'scripts/report.sh': 'one',
  });
  const after = await builder.build(second, NONE);
  assert.equal(second.reads, ['7.yaml']);
  assert.is(after.jobs.size, 301);
  assert.is.not(jobOf(after, 'j7').digest, jobOf(before, 'j7').digest);
  assert.is(jobOf(after, 'j8'), jobOf(before, 'j8'));
  assert.is(jobOf(after, 'report').digest, jobOf(before, 'report').digest);
});

again('forgets files that are gone, and sees those that move', async () => {
  const builder = createCatalogBuilder();
  await builder.build(snapshotOf({ 'a.yaml': jobYaml('a', 'run: x'), 'b.yaml': jobYaml('b', 'run: x') }), NONE);
  const moved = await builder.build(snapshotOf({ 'c.yaml': jobYaml('b', 'run: x') }), NONE);
  assert.equal([...moved.jobs.keys()], ['b']);
  assert.is(jobOf(moved, 'b').path, 'c.yaml');
  assert.is(moved.problems.length, 0);
});

again('a name that is no longer written twice is planned again', async () => {
  const builder = createCatalogBuilder();
  const twice = await builder.build(
    snapshotOf({ 'a.yaml': jobYaml('a', 'run: x'), 'b.yaml': jobYaml('a', 'run: x') }),
    NONE,
  );
  assert.is(twice.jobs.size, 0);
  const once = await builder.build(
    snapshotOf({ 'a.yaml': jobYaml('a', 'run: x'), 'b.yaml': jobYaml('b', 'run: x') }),
    NONE,
  );
  assert.equal([...once.jobs.keys()].sort(), ['a', 'b']);
});

again('what a symbolic link points to is read each time', async () => {
  const link = (content: string): MemorySnapshot => {
    const snapshot = snapshotOf({ 'a.yaml': content });
    const manifests = snapshot.manifests.map((file) => ({ ...file, id: 'f'.repeat(40), mode: '120000' as const }));
    return { ...snapshot, manifests };
  };
  const builder = createCatalogBuilder();
  await builder.build(link(jobYaml('a', 'run: x')), NONE);
  assert.equal([...(await builder.build(link(jobYaml('b', 'run: x')), NONE)).jobs.keys()], ['b']);
});

again('lets others have their turn, and tells how far it is', async () => {
  const files = Object.fromEntries(
    Array.from({ length: 1_000 }, (_, index) => [`${index}.yaml`, jobYaml(`j${index}`, 'run: x')]),
  );
  let turns = 0;
  let building = true;
  const other = (): void => {
    turns += 1;
    if (building) setImmediate(other);
  };
  setImmediate(other);
  const steps: number[] = [];
  await createCatalogBuilder().build(snapshotOf(files), {
    ...NONE,
    progress: (done, total) => steps.push(done / total),
  });
  building = false;
  assert.ok(turns >= 5, `${turns} turns`);
  assert.is(steps.at(-1), 1);
  assert.equal(
    steps,
    [...steps].sort((a, b) => a - b),
  );
});

again.run();

const judged = suite('what the ledger knows of manifests');

/** What is to be kept of the jobs of a catalog, as the ledger would give it back. */
function kept(catalog: Catalog): NonNullable<CatalogOptions['judged']> {
  const byPath = new Map(
    [...catalog.jobs.values()].flatMap(({ name, path, judged: found }) =>
      found ? [[path, { name, judged: structuredClone(found) }]] : [],
    ),
  );
  return (path) => byPath.get(path);
}

judged('the same content is neither parsed nor judged again, and its job is there when it is asked for', async () => {
  const yaml = `# first\n${jobYaml('a', 'on: { schedule: { cron: "@daily" } }', 'suspend: true', 'run: x')}`;
  const snapshot = snapshotOf({ 'a.yaml': yaml });
  const before = await createCatalogBuilder('1').build(snapshot, NONE);
  const after = await createCatalogBuilder('1').build(snapshot, { ...NONE, judged: kept(before) });
  assert.equal(after.jobs.get('a'), before.jobs.get('a'));
  assert.equal(jobOf(after, 'a').outline, { on: { schedule: { cron: '@daily' } }, suspend: true });
  assert.equal(jobOf(after, 'a').manifest.spec.run, 'x');
  assert.equal(jobOf(after, 'a').position, { line: 2, column: 1 });
  assert.is(jobOf(after, 'a').judged?.blob, snapshot.manifests[0]?.id);

  // Content that nobody could parse, with the id of what was judged: whoever looks at it says so, and nobody has to.
  const garbage = { ...snapshot, read: async () => Buffer.from('{') };
  const known = await createCatalogBuilder('1').build(garbage, { ...NONE, judged: kept(before) });
  assert.is(jobOf(known, 'a').digest, jobOf(before, 'a').digest);
  assert.throws(
    () => jobOf(known, 'a').manifest,
    (error: CodedError) =>
      isCoded(error, 'LedgerFileInvalid') && error.message.startsWith('a.yaml: is not what the status of a'),
  );
});

judged('other content, and other rules, are judged anew', async () => {
  const before = await createCatalogBuilder('1').build(snapshotOf({ 'a.yaml': jobYaml('a', 'run: x') }), NONE);
  const broken = snapshotOf({ 'a.yaml': jobYaml('a', 'run: 1') });
  const changed = await createCatalogBuilder('1').build(broken, { ...NONE, judged: kept(before) });
  assert.equal(Object.keys(saidOf(changed)), ['a']);
  const garbage = {
    ...snapshotOf({ 'a.yaml': jobYaml('a', 'run: x') }),
    read: async () => Buffer.from('apiVersion: {'),
  };
  for (const rules of ['2', undefined]) {
    const found = await createCatalogBuilder(rules).build(garbage, {
      knownFiles: new Set(['a.yaml']),
      judged: kept(before),
    });
    assert.equal([...found.brokenFiles.keys()], ['a.yaml']);
  }
});

judged('the graph and the runner sets are looked at all the same', async () => {
  const files = { 'a.yaml': jobYaml('a', 'run: x'), 'b.yaml': jobYaml('b', 'needs: [a]', 'run: x') };
  const before = await createCatalogBuilder('1').build(snapshotOf(files), NONE);
  const { 'b.yaml': alone } = files;
  const found = await createCatalogBuilder('1').build(snapshotOf({ 'b.yaml': alone }), {
    ...NONE,
    judged: kept(before),
  });
  assert.match(saidOf(found)['b']?.join() ?? '', /^b\.yaml:6:11: spec\.needs\[0\]: /);
});

judged('nothing is kept of what the id of one file does not tell', async () => {
  const catalog = await createCatalogBuilder('1').build(
    snapshotOf({
      'two.yaml': `${jobYaml('a', 'run: x')}---\n${jobYaml('b', 'run: x')}`,
      'draws.yaml': jobYaml('c', 'run: x', 'files: [{ path: f, from: f.txt }]'),
      'f.txt': 'f',
    }),
    NONE,
  );
  assert.equal([...catalog.jobs.keys()].sort(), ['a', 'b', 'c']);
  for (const job of catalog.jobs.values()) assert.is(job.judged, undefined);
});

judged.run();
