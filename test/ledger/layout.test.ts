import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isCoded } from '../../src/errors.ts';
import { bucketOf, isLogOf, jobFolder, logPath, outcomePath, runFileOf, statusPath } from '../../src/ledger/layout.ts';
import { sha256 } from './fixtures.ts';

const test = suite('ledger layout');
const throws = (code: string) => (error: Error) => isCoded(error, code);

test('a job lies in the bucket that its name hashes to', () => {
  assert.is(bucketOf('nightly-report'), sha256('nightly-report').slice(0, 2));
  assert.is(statusPath('nightly-report'), `jobs/${bucketOf('nightly-report')}/nightly-report/status.yaml`);
  assert.is(outcomePath('b', 12), 'jobs/3e/b/12.yaml');
});

test('a log is named by run, task and attempt', () => {
  assert.is(logPath('b', 12, 1), 'jobs/3e/b/12.1.log');
  assert.is(logPath('b', 12, 2, 'browser'), 'jobs/3e/b/12.browser.2.log');
});

test('no name leads out of the folder', () => {
  for (const name of ['', '..', '../x', 'a/b', 'A', '-a', 'a'.repeat(41), 'a\n', '.git']) {
    assert.throws(() => jobFolder(name), throws('BadJobName'), name);
  }
  for (const task of ['', '..', '../x', 'a/b', '.hidden', 'a\n']) {
    assert.throws(() => logPath('b', 1, 1, task), throws('BadLogName'), task);
  }
  for (const run of [0, -1, 1.5, Number.NaN, 2 ** 60])
    assert.throws(() => outcomePath('b', run), throws('BadRunNumber'));
});

test('files are told apart by their names', () => {
  assert.equal(runFileOf('12.yaml'), { run: 12, kind: 'outcome' });
  for (const name of ['12.log', '12.1.log', '12.default.1.log', '12.a.b.1.log']) {
    assert.equal(runFileOf(name), { run: 12, kind: 'log' }, name);
  }
  for (const name of ['status.yaml', 'spec.yaml', '012.yaml', '12.yml', 'x12.yaml', '12', '.yaml']) {
    assert.is(runFileOf(name), null, name);
  }
});

test('a log belongs to its run only', () => {
  assert.ok(isLogOf('jobs/3e/b/12.1.log', 'b', 12));
  for (const path of [
    'jobs/3e/b/13.1.log',
    'jobs/3e/c/12.1.log',
    'jobs/3e/b/x/12.1.log',
    'jobs/3e/b/12.yaml',
    '12.1.log',
  ]) {
    assert.not.ok(isLogOf(path, 'b', 12), path);
  }
});

test.run();
