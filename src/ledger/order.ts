/** The order in which the fields of the ledger's documents are written: that of the published examples. */
export interface Shape {
  /** Known fields; others follow by name. */
  readonly keys: readonly string[];
  /** The shapes of fields that hold a mapping, or a list of mappings. */
  readonly children?: Readonly<Record<string, Shape>>;
}

const shape = (keys: string, children: Readonly<Record<string, Shape>> = {}): Shape => ({
  keys: keys.split(' '),
  children,
});

const verdict = 'result reason message exitCode step';
const trigger = shape('kind at revision');
const times = shape('queued started finished');
const upload = shape('key bytes sha256 plainBytes complete reason');
const log = shape('path bytes sha256 complete reason upload', { upload });
const problems = shape('file line column field message');
const archive = shape('key bytes sha256 complete reason');
const attempts = shape(`number ${verdict} pod node log archive times`, { log, archive, times });

export const outcomeShape: Shape = shape(
  `apiVersion kind job run ${verdict} trigger source times vars annotations warnings log artifacts tasks params matrix` +
    ' chain requestedBy rerunOf by',
  {
    trigger,
    source: shape('revision path digest'),
    times,
    annotations: shape('level file line column task step message'),
    log,
    artifacts: shape('path bytes sha256 task'),
    tasks: shape(`name ${verdict} matrix vars times attempts`, { times, attempts }),
    by: shape('runner version epoch host'),
  },
);

export const statusShape: Shape = shape(
  'apiVersion kind job source judged phase conditions lastRuns next waiting nextRun lastCommitDigest lastInstant problems',
  {
    source: shape('path revision'),
    judged: shape('blob rules line column digest outline'),
    conditions: shape('type status reason message lastTransitionTime'),
    lastRuns: shape('run result reason exitCode trigger revision started finished', { trigger }),
    problems,
  },
);

export const runnerSetShape: Shape = shape(
  'apiVersion kind set revision at minRunners maxRunners scheduledMin slots desired idle busy starting failing conditions',
  { conditions: shape('type status reason message lastTransitionTime') },
);

export const requestShape: Shape = shape('apiVersion kind action job run params tasks requestedBy at');

export const invalidShape: Shape = shape('apiVersion kind items', { items: problems });

const NO_SHAPE: Shape = { keys: [] };

/** The same value with its fields in the order of the shape; lists keep theirs, absent fields stay absent. */
export function ordered(value: unknown, shape: Shape = NO_SHAPE): unknown {
  if (Array.isArray(value)) return value.map((item) => ordered(item, shape));
  if (typeof value !== 'object' || value === null) return value;
  const fields = value as Readonly<Record<string, unknown>>;
  const known = shape.keys.filter((key) => fields[key] !== undefined);
  const others = Object.keys(fields)
    .filter((key) => fields[key] !== undefined && !shape.keys.includes(key))
    .sort();
  return Object.fromEntries([...known, ...others].map((key) => [key, ordered(fields[key], shape.children?.[key])]));
}
