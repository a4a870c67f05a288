import { load } from 'js-yaml';
import { createRequire } from 'node:module';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { COMPILED_AHEAD, verdictOf } from '../../src/job/verdict.ts';
import { verdictCode } from '../../scripts/verdicts.ts';
import { jobYaml } from './world.ts';

const test = suite('validators that are compiled ahead');

type Verdict = (value: unknown) => boolean;

/** What the build writes, as a program that is installed loads it. */
function loadAhead(): Readonly<Record<string, Verdict>> {
  const exports: Record<string, Verdict> = {};
  // oxlint-disable-next-line typescript/no-implied-eval -- the code is ours, and this is how a module runs it
  new Function('exports', 'require', 'module', verdictCode())(exports, createRequire(import.meta.url), { exports });
  return exports;
}

const ahead = loadAhead();

const JOBS: readonly (readonly [boolean, string])[] = [
  [true, jobYaml('a', 'image: alpine:3.20', 'run: echo hello')],
  [true, jobYaml('a', 'steps: [{ name: one, run: x, timeout: 5m }, { name: two, command: [/x], args: [é] }]')],
  [true, jobYaml('a', 'run: x', 'parameters: { A: { enum: [x, y], default: x } }', 'keep: { runs: 3, for: 90d }')],
  [false, jobYaml('a', 'image: alpine:3.20')],
  [false, jobYaml('A b', 'run: x')],
  [false, jobYaml('a', 'run: x', 'timeouts: { run: soon }')],
  [false, jobYaml('a', 'run: x', 'unknown: 1')],
  [false, jobYaml('a', 'run: x', 'parameters: { A: { enum: [x, x] } }')],
  [false, 'x'],
];

for (const [valid, text] of JOBS)
  test(`judge as those do that are compiled at run time: ${JSON.stringify(text).slice(0, 100)}`, () => {
    assert.is(ahead['job']?.(load(text)), valid);
    assert.is(verdictOf('job')(load(text)), valid);
  });

test('are there for each of the schemas that they are promised for', () => {
  assert.equal(Object.keys(ahead).sort(), [...COMPILED_AHEAD].sort());
  for (const name of COMPILED_AHEAD) assert.is(ahead[name]?.({}), false);
});

test.run();
