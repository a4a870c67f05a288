import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { terminalError, transientError } from '../../src/errors.ts';
import type { Ledger, LedgerView } from '../../src/ledger/port.ts';
import { createLedgerReader } from '../../src/reconciler/ledger-reader.ts';

const VIEW = { head: 'a' } as unknown as LedgerView;
const { signal } = new AbortController();

/** A reader of a ledger that fails with what `failure` holds, and counts how often it is asked. */
function openWorld(latest: LedgerView | null) {
  const world = { failure: null as Error | null, asked: 0, now: 0, troubles: [] as string[] };
  const ledger = {
    latest: () => latest,
    read: async () => {
      world.asked += 1;
      if (world.failure) throw world.failure;
      return VIEW;
    },
  } as unknown as Ledger;
  const reader = createLedgerReader(
    ledger,
    (message) => world.troubles.push(message),
    () => world.now,
  );
  return { world, reader };
}

const down = transientError('Unreachable', 'the remote could not be reached');
const reader = suite('ledger reader');

reader('tells what the ledger says now', async () => {
  const { reader } = openWorld(null);
  assert.equal(await reader.read(signal), { view: VIEW, fresh: true });
});

reader('goes on with what was read last while the ledger is out of reach, and asks less and less often', async () => {
  const { world, reader } = openWorld(VIEW);
  world.failure = down;
  for (world.now = 0; world.now < 60_000; world.now += 100)
    assert.equal(await reader.read(signal), { view: VIEW, fresh: false });
  assert.ok(world.asked >= 5 && world.asked <= 12, `asked ${world.asked} times in a minute`);
  assert.is(world.troubles.length, world.asked);
  assert.match(world.troubles[0] ?? '', 'the remote could not be reached');
  world.failure = null;
  world.now += 60_000;
  assert.is((await reader.read(signal)).fresh, true);
  world.failure = down;
  const before = world.asked;
  await reader.read(signal);
  assert.is(world.asked, before + 1, 'after a success the next call asks at once');
});

reader('throws where nothing was ever read, and what does not pass', async () => {
  for (const [latest, failure] of [
    [null, down],
    [VIEW, terminalError('Broken', 'this is no ledger')],
  ] as const) {
    const { world, reader } = openWorld(latest);
    world.failure = failure;
    const thrown: unknown = await reader.read(signal).catch((error: unknown) => error);
    assert.is(thrown, failure);
  }
});

reader.run();
