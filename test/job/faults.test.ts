import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { schemas } from '../../src/schemas/index.ts';
import { faultBlocks } from './faults.ts';

/**
 * The table: a heading for each bound of each field of the schema, the lines of a manifest that breaks it, and what is said, with the
 * place. `RUNLEDGER_TEST_WRITE=faults` writes it anew; what changes in it is to be read.
 */
const FILE = join(import.meta.dirname, 'faults.txt');

const test = suite('a fault for every bound of every field of a job');
const blocks = faultBlocks();
if (process.env['RUNLEDGER_TEST_WRITE'] === 'faults') writeFileSync(FILE, `${blocks.join('\n\n')}\n`);
const known = readFileSync(FILE, 'utf8').trimEnd().split('\n\n');
const headOf = (block: string): string => block.split('\n')[0] ?? '';

test('the table has each of them, once, and nothing else', () => {
  assert.equal(known.map(headOf), blocks.map(headOf));
  assert.is(new Set(known.map(headOf)).size, known.length);
});

test('each is said as it stands in the table, at its place', () => {
  const expected = new Map(known.map((block) => [headOf(block), block]));
  for (const block of blocks) assert.is(block, expected.get(headOf(block)));
});

test('each is said at all, as a sentence', () => {
  for (const block of blocks) {
    const said = block.split('\n').filter((line) => line.startsWith('=> '));
    assert.ok(said.length > 0, `nothing is said of ${headOf(block)}`);
    for (const line of said) assert.match(line, /^=> \d+:\d+: [a-zA-Z].*: \S/);
  }
});

test('every combination that the schema forbids has a row among the messages, with its words', () => {
  const rows = readFileSync(join(import.meta.dirname, 'messages.test.ts'), 'utf8');
  const words: string[] = [];
  const look = (schema: unknown): void => {
    if (typeof schema !== 'object' || schema === null) return;
    const { 'x-error': error, pattern } = schema as { readonly 'x-error'?: string; readonly pattern?: unknown };
    if (error !== undefined && pattern === undefined) words.push(error);
    for (const part of Object.values(schema)) look(part);
  };
  look(schemas.job);
  assert.ok(words.length >= 8);
  assert.equal(
    [...new Set(words)].filter((error) => !rows.includes(`: ${error}`)),
    [],
  );
});

test.run();
