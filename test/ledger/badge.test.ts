import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { badgeSvg } from '../../src/ledger/badge.ts';
import { finishedFacts, ledgerOn, manifestFacts, newRepository, never, type Repository } from './fixtures.ts';
import { bucketOf } from '../../src/ledger/layout.ts';

const test = suite<{ repository: Repository }>('badges');

test.before.each(async (context) => {
  context.repository = await newRepository();
});
test.after.each(({ repository }) => repository.remove());

const PATH = `jobs/${bucketOf('nightly')}/nightly/badge.svg`;

test('a job has a badge from its first run on, and another one only when its result changes', async ({
  repository,
}) => {
  const ledger = ledgerOn(await repository.branch());
  await ledger.write({ facts: [manifestFacts('nightly', 'valid')] }, never());
  assert.not(repository.files().includes(PATH), 'there is nothing to show yet');
  const end = (run: number, result: 'succeeded' | 'failed') =>
    ledger.write({ facts: [finishedFacts({ job: 'nightly', run, result })] }, never());
  await end(1, 'succeeded');
  assert.match(repository.show(PATH), /<title>nightly: succeeded<\/title>/);
  await end(2, 'succeeded');
  await end(3, 'failed');
  assert.match(repository.show(PATH), /<title>nightly: failed<\/title>/);
  await end(4, 'failed');
  await end(5, 'succeeded');
  const changes = repository.git('log', '--format=%s', 'runledger/status', '--', PATH).trim().split('\n');
  assert.equal(
    changes.map((subject) => /run (\d)/.exec(subject)?.[1]),
    ['5', '3', '1'],
  );
});

test('a ledger without badges has none, and one from before gets them with the next run', async ({ repository }) => {
  const without = ledgerOn(await repository.branch(), { badges: false });
  await without.write({ facts: [finishedFacts({ job: 'nightly', run: 1 })] }, never());
  assert.not(repository.files().includes(PATH));
  const ledger = ledgerOn(await repository.branch());
  await ledger.write({ facts: [finishedFacts({ job: 'nightly', run: 2 })] }, never());
  assert.ok(repository.files().includes(PATH));
});

test('retention keeps the badge', async ({ repository }) => {
  const ledger = ledgerOn(await repository.branch());
  for (const run of [1, 2, 3])
    await ledger.write({ facts: [finishedFacts({ job: 'nightly', run, keep: { runs: 1, forMs: 1e12 } })] }, never());
  assert.not(repository.files().some((file) => file.endsWith('/1.yaml')));
  assert.ok(repository.files().includes(PATH));
});

test('a badge is small, and no text of it is markup', () => {
  const badge = badgeSvg('a'.repeat(40), 'timed-out');
  assert.ok(Buffer.byteLength(badge) < 1_000, `${badge.length} bytes`);
  const odd = badgeSvg('<script>"&', 'failed');
  assert.not.match(odd, /<script>/);
  assert.match(odd, /aria-label="&lt;script&gt;&quot;&amp;: failed"/);
});

test.run();
