import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { setImmediate as turn } from 'node:timers/promises';
import { terminalError, transientError } from '../../src/errors.ts';
import { createOutbox, type Delivery, type OutboxOptions } from '../../src/notify/outbox.ts';

const test = suite('the outbox');

/** An outbox whose deliveries end when the test says so. */
function world(options: Partial<OutboxOptions> = {}) {
  const counts: Record<string, number> = {};
  const said: string[] = [];
  const sent: string[] = [];
  const outbox = createOutbox({
    lingerMs: 0,
    backOffMs: 1,
    mostBackOffMs: 4,
    counted: (result) => (counts[result] = (counts[result] ?? 0) + 1),
    warn: (details, message) => said.push(`${String(details['delivery'])}: ${message}`),
    ...options,
  });
  const put = (key: string, text = key, more: Partial<Delivery> = {}): void =>
    outbox.put({ key, what: text, isPassing: false, send: async () => void sent.push(text), ...more });
  const settled = async (): Promise<void> => {
    while (outbox.size > 0) await turn();
  };
  return { outbox, put, counts, said, sent, settled };
}

/** Puts something in and waits until it is being sent; what is returned ends that. */
async function holding(put: ReturnType<typeof world>['put'], key: string): Promise<() => void> {
  const held = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  put(key, key, { send: () => (begun.resolve(), held.promise) });
  await begun.promise;
  return held.resolve;
}

test('what waits goes out in the order that it came', async () => {
  const { put, sent, settled, counts } = world();
  for (const key of ['a', 'b', 'c']) put(key);
  await settled();
  assert.equal(sent, ['a', 'b', 'c']);
  assert.equal(counts, { sent: 3 });
});

test('a later one takes the place of what has not been sent', async () => {
  const { put, sent, settled } = world();
  const finish = await holding(put, 'a');
  put('b', 'b pending');
  put('a', 'a running');
  put('b', 'b done');
  put('a', 'a done');
  finish();
  await settled();
  assert.equal(sent, ['b done', 'a done']);
});

test('what is passing waits for what follows it', async () => {
  const { put, sent, settled } = world({ lingerMs: 3_600_000 });
  put('a', 'a pending', { isPassing: true });
  put('a', 'a running', { isPassing: true });
  put('b');
  while (sent.length === 0) await turn();
  put('a', 'a done');
  await settled();
  assert.equal(sent, ['b', 'a done']);
});

test('a fault that passes is tried again, and keeps nobody else up', async () => {
  const { put, sent, settled, counts, said } = world();
  let faults = 3;
  put('a', 'a', {
    send: async () => {
      if (faults-- > 0) throw transientError('ServerError', 'it is down');
      sent.push('a');
    },
  });
  put('b');
  await settled();
  assert.equal(sent, ['b', 'a']);
  assert.equal(counts, { retried: 3, sent: 2 });
  assert.equal(said.filter((line) => /tried again: it is down/.test(line)).length > 0, true);
});

test('what can not be sent is dropped and said, and alike troubles are said once', async () => {
  const { put, settled, counts, said, sent } = world();
  const send = async (): Promise<void> => {
    throw terminalError('ForgeForbidden', 'not allowed', { hint: 'the token needs a right' });
  };
  for (const key of ['a', 'b', 'c']) put(key, key, { send });
  put('d');
  await settled();
  assert.equal(counts, { dropped: 3, sent: 1 });
  assert.equal(said, ['a: not sent: not allowed; the token needs a right']);
  assert.equal(sent, ['d']);
});

test('what was tried for long enough is given up', async () => {
  const { put, settled, counts, said } = world({ giveUpAfterMs: 20 });
  put('a', 'a', { send: async () => Promise.reject(transientError('ServerError', 'it is down')) });
  await settled();
  assert.is(counts['dropped'], 1);
  assert.match(said.at(-1) ?? '', /^a: not sent: given up after \d+ failures: it is down$/);
});

test('the time that a receiver asks for is waited', async () => {
  let at = 1_000_000;
  const { put, sent, outbox } = world({ now: () => at });
  const refused = Promise.withResolvers<void>();
  let tries = 0;
  put('a', 'a', {
    send: async () => {
      tries += 1;
      if (tries > 1) return void sent.push('a');
      refused.resolve();
      throw transientError('ForgeLimited', 'too many', { retryAfterMs: 50 });
    },
  });
  await refused.promise;
  await turn();
  at += 40;
  put('b');
  for (let round = 0; round < 20; round += 1) await turn();
  assert.equal(sent, []);
  at += 20;
  put('c');
  while (outbox.size > 0) await turn();
  assert.equal(sent.toSorted(), ['a', 'b', 'c']);
});

test('where room is short, what is passing goes first, and the newest stays', async () => {
  const { put, sent, settled, counts } = world({ most: 3 });
  const finish = await holding(put, 'held');
  put('a');
  put('b', 'b', { isPassing: true });
  put('c');
  put('d');
  put('e');
  finish();
  await settled();
  assert.equal(sent, ['c', 'd', 'e']);
  assert.is(counts['dropped'], 2);
});

test('at the end what can be sent is sent, and a receiver that hangs is left', async () => {
  const quick = world({ lingerMs: 3_600_000 });
  quick.put('a', 'a', { isPassing: true });
  await quick.outbox.close(5_000);
  assert.equal(quick.sent, ['a']);

  const slow = world();
  const hang = (signal: AbortSignal): Promise<void> =>
    new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('aborted'))));
  slow.put('a', 'a', { send: hang });
  slow.put('b', 'b');
  await slow.outbox.close(10);
  await turn();
  assert.equal(slow.sent, []);
  assert.is(slow.counts['dropped'], 2);
});

test.run();
