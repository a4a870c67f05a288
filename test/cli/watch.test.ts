import { pino } from 'pino';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { backOffMs, createWatch } from '../../src/cli/watch.ts';
import { transientError, usageError } from '../../src/errors.ts';
import type { Reconciler } from '../../src/reconciler/reconciler.ts';
import type { Source } from '../../src/sources/port.ts';

const test = suite('watching a source');
const log = pino({ level: 'silent' });
const HOUR_MS = 3_600_000;

/** A source that says itself when it changed, and a reconciler that does with the n-th pass what `settle` does. */
function world(settle: (pass: number, stop: AbortSignal, end: AbortSignal) => Promise<void>) {
  const passes: number[] = [];
  let changed = (): void => undefined;
  let pass = 0;
  let heard = 0;
  const until = new Map<number, () => void>();
  const reconciler = {
    sourceChanged: () => void (heard += 1),
    async settle(_options: unknown, stop: AbortSignal, end: AbortSignal) {
      pass += 1;
      passes.push(pass);
      until.get(pass)?.();
      await settle(pass, stop, end);
    },
  } as unknown as Reconciler;
  const source = {
    watch(tell: () => void, signal: AbortSignal) {
      changed = tell;
      return new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    },
  } as unknown as Source;
  const soft = new AbortController();
  const hard = new AbortController();
  return {
    parts: { source, reconciler },
    passes,
    heard: () => heard,
    changed: () => changed(),
    soft,
    hard,
    stop: { soft: soft.signal, hard: hard.signal, close: () => undefined },
    pass: (number: number) => new Promise<void>((resolve) => until.set(number, resolve)),
  };
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const failing = async (): Promise<void> => {
  throw transientError('Down', 'the server is down');
};

test('a webhook, or a poll that finds something, during the pause after a failed pass begins the next one', async () => {
  const w = world((pass, stop) => (pass < 3 ? failing() : aborted(stop)));
  const watch = createWatch(w.parts, log, () => HOUR_MS);
  const [second, third] = [w.pass(2), w.pass(3)];
  const running = watch.run(w.stop);
  await tick();
  watch.poke();
  await second;
  await tick();
  w.changed();
  await third;
  assert.is(w.heard(), 2);
  w.soft.abort();
  await running;
  assert.equal(w.passes, [1, 2, 3]);
});

test('one that came during the failed pass itself has a pass of its own, and one only', async () => {
  const pauses: number[] = [];
  const w = world(async (pass) => {
    if (pass === 1) watch.poke();
    return failing();
  });
  const watch = createWatch(w.parts, log, (failures) => {
    pauses.push(failures);
    return HOUR_MS;
  });
  const second = w.pass(2);
  const running = watch.run(w.stop);
  await second;
  await tick();
  assert.equal(
    [w.passes, pauses],
    [
      [1, 2],
      [1, 2],
    ],
  );
  w.soft.abort();
  await running;
});

test('a signal ends the pause; a second one, or an error that trying again cannot help, ends it all', async () => {
  const w = world(failing);
  const running = createWatch(w.parts, log, () => HOUR_MS).run(w.stop);
  await tick();
  w.soft.abort();
  await running;

  const other = world(async () => {
    throw usageError('Wrong', 'what was typed is wrong');
  });
  const error = await createWatch(other.parts, log)
    .run(other.stop)
    .catch((failure: unknown) => failure);
  assert.match(String(error), /what was typed is wrong/);
});

test('pauses grow to five minutes, a tenth more or less', () => {
  assert.is(backOffMs(1, 0.5), 2_000);
  assert.is(backOffMs(10, 0.5), 20_000);
  assert.is(backOffMs(10, 0), 18_000);
  assert.is(Math.round(backOffMs(10_000, 1)), 330_000);
});

test.run();
