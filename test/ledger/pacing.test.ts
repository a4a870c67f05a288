import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { lookAfter, patience, pauseAfterFault, pauseAfterRace, stepBack } from '../../src/ledger/pacing.ts';

const test = suite('ledger pacing');

test('a pause lies between nothing and a bound that follows how long the try took', () => {
  assert.is(pauseAfterRace(100, 1, 0), 0);
  assert.is(pauseAfterRace(100, 1, 0.5), 300);
  assert.ok(pauseAfterRace(1000, 1, 0.5) > pauseAfterRace(100, 1, 0.5));
  assert.ok(pauseAfterRace(1e9, 1, 0.999) <= 30_000);
});

test('who has lost more often waits less', () => {
  for (let tries = 1; tries < 20; tries += 1) {
    assert.ok(pauseAfterRace(100, tries + 1, 0.5) < pauseAfterRace(100, tries, 0.5));
  }
});

test('who has won against others steps back, who was alone does not', () => {
  assert.is(stepBack(500, 0), 0);
  assert.is(stepBack(500, 3), 1000);
  assert.is(stepBack(1e9, 3), 10_000);
});

test('after a fault the server is waited for as long as it asks, and longer each time', () => {
  assert.ok(pauseAfterFault(1, 2000, 0) >= 2000);
  assert.ok(pauseAfterFault(2, 0, 0) > pauseAfterFault(1, 0, 0));
});

test('looks wait for as long as leaving took, and the earlier one pushes first', () => {
  assert.equal([lookAfter(400, 0), lookAfter(400, 0.5)], [400, 600]);
  assert.ok(lookAfter(0, 0) > 0);
  const waits = [0, 1, 2, 8, 50].map((before) => patience(100, before));
  assert.equal(waits, [300, 600, 900, 2700, 2700]);
});

test.run();
