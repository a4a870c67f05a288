import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { transientError } from '../../src/errors.ts';
import { createNotes } from '../../src/reconciler/notes.ts';
import type { ReconcilerParts } from '../../src/reconciler/ports.ts';

const test = suite('what is written beside the passes');

test('whoever leads no more tries nothing any more, and blames nobody', async () => {
  const leading = new AbortController();
  const failures: unknown[] = [];
  let tries = 0;
  const ledger = {
    async write(): Promise<string | null> {
      tries += 1;
      // As the ledger of a leader: what is written after the lease is lost is refused.
      setImmediate(() => leading.abort());
      throw transientError('LeadershipLost', 'the lease could not be renewed');
    },
  };
  const parts = { ledger, recordForMs: Number.POSITIVE_INFINITY, holdPodsForMs: 1_000, emit: () => undefined };
  const notes = createNotes(parts as unknown as ReconcilerParts, (error) => void failures.push(error), leading.signal);
  await notes.note({ facts: [], runnerSets: new Map([['small', null]]) });
  await notes.written();
  assert.is(tries, 1);
  assert.equal(failures, []);
});

test.run();
