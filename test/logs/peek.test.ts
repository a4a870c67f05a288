import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createRecorder } from '../../src/logs/recorder.ts';

function open(secrets: readonly string[] = []) {
  const texts: string[] = [];
  const recorder = createRecorder({
    secrets: secrets.map((value) => ({ label: 's', value })),
    limits: { maxBytes: 64 * 1024, maxLine: 1024 },
    now: () => new Date('2026-11-20T01:30:00Z'),
    onLine: ({ text }) => texts.push(text),
  });
  const write = (text: string): void => recorder.write('run', 'stdout', Buffer.from(text));
  const stored = (): string =>
    recorder
      .end()
      .log.toString()
      .replaceAll(/^\S+ run stdout /gm, '');
  return { recorder, texts, write, stored };
}

const test = suite('peek');

test('shows what there is of a line, and what comes later as its continuation; it is stored whole', () => {
  const { recorder, texts, write, stored } = open();
  write('one\ncompiling');
  recorder.peek();
  recorder.peek();
  assert.equal(texts, ['one', 'compiling…']);
  write(' …');
  recorder.peek();
  write(' done\nnext\n');
  assert.equal(texts, ['one', 'compiling…', '… ……', '… done', 'next']);
  assert.is(stored(), 'one\ncompiling … done\nnext\n');
});

test('shows a progress bar that is drawn anew as it is, and stores its last state', () => {
  const { recorder, texts, write, stored } = open();
  for (const text of ['10%', '\r50%', '\r100%']) {
    write(text);
    recorder.peek();
  }
  write('\n');
  assert.equal(texts, ['10%…', '50%…', '100%…', '…']);
  assert.is(stored(), '100%\n');
});

test('shows no beginning of a secret, no secret and no mask', () => {
  const { recorder, texts, write, stored } = open(['hunter22']);
  write('token=hunt');
  recorder.peek();
  assert.equal(texts, ['token=…']);
  write('er22');
  recorder.peek();
  assert.equal(texts, ['token=…', '…***…']);
  write('\n::add-mask topsec');
  recorder.peek();
  write('ret1\ntopsecret1 again');
  recorder.peek();
  write('\n');
  assert.not.match(texts.join('\n'), /hunt|topsec/);
  assert.is(stored(), 'token=***\n::add-mask ***\n*** again\n');
});

test.run();
