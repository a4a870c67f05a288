import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bucketOf, jobFolder, outcomePath } from '../../src/ledger/layout.ts';
import { bucketReadme, rootReadme } from '../../src/ledger/readme.ts';
import { applyFacts } from '../../src/ledger/status.ts';
import { finishedFacts, manifestFacts, manyStatuses, START } from './fixtures.ts';

const test = suite('ledger README');
const ran = (job: string, index: number) =>
  applyFacts(
    undefined,
    finishedFacts({ job, run: 3, finished: START + index * 1000, result: index % 50 === 7 ? 'failed' : 'succeeded' }),
  );
const rows = (readme: string): string[] => readme.split('\n').filter((line) => line.startsWith('| [job-'));

test('one job: its row says all', () => {
  const readme = rootReadme(manyStatuses(1, ran), []);
  const at = '20\u00a0Nov\u00a02026,\u00a001:30';
  assert.match(readme, '**1 job**: 1 ✅ succeeded');
  assert.equal(rows(readme), [
    `| [job-0](${jobFolder('job-0')}) | ✅ succeeded | [#3](${outcomePath('job-0', 3)}) | ${at} | 3m12s |  |`,
  ]);
});

test('no job at all', () => {
  assert.match(rootReadme(new Map(), []), '**0 jobs**');
});

test('two hundred jobs are one table, those that fail first', () => {
  const readme = rootReadme(manyStatuses(200, ran), []);
  assert.is(rows(readme).length, 200);
  assert.equal(
    rows(readme)
      .slice(0, 4)
      .every((row) => row.includes('❌ failed')),
    true,
  );
  assert.not.match(readme, '## ');
});

test('beyond that: totals, what fails, what ended last, and a table for each bucket', () => {
  for (const count of [201, 10_000]) {
    const statuses = manyStatuses(count, ran);
    const readme = rootReadme(statuses, []);
    const failing = [...statuses.values()].filter((status) => status.lastRuns[0]?.result === 'failed').length;
    assert.match(readme, `${failing} ❌ failed`);
    const [care = '', last = ''] = readme.split('## ').slice(1);
    assert.is(rows(care).length, Math.min(50, failing));
    assert.is(rows(last).length, 20);
    assert.match(rows(last)[0]!, `| [job-${count - 1}](`);
    assert.ok(readme.length < 60_000, `${readme.length}`);
    const linked = [...readme.matchAll(/\[([0-9a-f]{2})\]\(jobs\/\1\/README\.md\) \((\d+)\)/g)];
    assert.is(
      linked.reduce((sum, [, , size]) => sum + Number(size), 0),
      count,
    );
    const bucket = linked[0]![1]!;
    const own = [...statuses.values()].filter((status) => bucketOf(status.job) === bucket);
    const table = bucketReadme(bucket, own);
    assert.is(rows(table).length, own.length);
    assert.match(table, `](../../${outcomePath(own[0]!.job, 3)})`);
  }
});

test('text of jobs stays in its cell', () => {
  const message = 'a | b <img src=x onerror=alert(1)> [x](http://evil) `c` @everyone #1\n| d | **e** www.evil.com';
  const statuses = new Map([
    ['job-0', applyFacts(undefined, finishedFacts({ job: 'job-0', result: 'failed', message }))],
  ]);
  const [row = ''] = rows(rootReadme(statuses, []));
  assert.is(row.match(/(?<!\\)\|/g)?.length, 7);
  assert.not.match(row, /<|(?<!\\)`|(?<!\\)\*|:\/\/|@|www\./);
  assert.not.match(row, '[x](');
});

test('invalid, suspended, running and removed jobs are told apart', () => {
  const statuses = new Map([
    ['job-a', applyFacts(undefined, manifestFacts('job-a', 'invalid'))],
    ['job-b', applyFacts(ran('job-b', 0), manifestFacts('job-b', 'suspended'))],
    [
      'job-c',
      applyFacts(ran('job-c', 0), { ...manifestFacts('job-c', 'valid'), active: { run: 4, phase: 'Running' } }),
    ],
    ['job-d', applyFacts(ran('job-d', 0), manifestFacts('job-d', 'removed'))],
  ]);
  const readme = rootReadme(statuses, [{ file: 'x.yaml', line: 1, column: 1, message: 'no YAML' }]);
  const [a, b, c] = rows(readme);
  assert.match(a!, '⛔ invalid: jobs/job-a.yaml:12:7: ');
  assert.match(b!, '✅ succeeded, ⏸️ suspended');
  assert.match(c!, '✅ succeeded, ▶️ running');
  assert.is(rows(readme).length, 3);
  assert.match(readme, '**3 jobs**: 1 ⛔ invalid · 1 ▶️ running · 2 ✅ succeeded · 1 ⏸️ suspended\n');
  assert.match(readme, 'Removed: job-d');
  assert.match(readme, '1 problem in manifests that name no job: [invalid.yaml](invalid.yaml)');
});

test('the same statuses in another order make the same README', () => {
  const statuses = manyStatuses(300, ran);
  assert.is(rootReadme(new Map([...statuses].reverse()), []), rootReadme(statuses, []));
});

test('the title of the first column is as wide as the longest name, so that names stay whole', () => {
  const titleOf = (count: number, name: (index: number) => string): string => {
    const statuses = new Map(
      [...manyStatuses(count, ran).values()].map((status, index) => {
        const job = name(index);
        return [job, { ...status, job }];
      }),
    );
    return /^\| (job\u00a0*) \| result/m.exec(rootReadme(statuses, []))?.[1] ?? '';
  };
  assert.is(titleOf(2, (index) => (index === 0 ? 'a' : 'nightly-report')).length, 3 + 2 * 11);
  assert.is(
    titleOf(1, () => 'a'),
    'job',
  );
  assert.is(titleOf(1, () => `${'a-'.repeat(19)}a`).length, 3 + 2 * 21, 'a very long one may be broken');
});

test.run();
