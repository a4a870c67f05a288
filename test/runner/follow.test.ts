import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createLiveLog, createLiveLogReader } from '../../src/runner/process/livelog.ts';
import { followRun } from '../../src/runner/process/index.ts';
import { begin, HOST, never, recordOf, textOf, waitForEnd, withWorld } from './world.ts';

const follow = suite('followRun');

const key = { job: 'report', run: 1 };

follow('yields the lines of a run from its beginning until it ends', () =>
  withWorld(async (world) => {
    const runner = world.runner();
    await begin(runner, recordOf({ run: `for i in 1 2 3; do echo "line $i"; sleep 0.2; done` }));
    const lines: string[] = [];
    for await (const line of followRun({ stateDir: world.stateDir, key, hostname: HOST, signal: never, pollMs: 10 }))
      lines.push(line);
    assert.is(textOf(Buffer.from(lines.join('\n'))), 'run stdout line 1\nrun stdout line 2\nrun stdout line 3');
    const { text } = await waitForEnd(runner, key);
    assert.is(text, textOf(Buffer.from(`${lines.join('\n')}\n`)));
  }),
);

follow('ends when the run is released, or was never there, or with the signal', () =>
  withWorld(async (world) => {
    const all = async (signal: AbortSignal): Promise<number> => {
      let count = 0;
      for await (const line of followRun({ stateDir: world.stateDir, key, hostname: HOST, signal, pollMs: 10 }))
        count += line === '' ? 0 : 1;
      return count;
    };
    assert.is(await all(never), 0);
    const runner = world.runner();
    await begin(runner, recordOf({ run: 'echo x; sleep 300' }));
    const stop = new AbortController();
    const following = all(stop.signal);
    while (world.lines.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    stop.abort();
    assert.is(await following, 1);
    const until = all(never);
    await runner.cancel(key, 'CancelRequested');
    await waitForEnd(runner, key);
    await runner.release([key], never);
    assert.ok((await until) <= 1);
  }),
);

follow('keeps the first and the last files of a long log, and a reader says what it missed', () => {
  const folder = mkdtempSync(join(tmpdir(), 'runledger-live-'));
  const log = createLiveLog(folder, 100);
  const early = createLiveLogReader(folder);
  const read = (reader: typeof early): string => Buffer.concat([...reader.read()]).toString();
  const line = (index: number): string => `line ${String(index).padStart(3, '0')}\n`;
  let seen = '';
  for (let index = 0; index < 200; index += 1) {
    log.append([Buffer.from(line(index))]);
    seen += read(early);
  }
  assert.is(seen, Array.from({ length: 200 }, (_, index) => line(index)).join(''), 'who keeps up misses nothing');
  assert.is(early.skipped(), false);
  assert.equal(readdirSync(folder).length, 3);
  const late = createLiveLogReader(folder);
  const rest = read(late);
  assert.is(late.skipped(), true);
  assert.ok(rest.startsWith(line(0)) && rest.endsWith(line(199)), rest);
  log.close();
  early.close();
  late.close();
  rmSync(folder, { recursive: true });
});

follow.run();
