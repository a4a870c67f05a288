import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createLostBeginning } from '../../../src/runner/kubernetes/lost-beginning.ts';

const MEBIBYTE = 1024 ** 2;
const SECOND = 1_000;

/** The verdict on a program that began at 0, of which these bytes lay there when it was first read. */
function judged(openedAt: number, printed: readonly (readonly [at: number, bytes: number])[]): boolean {
  const beginning = createLostBeginning();
  beginning.opened(openedAt);
  for (const [at, bytes] of printed) {
    beginning.took(bytes, at);
    beginning.opened(at + 1); // later streams go on, and begin nothing
  }
  return beginning.isLikely(0);
}

const test = suite('the beginning of a log');

for (const { what, openedAt, printed, lost } of [
  { what: 'nothing was printed', openedAt: 9 * SECOND, printed: [], lost: false },
  {
    what: 'the first line is there, however much follows',
    openedAt: 60 * SECOND,
    printed: [
      [500, 10],
      [59 * SECOND, 9 * MEBIBYTE],
    ],
    lost: false,
  },
  {
    what: 'it has printed 1 MiB a second, and the first 20 seconds are not there',
    openedAt: 25 * SECOND,
    printed: [
      [20 * SECOND, MEBIBYTE],
      [25 * SECOND, 4 * MEBIBYTE],
    ],
    lost: true,
  },
  {
    what: 'a moment of it lay there, printed just as fast',
    openedAt: 20_200,
    printed: [
      [20 * SECOND, 0.1 * MEBIBYTE],
      [20_200, 0.1 * MEBIBYTE],
    ],
    lost: true,
  },
  {
    what: 'it was silent at first, and has printed little since',
    openedAt: 300 * SECOND,
    printed: [
      [60 * SECOND, 1_000],
      [299 * SECOND, MEBIBYTE],
    ],
    lost: false,
  },
  {
    what: 'it was silent at first, and read before it printed anything',
    openedAt: SECOND,
    printed: [[60 * SECOND, 9 * MEBIBYTE]],
    lost: false,
  },
] as const)
  test(`${lost ? 'is missing' : 'is there'}: ${what}`, () => assert.is(judged(openedAt, printed), lost));

test.run();
