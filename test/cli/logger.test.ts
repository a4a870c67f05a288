import { spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createLogger } from '../../src/cli/logger.ts';
import type { Io } from '../../src/cli/terminal.ts';

const test = suite('the log of a command');

const messages = (text: string): readonly string[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { msg: string }).msg);

test('lines that come together are written together, in their order; a warning at once', async () => {
  const writes: string[] = [];
  const io = { stderr: { isTTY: false, write: (text: string) => writes.push(text) } } as unknown as Io;
  const log = createLogger(io, {}, 'info');
  const child = log.child({ source: 'a' });
  log.debug('not said');
  log.info('one');
  child.info('two');
  assert.equal(writes, []);
  while (writes.length === 0) await sleep(5);
  child.info('three');
  child.warn('four');
  assert.equal(writes.map(messages), [
    ['one', 'two'],
    ['three', 'four'],
  ]);
});

test('nothing is lost when the process ends, however it does', () => {
  const file = path.join(import.meta.dirname, '../../src/cli/logger.ts');
  const start = `const { createLogger } = await import(${JSON.stringify(file)});
    const log = createLogger({ stderr: process.stderr }, { logFormat: 'json' }, 'info');
    log.info('first'); log.info('last');`;
  for (const end of ['', 'process.exit(0);', "throw new Error('x');"]) {
    const { stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', `${start}${end}`], {
      encoding: 'utf8',
    });
    const lines = stderr.split('\n').filter((line) => line.startsWith('{'));
    assert.equal(messages(lines.join('\n')), ['first', 'last'], end);
  }
});

test.run();
