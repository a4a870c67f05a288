import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { checkHead } from '../../src/action/sources.ts';
import { outcomeAnnotations } from '../../src/action/telling.ts';
import { annotationLine, createFence, outputEntry } from '../../src/action/workflow.ts';
import type { Outcome } from '../../src/schemas/index.ts';

const test = suite('what a step says');
const HEAD = 'a'.repeat(40);

test('commands of the workflow can’t be forged by what they say', () => {
  const line = annotationLine({ level: 'error', file: 'a,b:c', line: 3, column: 4, message: 'x%\n::error::y\r' });
  assert.is(line, '::error file=a%2Cb%3Ac,line=3,col=4::x%25%0A::error::y%0D');
  assert.is(annotationLine({ level: 'notice', message: 'x' }), '::notice::x');
  assert.is(outputEntry('plan', 'a\nb', 'END'), 'plan<<END\na\nb\nEND\n');
  assert.throws(() => outputEntry('plan', 'a\nEND\nx=y', 'END'), /delimiter/);
});

test('what jobs print stands between two words that they can’t know, nor say', () => {
  const lines: string[] = [];
  const fence = createFence('word', (line) => lines.push(line));
  fence.begin();
  fence.line('::word::');
  fence.end();
  assert.equal(lines, ['::stop-commands::word', '::***::', '::word::']);
});

test('directives of steps become annotations, with how the run ended', () => {
  const outcome = {
    job: 'a',
    run: 2,
    result: 'failed',
    message: 'exit code 1',
    annotations: [
      { level: 'warning', file: 'x.py', line: 3, message: 'unused' },
      { level: 'error', line: 3, message: 'no place' },
    ],
  } as unknown as Outcome;
  assert.equal(outcomeAnnotations(outcome), [
    { level: 'warning', title: 'a run 2', message: 'unused', file: 'x.py', line: 3 },
    { level: 'error', title: 'a run 2', message: 'no place' },
    { level: 'error', title: 'a run 2', message: 'failed: exit code 1' },
  ]);
});

test('the work tree has to be of the head, or of the platform’s own merge of it', async () => {
  const [merge, onTop] = ['c'.repeat(40), 'd'.repeat(40)];
  const at = (commit: string | null) => ({
    head: async () => ({ branch: null, commit }),
    readCommit: async () => ({ parents: ['b'.repeat(40), HEAD] }) as never,
  });
  const wanted = { number: 7, sha: HEAD, merge };
  await checkHead(at(HEAD), wanted);
  await checkHead(at(merge), wanted);
  for (const [commit, given] of [
    [onTop, wanted],
    [merge, { ...wanted, merge: undefined }],
    [null, wanted],
  ] as const)
    await checkHead(at(commit), given).then(
      () => assert.unreachable(String(commit)),
      (error: Error) => assert.match(error.message, 'the work tree is at'),
    );
});

test.run();
