import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createEarlyText } from '../../../src/runner/kubernetes/early-text.ts';

const test = suite('text before its turn');

const collect = () => {
  const taken: string[] = [];
  return { taken, onText: (text: Buffer, at: number): void => void taken.push(`${at} ${text.toString()}`) };
};

test('what came before is handed on first, as it was, and the rest as it comes', () => {
  const early = createEarlyText();
  const { taken, onText } = collect();
  const reused = Buffer.from('one');
  early.take(reused, 1);
  reused.write('xxx');
  early.take(Buffer.from('two'), 2);
  early.turnTo(onText);
  early.take(Buffer.from('three'), 3);
  assert.equal(taken, ['1 one', '2 two', '3 three']);
  assert.is(early.leftOut, 0);
});

test('what there is no room for is counted', () => {
  const early = createEarlyText(5);
  const { taken, onText } = collect();
  early.take(Buffer.from('1234'), 1);
  early.take(Buffer.from('56'), 2);
  early.turnTo(onText);
  assert.equal(taken, ['1 1234']);
  assert.is(early.leftOut, 2);
});

test.run();
