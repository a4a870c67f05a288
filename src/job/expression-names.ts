import { type CelNode, type CelTypes, EXPRESSION_LIMITS } from './cel.ts';
import { didYouMean, listOf, quote } from './words.ts';

/** What expressions of a job may name, as far as its manifest tells. */
export interface ExpressionNames {
  readonly params: readonly string[];
  /** Types by key; undefined where there is no matrix to see. */
  readonly matrix: CelTypes | undefined;
  /** Keys that some tasks do not have. */
  readonly partial: ReadonlySet<string>;
  readonly labels: readonly string[];
  readonly needs: readonly string[];
  /** What is evaluated once for the whole run has no values of the matrix. */
  readonly scope: 'run' | 'task';
}

const ROOTS = ['params', 'matrix', 'job', 'run', 'trigger', 'needs'];

/** The fields of what has the same ones in every run. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  job: ['name', 'labels'],
  run: ['number', 'revision'],
  trigger: ['kind', 'at', 'revision', 'job', 'run', 'id', 'number', 'base'],
};

/** What the language has (https://github.com/google/cel-spec/blob/master/doc/langdef.md); the library has more. */
const FUNCTIONS = ['has', 'size', 'int', 'double', 'string', 'bool', 'timestamp', 'duration'];
const LOOPS = ['all', 'exists', 'exists_one', 'filter', 'map'];
const METHODS = [
  ...LOOPS,
  'size',
  'contains',
  'startsWith',
  'endsWith',
  'matches',
  'getFullYear',
  'getMonth',
  'getDate',
  'getDayOfMonth',
  'getDayOfWeek',
  'getHours',
  'getMinutes',
  'getSeconds',
  'getMilliseconds',
];

/** Where the walk is: the variables of loops around it, and what the expression tests with has(). */
interface Walk {
  readonly names: ExpressionNames;
  readonly local: ReadonlySet<string>;
  readonly tested: ReadonlySet<string>;
}

/** The first name or function in an expression that does not exist, or that it may not use, as a sentence. */
export function nameTrouble(node: CelNode, names: ExpressionNames): string | undefined {
  const tested = new Set<string>();
  const loops = survey(node, tested);
  if (loops > EXPRESSION_LIMITS.loops)
    return `goes through lists ${loops} times; at most ${EXPRESSION_LIMITS.loops} are allowed`;
  return look(node, { names, local: new Set(), tested });
}

/** Counts loops, and notes what has() is asked for. */
function survey(node: CelNode, tested: Set<string>): number {
  const called = node.op === 'call' && nodeName(node) === 'has' ? pathOf(children(node)[0]) : undefined;
  if (called) tested.add(called.join('.'));
  const own = node.op === 'rcall' && LOOPS.includes(nodeName(node)) ? 1 : 0;
  return children(node).reduce((count, child) => count + survey(child, tested), own);
}

function look(node: CelNode, walk: Walk): string | undefined {
  const path = pathOf(node);
  if (path) return walk.local.has(path[0] ?? '') ? undefined : pathTrouble(path, walk);
  if (node.op === 'call' && !FUNCTIONS.includes(nodeName(node))) return functionTrouble(nodeName(node), FUNCTIONS);
  if (node.op === 'rcall') {
    if (!METHODS.includes(nodeName(node))) return functionTrouble(nodeName(node), METHODS);
    if (LOOPS.includes(nodeName(node))) return lookAtLoop(node, walk);
  }
  return firstOf(children(node), walk);
}

const functionTrouble = (name: string, known: readonly string[]): string =>
  `there is no function ${quote(name)}${
    didYouMean(name, known) ||
    `; there are ${listOf(
      known.filter((other) => !other.startsWith('get')),
      'and',
    )}`
  }`;

/** `list.exists(name, condition)`: the name is known in what follows it. */
function lookAtLoop(node: CelNode, walk: Walk): string | undefined {
  const [list, variable, ...rest] = children(node);
  if (list === undefined) return undefined;
  const trouble = look(list, walk);
  if (trouble !== undefined || variable?.op !== 'id') return trouble;
  const name = String(variable.args);
  if (ROOTS.includes(name)) return `${quote(name)} can't be the variable of ${nodeName(node)}(); choose another name`;
  return firstOf(rest, { ...walk, local: new Set([...walk.local, name]) });
}

function firstOf(nodes: readonly CelNode[], walk: Walk): string | undefined {
  for (const node of nodes) {
    const trouble = look(node, walk);
    if (trouble !== undefined) return trouble;
  }
  return undefined;
}

function pathTrouble(path: readonly string[], { names, tested }: Walk): string | undefined {
  const [root = '', name, field] = path;
  if (!ROOTS.includes(root))
    return `there is no ${quote(root)}${didYouMean(root, ROOTS) || `; expressions see ${listOf(ROOTS, 'and')}`}`;
  if (root === 'matrix') return matrixTrouble(name, names, tested);
  if (name === undefined) return undefined;
  if (root === 'params') return unknown(name, names.params, 'the job has no parameter', root);
  if (root === 'needs') {
    const trouble = unknown(name, names.needs, 'spec.needs does not have', root);
    if (trouble !== undefined || field === undefined) return trouble;
    return unknown(field, ['result', 'vars'], `needs.${name} has no`, `needs.${name}`);
  }
  const trouble = unknown(name, FIELDS[root] ?? [], `${root} has no`, root);
  if (trouble !== undefined || path.length < 3 || name !== 'labels' || tested.has(path.join('.'))) return trouble;
  return unknown(field ?? '', names.labels, 'the job has no label', 'job.labels');
}

function matrixTrouble(
  key: string | undefined,
  { matrix, partial, scope }: ExpressionNames,
  tested: ReadonlySet<string>,
): string | undefined {
  if (matrix === undefined) return 'the job has no matrix';
  if (scope === 'run') return 'there is no matrix here: this counts for all tasks of the run';
  if (key === undefined) return undefined;
  const trouble = unknown(key, Object.keys(matrix), 'the matrix has no key', 'matrix');
  if (trouble !== undefined || !partial.has(key) || tested.has(`matrix.${key}`)) return trouble;
  return `some tasks have no matrix.${key}; test for it with has(matrix.${key})`;
}

function unknown(name: string, known: readonly string[], sentence: string, of: string): string | undefined {
  if (known.includes(name)) return undefined;
  // CEL reads needs.build-app as a subtraction.
  const dashed = known.find((other) => /^\W/.test(other.slice(name.length)) && other.startsWith(name));
  if (dashed !== undefined) return `${sentence} ${quote(name)}; write ${of}[${quote(dashed)}]`;
  const rest = known.length === 0 ? '; it has none' : `; it has ${listOf(known.slice(0, 10), 'and')}`;
  return `${sentence} ${quote(name)}${didYouMean(name, known) || rest}`;
}

/** `a.b["c"]` as its names; undefined for whatever is no such chain. */
function pathOf(node: CelNode | undefined): readonly string[] | undefined {
  if (node?.op === 'id') return [String(node.args)];
  if (node?.op !== '.' && node?.op !== '[]') return undefined;
  const [of, name] = node.args as readonly [CelNode, string | CelNode];
  const above = pathOf(of);
  if (above === undefined) return undefined;
  if (typeof name === 'string') return [...above, name];
  return name.op === 'value' && typeof name.args === 'string' ? [...above, name.args] : undefined;
}

/** The function of a call. */
const nodeName = ({ args }: CelNode): string => (Array.isArray(args) ? String(args[0]) : '');

function children({ op, args }: CelNode): readonly CelNode[] {
  if (op === 'value' || op === 'id') return [];
  if (!Array.isArray(args)) return [args as CelNode];
  const parts: readonly unknown[] = args;
  if (op === 'call') return parts[1] as readonly CelNode[];
  if (op === 'rcall') return [parts[1] as CelNode, ...(parts[2] as readonly CelNode[])];
  return (op === 'map' ? parts.flat() : parts).filter((part) => typeof part === 'object') as readonly CelNode[];
}
