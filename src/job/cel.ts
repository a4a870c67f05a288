import type * as CelLibrary from '@marcbachmann/cel-js';
import { createRequire } from 'node:module';
import type { MatrixValue } from '../schemas/index.ts';
import { celTrouble } from './cel-words.ts';
import { withTimeLimit } from './time-limit.ts';

/** Bounds on what an expression may ask for: it is a condition or a value, no program. */
export const EXPRESSION_LIMITS = {
  /** Characters of an expression. */
  length: 1_000,
  /** Brackets, members and calls within each other. */
  depth: 32,
  /** Names, values and operators. */
  nodes: 300,
  /** Entries of a list or mapping that is written out. */
  entries: 100,
  /** Macros that go through a list (`all`, `exists`, `exists_one`, `filter`, `map`). */
  loops: 2,
  /** Characters of what a template gives. */
  result: 65_536,
  /** How long one evaluation may take; needed only with loops and regular expressions. */
  budgetMs: 1_000,
} as const;

/** A node of a parsed expression, as far as it is looked at here; `args` depends on the operator. */
export interface CelNode {
  readonly op: string;
  readonly args: unknown;
  readonly start: number;
  readonly end: number;
}

/** What an expression sees, in the form that the library wants: whole numbers are bigints, mappings are Maps. */
export type CelValues = Readonly<Record<string, unknown>>;

/** The types of the matrix's values, by key. */
export type CelTypes = Readonly<Record<string, string>>;

/** An expression that has the form of one. */
export interface Compiled {
  readonly node: CelNode;
  /** Its type, with what is known of the matrix; or what is wrong, as a sentence. */
  check(matrix: CelTypes): { readonly type: string; readonly trouble?: never } | { readonly trouble: string };
  /** Its value, or why it has none, as a sentence. Never throws. */
  evaluate(values: CelValues): Evaluated;
}

export type Evaluated =
  { readonly value: unknown; readonly trouble?: never } | { readonly value?: never; readonly trouble: string };

type Compilation =
  { readonly compiled: Compiled; readonly trouble?: never } | { readonly compiled?: never; readonly trouble: string };

/** What an expression is about: a run that is to be executed, or one that has ended. */
export type CelScope = 'run' | 'outcome';

/** Parses an expression, each text once. Loads the library, which takes longer than planning a small repository. Never throws. */
export function compile(text: string, scope: CelScope = 'run'): Compilation {
  const key = keyOf(text, scope);
  const known = compilations.get(key);
  if (known) return known;
  const compilation = compileAnew(text, scope);
  if (compilations.size >= REMEMBERED) compilations.clear();
  compilations.set(key, compilation);
  return compilation;
}

const keyOf = (text: string, scope: CelScope): string => `${scope} ${text}`;

function compileAnew(text: string, scope: CelScope): Compilation {
  if (text.trim() === '') return { trouble: 'is empty' };
  if (text.length > EXPRESSION_LIMITS.length)
    return { trouble: `has ${text.length} characters; at most ${EXPRESSION_LIMITS.length} are allowed` };
  try {
    const run = environmentOf(scope).parse(text);
    return {
      compiled: {
        node: run.ast,
        check: (matrix) => checkTypes(text, environmentOf(scope, matrix)),
        evaluate: (values) => evaluate(keyOf(text, scope), text, () => run(values) as unknown),
      },
    };
  } catch (error) {
    return { trouble: celTrouble(error, text) };
  }
}

function checkTypes(text: string, environment: Environment): ReturnType<Compiled['check']> {
  const { valid, type, error } = environment.check(text);
  return valid ? { type: String(type) } : { trouble: celTrouble(error, text) };
}

/** What can take long: going through lists, and regular expressions. */
const LONG = /\b(all|exists|exists_one|filter|map|matches)\s*\(/;

function evaluate(key: string, text: string, run: () => unknown): Evaluated {
  try {
    if (!LONG.test(text)) return { value: run() };
    const value = withTimeLimit(EXPRESSION_LIMITS.budgetMs, () => ({ value: run() }));
    if (value !== 'slow') return value;
    compilations.delete(key); // it was stopped in the middle of something
    return { trouble: 'takes too long' };
  } catch (error) {
    return { trouble: celTrouble(error, text) };
  }
}

type Environment = InstanceType<typeof CelLibrary.Environment>;

const REMEMBERED = 1_000;
const compilations = new Map<string, Compilation>();
const environments = new Map<string, Environment>();
let base: Environment | undefined;
let ofOutcomes: Environment | undefined;

const environmentOf = (scope: CelScope, matrix?: CelTypes): Environment =>
  scope === 'run' ? environment(matrix) : (ofOutcomes ??= createOutcomeEnvironment());

/** With the matrix as a mapping of anything, or with the types of its keys: comparing a number with a text is a mistake then. */
function environment(matrix?: CelTypes): Environment {
  const key = JSON.stringify(matrix ?? null);
  const known = environments.get(key);
  if (known) return known;
  base ??= createEnvironment();
  const made = matrix
    ? base.clone().registerVariable({ name: 'matrix', schema: matrix })
    : base.clone().registerVariable('matrix', 'map<string, dyn>');
  if (environments.size >= REMEMBERED) environments.clear();
  environments.set(key, made);
  return made;
}

function newEnvironment(): Environment {
  const { Environment } = createRequire(import.meta.url)('@marcbachmann/cel-js') as typeof CelLibrary;
  const { depth, nodes, entries } = EXPRESSION_LIMITS;
  const limits = { maxDepth: depth, maxAstNodes: nodes, maxListElements: entries, maxMapEntries: entries };
  return new Environment({ limits: { ...limits, maxCallArguments: 3 } });
}

const TRIGGER = {
  kind: 'string',
  at: 'string',
  revision: 'string',
  job: 'string',
  run: 'int',
  id: 'string',
  number: 'int',
  base: 'string',
} as const;

function createEnvironment(): Environment {
  return newEnvironment()
    .registerVariable('params', 'map<string, string>')
    .registerVariable({ name: 'job', schema: { name: 'string', labels: 'map<string, string>' } })
    .registerVariable({ name: 'run', schema: { number: 'int', revision: 'string' } })
    .registerVariable({ name: 'trigger', schema: TRIGGER })
    .registerVariable('needs', 'map<string, map<string, dyn>>');
}

/** What is known when a run has ended; all fields of it are texts but those named here. */
function createOutcomeEnvironment(): Environment {
  const text = 'string';
  return newEnvironment()
    .registerVariable('source', text)
    .registerVariable('params', 'map<string, string>')
    .registerVariable({ name: 'job', schema: { name: text } })
    .registerVariable({ name: 'run', schema: { number: 'int', revision: text } })
    .registerVariable({ name: 'trigger', schema: TRIGGER })
    .registerVariable({
      name: 'outcome',
      schema: {
        result: text,
        reason: text,
        message: text,
        exitCode: 'int',
        step: text,
        finished: text,
        seconds: 'int',
        duration: text,
        previous: text,
        url: text,
        vars: 'map<string, string>',
      },
    });
}

/** The type of a value that a matrix or a context holds. */
export function celType(value: MatrixValue): 'int' | 'double' | 'string' | 'bool' {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? 'int' : 'double';
  return typeof value === 'boolean' ? 'bool' : 'string';
}

/** A value as the library wants it. */
export function celValue(value: MatrixValue): bigint | MatrixValue {
  return typeof value === 'number' && Number.isSafeInteger(value) ? BigInt(value) : value;
}
