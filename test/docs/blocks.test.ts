/** How pages are read and compared: a comparison that lets everything pass would make every page true. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isAlike, steady } from '../../scripts/docs/alike.ts';
import { blocksOf, exchangesOf } from '../../scripts/docs/blocks.ts';
import { playPage } from '../../scripts/docs/play.ts';
import { openShell } from '../../scripts/docs/shell.ts';

const test = suite('blocks');

test('a block has a language, marks and a place; the indentation of a list goes', () => {
  const page = 'a\n\n- b\n\n  ```sh needs=cluster exit=3\n  one\n    two\n  ```\n\n```\nplain\n```\n';
  assert.equal(blocksOf(page), [
    { line: 6, language: 'sh', marks: { needs: 'cluster', exit: '3' }, text: 'one\n  two\n' },
    { line: 11, language: '', marks: {}, text: 'plain\n' },
  ]);
  assert.throws(() => blocksOf('```sh\nopen'), /line 1: this fence is not closed/);
});

test('a console block is commands with their outputs', () => {
  assert.equal(exchangesOf('$ one \\\n> two\nout\n\n$ three\n'), [
    { command: 'one \\\ntwo', output: 'out\n\n' },
    { command: 'three', output: '' },
  ]);
  assert.throws(() => exchangesOf('out\n'), /begins with a command/);
});

test('times, durations, ids and widths may differ, and nothing else', () => {
  assert.ok(isAlike('✓ a #1 succeeded in 41ms', '✓ a #1 succeeded in 1.5s\n'));
  assert.not(isAlike('✓ a #1 succeeded in 41ms', '✗ a #1 succeeded in 41ms'));
  assert.not(isAlike('a #1', 'a #2'));
  assert.ok(isAlike('at c8c0731356ee+dirty', 'at 0123456789ab+dirty'));
  assert.not(isAlike('at c8c0731356ee', 'at c8c0731356ee+dirty'));
  assert.ok(isAlike('TOOK  WHY\n41ms  x', 'TOOK   WHY\n368ms  x'));
  assert.ok(isAlike('just now', '35s ago'));
  assert.ok(isAlike('a\n…\nd', 'a\nb\nc\nd'));
  assert.ok(isAlike('a\n…', 'a\n'));
  assert.ok(isAlike('a … d', 'a b c d'));
  assert.not(isAlike('a … d', 'a b\nc d'));
  assert.not(isAlike('a\n…\nd', 'a\nb'));
  assert.not(isAlike('a', 'a\nb'));
  assert.not(isAlike('a+(b)', 'aa+b'));
});

test('a stand-in keeps the place of what follows', () => {
  assert.is(steady('took 368ms  why'), 'took 40ms   why');
  assert.is(steady('id 0123456789abcdef of 2026-11-27T15:04:19.607Z'), 'id c8c0731 of 2026-01-05T08:00:00Z');
});

test('what a page says and is not so is told, with its line', async () => {
  const shell = await openShell();
  const page = [
    '```console\n$ cd /\n$ echo one\ntwo\n```',
    '```sh\nfalse\necho not reached\n```',
    '```sh exit=3\nexit 3\n```',
    '```console\n$ pwd\n/\n```',
  ];
  try {
    const { problems, left, steps } = await playPage([...page, '```sh needs=moon\nfly\n```'].join('\n\n'), shell);
    assert.equal(
      problems.map((problem) => problem.split('\n')[0]),
      ['line 2: echo one: printed', 'line 8: false: ended with 1 instead of 0'],
    );
    assert.equal(left, ['moon: fly']);
    assert.is(steps.length, 5);
  } finally {
    await shell.close();
  }
});

test.run();
