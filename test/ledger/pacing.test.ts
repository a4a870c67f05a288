import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  isOutOfPatience,
  lookAfter,
  pauseAfterFault,
  pauseAfterRace,
  serveAfter,
  stepBack,
} from '../../src/ledger/pacing.ts';

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

test('looks wait for twice as long as leaving took, or longer', () => {
  assert.equal([lookAfter(400, 0), lookAfter(400, 0.5)], [800, 1200]);
  assert.ok(lookAfter(0, 0) > 0);
});

test('who is first among those that wait pushes first, and nobody while what was left is being taken in', () => {
  const firstAt = (before: number, progress: (left: number) => number): number => {
    let left = 0;
    while (!isOutOfPatience({ left, progress: progress(left) }, 100, before)) left += 100;
    return left;
  };
  assert.equal(
    [0, 1, 2, 8, 50].map((before) => firstAt(before, (left) => left)),
    [500, 1000, 1500, 4500, 4500],
  );
  // The last progress was a second after it was left.
  assert.is(
    firstAt(0, (left) => Math.max(0, left - 1000)),
    1500,
  );
  // It goes on for ever, and passes this one by.
  assert.is(
    firstAt(0, () => 0),
    2000,
  );
});

test('who serves others gives them as long as its round took', () => {
  assert.equal([serveAfter(700), serveAfter(1e9)], [700, 30_000]);
  assert.ok(serveAfter(0) > 0);
});

test.run();
