import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { saidOfSpec } from './world.ts';

const numbers = (count: number): string => `[${Array.from({ length: count }, (_, index) => index).join(', ')}]`;

interface Case {
  readonly name: string;
  readonly spec: readonly string[];
  readonly says: readonly string[];
}

const CASES: readonly Case[] = [
  {
    name: 'a matrix and a list of tasks that are right',
    spec: ['matrix: { node: [22, 24], include: [{ node: 26, next: true }], exclude: [{ node: 22 }] }'],
    says: [],
  },
  {
    name: 'both',
    spec: ['tasks: [a]', 'matrix: { a: [1] }'],
    says: ['5:1: spec: has both tasks and matrix; keep one'],
  },
  {
    name: 'tasks with the same name',
    spec: ['tasks: [a, b, { name: a }, B_1]'],
    says: [
      // The list does not conform to its schema: the rules do not see it.
      '7:30: spec.tasks[3]: "B_1" is not a DNS label; write b-1',
    ],
  },
  {
    name: 'tasks with the same name in a list that conforms',
    spec: ['tasks: [a, b, { name: a }, b]'],
    says: [
      '7:25: spec.tasks[2].name: "a" is the name of another task already',
      '7:30: spec.tasks[3]: "b" is the name of another task already',
    ],
  },
  {
    name: 'keys and values',
    spec: ['matrix: { a-b: [1], b: [], c: 1, d: [x: y], include: x }'],
    says: [
      '7:13: spec.matrix.a-b: "a-b" is not a matrix key; write a_b',
      '7:26: spec.matrix.b: has no entries; write at least one',
      '7:33: spec.matrix.c: 1 is a number, not a list; write [1]',
      '7:40: spec.matrix.d[0]: is a mapping; write a string, a number or true or false',
      '7:56: spec.matrix.include: "x" is a string, not a list; write ["x"]',
    ],
  },
  {
    name: 'a value twice, and entries that can not be meant',
    spec: [
      'matrix:',
      '  node: [22, 24, 22]',
      '  include: [{}]',
      '  exclude: [{}, { nod: 22 }, { node: "22" }, { node: 26 }]',
    ],
    says: [
      '8:20: spec.matrix.node[2]: 22 is in the list twice',
      '9:15: spec.matrix.include[0]: has no keys',
      '10:15: spec.matrix.exclude[0]: has no keys; it would take every combination away',
      '10:21: spec.matrix.exclude[1].nod: the matrix has no key "nod"; did you mean "node"?',
      '10:40: spec.matrix.exclude[2].node: "22" is not among the values of node; write 22',
      '10:56: spec.matrix.exclude[3].node: 26 is not among the values of node',
    ],
  },
  {
    name: 'too many',
    spec: [`matrix: { a: ${numbers(17)}, b: ${numbers(16)} }`],
    says: ['7:3: spec.matrix: makes 272 tasks; at most 256 are allowed'],
  },
  {
    name: 'far too many',
    spec: [`matrix: { a: ${numbers(100)}, b: ${numbers(100)}, c: ${numbers(100)}, d: ${numbers(100)} }`],
    says: ['7:3: spec.matrix: makes 100000000 combinations; at most 4096 are allowed, and 256 after exclude'],
  },
  {
    name: 'none',
    spec: ['matrix: { a: [1], exclude: [{ a: 1 }] }'],
    says: ['7:3: spec.matrix: leaves no task: exclude takes every combination away'],
  },
  {
    name: 'names that are no names, too long or the same',
    spec: ['matrix:', '  a: ["*", "b c", b-c]'],
    says: ['7:3: spec.matrix: { a: "*" } gives no name for a task; write letters or digits in a value'],
  },
  {
    name: 'the same name',
    spec: ['matrix: { a: [b c, b-c] }'],
    says: ['7:3: spec.matrix: { a: "b c" } and { a: "b-c" } would both be the task "b-c"'],
  },
  {
    name: 'the same name from an entry of include',
    spec: ['matrix: { a: [1, 2], include: [{ a: 3 }, { a: 1, b: x }, { a: "1", b: x }] }'],
    says: ['7:60: spec.matrix.include[2]: { a: 1, b: "x" } and { a: "1", b: "x" } would both be the task "1-x"'],
  },
  {
    name: 'a long name',
    spec: [`matrix: { a: [${'x'.repeat(40)}], b: [${'y'.repeat(40)}] }`],
    says: [
      `7:3: spec.matrix: "${'x'.repeat(40)}-${'y'.repeat(18)}…" would be a task; its name has 81 characters, at most 63 are allowed`,
    ],
  },
  {
    name: 'numbers that would become others',
    spec: ['matrix: { python: [3.10, 3.9, "3.11"], flag: [True, no], id: [0x10, 12345678901234567890, .inf, 1e3] }'],
    says: [
      '7:22: spec.matrix.python[0]: 3.10 would become 3.1; write "3.10"',
      '7:49: spec.matrix.flag[0]: True would become true; write "True" or true',
      '7:65: spec.matrix.id[0]: 0x10 would become 16; write "0x10" or 16',
      '7:71: spec.matrix.id[1]: 12345678901234567890 would become 12345678901234567000; write "12345678901234567890"',
      '7:93: spec.matrix.id[2]: .inf would become Infinity; write ".inf"',
      '7:99: spec.matrix.id[3]: 1e3 would become 1000; write "1e3" or 1000',
    ],
  },
  {
    name: 'keys that would be the same variable',
    spec: ['matrix: { nodeVersion: [1], node_version: [2] }'],
    says: [
      '7:31: spec.matrix.node_version: "node_version" and "nodeVersion" would both be $RUNLEDGER_MATRIX_NODE_VERSION; rename one',
    ],
  },
  {
    name: 'a key that sets a parameter gives it values that are allowed',
    spec: [
      'parameters: { REGION: { enum: [eu, us] }, N: { pattern: "^[0-9]$" } }',
      'matrix: { REGION: [eu, asia], N: [1], include: [{ REGION: us, N: x }] }',
    ],
    says: [
      '8:26: spec.matrix.REGION[1]: "asia" is not one of eu and us, and REGION is a parameter',
      '8:68: spec.matrix.include[0].N: "x" does not match ^[0-9]$, and N is a parameter',
    ],
  },
  {
    name: 'a parameter that only some tasks set needs a default',
    spec: ['parameters: { A: { enum: [x] } }', 'matrix: { b: [1], include: [{ A: x, b: 2 }] }'],
    says: ['7:17: spec.parameters.A: has no default, and a run that starts by itself needs one'],
  },
];

const test = suite('rules: tasks and matrix');
for (const { name, spec, says } of CASES) test(name, () => assert.equal(saidOfSpec('run: x', ...spec), says));
test.run();
