import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { needsFindings } from '../../src/job/needs.ts';
import { formatPath } from '../../src/job/positions.ts';

const test = suite('needs');

/** What is said about jobs, given who needs whom. */
function saidOf(jobs: Readonly<Record<string, readonly string[]>>): Readonly<Record<string, readonly string[]>> {
  const needs = Object.entries(jobs).map(
    ([job, names]) => [job, names.map((name, index) => ({ name, field: ['spec', 'needs', index] }))] as const,
  );
  const said = [...needsFindings(new Map(needs))].map(
    ([job, findings]) => [job, findings.map(({ path, message }) => `${formatPath(path)}: ${message}`)] as const,
  );
  return Object.fromEntries(said);
}

test('a chain, a diamond and a job without needs are fine', () => {
  assert.equal(saidOf({ a: [], b: ['a'], c: ['a'], d: ['b', 'c'], e: ['d', 'a'] }), {});
});

test('names that no job has', () => {
  assert.equal(saidOf({ build: [], report: ['biuld', 'xyz'] }), {
    report: ['spec.needs[0]: there is no job "biuld"; did you mean "build"?', 'spec.needs[1]: there is no job "xyz"'],
  });
});

test('a cycle is named with the way round, at each job that is on it and at no other', () => {
  assert.equal(saidOf({ a: ['b'], b: ['a'], c: ['a'], d: [] }), {
    a: ['spec.needs[0]: needs itself in the end: a → b → a'],
    b: ['spec.needs[0]: needs itself in the end: b → a → b'],
  });
  assert.equal(saidOf({ a: ['x', 'b'], b: ['c'], c: ['a', 'x'], x: [] }), {
    a: ['spec.needs[1]: needs itself in the end: a → b → c → a'],
    b: ['spec.needs[0]: needs itself in the end: b → c → a → b'],
    c: ['spec.needs[0]: needs itself in the end: c → a → b → c'],
  });
});

test('two cycles that touch', () => {
  assert.equal(saidOf({ a: ['b', 'c'], b: ['a'], c: ['a'] }), {
    a: ['spec.needs[0]: needs itself in the end: a → b → a', 'spec.needs[1]: needs itself in the end: a → c → a'],
    b: ['spec.needs[0]: needs itself in the end: b → a → b'],
    c: ['spec.needs[0]: needs itself in the end: c → a → c'],
  });
});

test('a chain of 20,000 jobs overflows nothing', () => {
  const jobs = Object.fromEntries(
    Array.from({ length: 20_000 }, (_, index) => [`j${index}`, index === 0 ? [] : [`j${index - 1}`]]),
  );
  assert.equal(saidOf(jobs), {});
});

test.run();
