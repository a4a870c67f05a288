import { load } from 'js-yaml';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bucketOf, jobFolder, outcomePath, statusPath } from '../../src/ledger/layout.ts';
import { schemas, validators } from '../../src/schemas/index.ts';
import {
  finishedFacts,
  ledgerOn,
  manifestFacts,
  never,
  newRepository,
  outcomeOf,
  REVISION,
  type Repository,
} from './fixtures.ts';

const test = suite<{ repository: Repository }>('ledger in a local repository');
test.before.each(async (context) => {
  context.repository = await newRepository();
});
test.after.each(({ repository }) => repository.remove());

/** Every document of the ledger as the real git shows it, against its schema. */
function assertAllValid(repository: Repository): number {
  const validatorOf = {
    Outcome: validators.outcome,
    JobStatus: validators.jobstatus,
    InvalidManifests: validators.invalid,
  };
  const documents = repository.files().filter((file) => file.endsWith('.yaml') && !file.endsWith('/spec.yaml'));
  for (const file of documents) {
    const document = load(repository.show(file)) as { kind: keyof typeof validatorOf };
    const validate = validatorOf[document.kind];
    assert.ok(validate(document), `${file}: ${JSON.stringify(validate.errors)}`);
  }
  return documents.length;
}

test('what was written is read with the real git, and is valid', async ({ repository }) => {
  const ledger = ledgerOn(await repository.branch());
  await ledger.write(
    { facts: [finishedFacts({ job: 'good' }), finishedFacts({ job: 'bad', result: 'failed' })] },
    never(),
  );
  const invalid = [{ file: 'jobs/x.yaml', line: 3, column: 1, message: 'unexpected end of the stream' }];
  await ledger.write({ facts: [manifestFacts('odd', 'invalid')], invalid }, never());
  await ledger.flush(never());

  assert.equal(
    load(repository.show(outcomePath('bad', 1))),
    JSON.parse(JSON.stringify(outcomeOf({ job: 'bad', result: 'failed' }))),
  );
  assert.is((load(repository.show(statusPath('odd'))) as { phase: string }).phase, 'Invalid');
  assert.match(repository.show('invalid.yaml'), 'file: jobs/x.yaml\n    line: 3');
  assert.match(repository.show('README.md'), '**3 jobs**');
  assert.is(assertAllValid(repository), 6);
  assert.equal(repository.subjects(), [
    'README brought up to date',
    'odd invalid: jobs/odd.yaml:12:7: "5 minutes" is not a duration; write 5m',
    '2 runs: 1 succeeded, 1 failed',
  ]);
  const trailer = repository.git(
    'log',
    '--format=%(trailers:key=Source-Revision,valueonly)',
    '--skip=2',
    'runledger/status',
  );
  assert.is(trailer.trim(), REVISION);
  assert.is(repository.git('fsck', '--strict').trim(), '');
  assert.is(repository.git('status', '--porcelain'), '', 'the work tree is not touched');
});

test('the schemas that are checked against are the published ones', () => {
  assert.match(String(schemas.outcome['$id']), 'outcome.json');
});

test('a status that a person repaired by hand counts, whatever the index says', async ({ repository }) => {
  await ledgerOn(await repository.branch()).write(
    { facts: [finishedFacts({ job: 'a' }), finishedFacts({ job: 'b' })] },
    never(),
  );
  repository.git('checkout', '-q', '-b', 'work', 'runledger/status');
  const { readFile, writeFile } = await import('node:fs/promises');
  const file = `${repository.dir}/${statusPath('a')}`;
  await writeFile(file, (await readFile(file, 'utf8')).replace('nextRun: 2', 'nextRun: 100'));
  repository.git('-c', 'user.name=x', '-c', 'user.email=x@y', 'commit', '-qam', 'repair');
  repository.git('update-ref', 'refs/heads/runledger/status', 'work');
  repository.git('checkout', '-q', '--detach');
  const view = await ledgerOn(await repository.branch()).read(never());
  assert.equal([view.statuses.get('a')?.nextRun, view.statuses.get('b')?.nextRun], [100, 2]);
});

test('two processes on one repository lose nothing', async ({ repository }) => {
  const writers = await Promise.all([0, 1].map(async () => ledgerOn(await repository.branch())));
  const runs = Array.from({ length: 20 }, (_, index) => index + 1);
  await Promise.all(
    writers.flatMap((ledger, writer) =>
      runs.map((run) => ledger.write({ facts: [finishedFacts({ job: `job-${writer}`, run })] }, never())),
    ),
  );
  for (const writer of [0, 1]) {
    const view = await writers[1 - writer]!.read(never());
    assert.equal(await view.runs(`job-${writer}`), runs);
    assert.is(view.statuses.get(`job-${writer}`)?.nextRun, 21);
  }
  assert.is(repository.git('fsck', '--strict', '--no-dangling').trim(), '');
});

test('beyond 200 jobs there is a README in each bucket, and it follows its jobs', async ({ repository }) => {
  const ledger = ledgerOn(await repository.branch());
  const facts = Array.from({ length: 200 }, (_, index) => finishedFacts({ job: `job-${index}` }));
  await ledger.write({ facts }, never());
  assert.is(repository.files().filter((file) => file.endsWith('README.md')).length, 1);
  await ledger.write({ facts: [finishedFacts({ job: 'job-200', result: 'failed' })] }, never());
  await ledger.flush(never());
  const readmes = repository.files().filter((file) => file.endsWith('/README.md'));
  const buckets = new Set(Array.from({ length: 201 }, (_, index) => bucketOf(`job-${index}`)));
  assert.is(readmes.length, buckets.size);
  await ledger.write({ facts: [finishedFacts({ job: 'job-7', run: 2, result: 'failed' })] }, never());
  await ledger.flush(never());
  const table = repository.show(`jobs/${bucketOf('job-7')}/README.md`);
  assert.match(table, `| [job-7](../../${jobFolder('job-7')}) | ❌ failed: `);
  assert.match(table, `| [#2](../../${outcomePath('job-7', 2)}) |`);
  await ledger.write({ facts: [manifestFacts('job-3', 'removed')] }, never());
  await ledger.flush(never());
  assert.equal(
    repository.files().filter((file) => file.endsWith('README.md')),
    ['README.md'],
    'back to one table',
  );
});

test.run();
