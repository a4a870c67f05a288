// test-timeout: 300s
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createRecorder } from '../../src/logs/recorder.ts';

const MEBIBYTE = 1024 ** 2;
const test = suite('many streams');

test('200 streams at once need less than 300 MB in all', () => {
  const secrets = Array.from({ length: 20 }, (_, index) => ({
    label: `s${index}`,
    value: `secret-${index}-${'x'.repeat(24)}`,
  }));
  const recorders = Array.from({ length: 200 }, () =>
    createRecorder({ secrets, limits: { maxBytes: 256 * 1024, maxLine: 16 * 1024 }, now: () => new Date() }),
  );
  const line = `some words of a log, and more of them, and secret-3-${'x'.repeat(24)} in between\n`;
  let highest = 0;
  for (let round = 0; round < 12; round += 1) {
    // Each stream has memory of its own for what it brings, and is cut within a line.
    for (const recorder of recorders) recorder.write('run', 'stdout', Buffer.from(line.repeat(700).slice(round * 7)));
    highest = Math.max(highest, process.memoryUsage().rss);
  }
  assert.ok(highest < 300 * MEBIBYTE, `${(highest / MEBIBYTE).toFixed(0)} MiB`);
  for (const recorder of recorders) assert.is(recorder.end().complete, false);
});

test('a line of 256 MB needs no more memory than one of 20 MB', () => {
  const chunk = Buffer.alloc(MEBIBYTE, 'x');
  const recorder = createRecorder({
    secrets: [{ label: 's', value: 'hunter22' }],
    limits: { maxBytes: 256 * 1024, maxLine: 16 * 1024 },
    now: () => new Date(),
  });
  const write = (mebibytes: number): number => {
    for (let written = 0; written < mebibytes; written += 1) recorder.write('run', 'stdout', chunk);
    return process.memoryUsage().rss;
  };
  const before = write(20);
  const after = write(256);
  assert.ok(after < before + 100 * MEBIBYTE, `${before} then ${after} bytes`);
  const { log } = recorder.end();
  assert.ok(log.length <= 256 * 1024);
  assert.match(Buffer.from(log).toString(), /… [\d,]+ lines \([\d.]+ (?:MiB|GiB)\) left out …/);
});

test.run();
