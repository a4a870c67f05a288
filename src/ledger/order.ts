/** The order in which the fields of the ledger's documents are written: that of the published examples. */
export interface Shape {
  /** Known fields; others follow by name. */
  readonly keys: readonly string[];
  /** The shapes of fields that hold a mapping, or a list of mappings. */
  readonly children?: Readonly<Record<string, Shape>>;
}

const trigger: Shape = { keys: ['kind', 'at', 'revision'] };
const times: Shape = { keys: ['queued', 'started', 'finished'] };
const log: Shape = { keys: ['path', 'bytes', 'sha256', 'complete', 'reason'] };
const file: Shape = { keys: ['path', 'bytes', 'sha256', 'task'] };
const verdict = ['result', 'reason', 'message', 'exitCode', 'step'];
const attempts: Shape = { keys: ['number', ...verdict, 'pod', 'node', 'log', 'times'], children: { log, times } };
const tasks: Shape = { keys: ['name', ...verdict, 'matrix', 'vars', 'times', 'attempts'], children: { times, attempts } };

export const outcomeShape: Shape = {
  keys: [
    ...['apiVersion', 'kind', 'job', 'run', ...verdict, 'trigger', 'source', 'times', 'vars', 'annotations', 'warnings'],
    ...['log', 'artifacts', 'tasks', 'params', 'matrix', 'chain', 'requestedBy', 'by'],
  ],
  children: {
    trigger,
    source: { keys: ['revision', 'path', 'digest'] },
    times,
    annotations: { keys: ['level', 'file', 'line', 'column', 'task', 'step', 'message'] },
    log,
    artifacts: file,
    tasks,
    by: { keys: ['runner', 'version', 'epoch', 'host'] },
  },
};

export const statusShape: Shape = {
  keys: [
    ...['apiVersion', 'kind', 'job', 'source', 'phase', 'conditions', 'lastRuns', 'next', 'waiting'],
    ...['nextRun', 'lastCommitDigest', 'lastInstant', 'problems'],
  ],
  children: {
    source: { keys: ['path', 'revision'] },
    conditions: { keys: ['type', 'status', 'reason', 'message', 'lastTransitionTime'] },
    lastRuns: {
      keys: ['run', 'result', 'reason', 'exitCode', 'trigger', 'revision', 'started', 'finished'],
      children: { trigger },
    },
    problems: { keys: ['file', 'line', 'column', 'field', 'message'] },
  },
};

/** The same value with its fields in the order of the shape; lists keep theirs, absent fields stay absent. */
export function ordered(value: unknown, shape: Shape = { keys: [] }): unknown {
  if (Array.isArray(value)) return value.map((item) => ordered(item, shape));
  if (typeof value !== 'object' || value === null) return value;
  const fields = value as Readonly<Record<string, unknown>>;
  const known = shape.keys.filter((key) => fields[key] !== undefined);
  const others = Object.keys(fields)
    .filter((key) => fields[key] !== undefined && !shape.keys.includes(key))
    .sort();
  return Object.fromEntries([...known, ...others].map((key) => [key, ordered(fields[key], shape.children?.[key])]));
}
