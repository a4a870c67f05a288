/** A runner that is there: not told to go, and not ended. */
export interface SizedRunner {
  readonly name: string;
  readonly phase: 'starting' | 'idle' | 'busy';
  /** When its pod was made: milliseconds since 1970. */
  readonly created: number;
  /** Since when it waits for work: milliseconds since 1970; null unless it is idle. */
  readonly idleSince: number | null;
  /** What its pod was made from. */
  readonly template: string;
}

/** What the size of a pool follows from. Times are milliseconds, moments milliseconds since 1970. */
export interface SizeInput {
  readonly minRunners: number;
  readonly maxRunners: number;
  /** The number that the schedule asks for now; 0 outside of all its windows. */
  readonly scheduledMin: number;
  readonly idleTimeoutMs: number;
  readonly maxLifetimeMs: number;
  readonly parallelCreations: number;
  /** What new runners are made from. */
  readonly template: string;
  readonly runners: readonly SizedRunner[];
  /** Attempts that have a runner, or wait for one. */
  readonly assigned: number;
  /** Requests to create a pod that are under way. */
  readonly creating: number;
  /** Of these, the ones whose pod is not among the runners yet: the watch may be faster than the answer. */
  readonly unseen: number;
  /** No runner is made before; null: at once. */
  readonly retryAt: number | null;
  /** Whether the last ones failed to start: then one is tried at a time. */
  readonly failing: boolean;
  readonly now: number;
}

/** Why a runner goes. */
export type RemovalReason = 'TemplateChanged' | 'MaxLifetime' | 'AboveMaximum' | 'IdleTimeout';

export interface SizePlan {
  /** How many runners there should be. */
  readonly desired: number;
  /** How many to create now. */
  readonly create: number;
  readonly remove: readonly { readonly name: string; readonly reason: RemovalReason }[];
  /** When to look again if nothing happens before. */
  readonly wakeAt: number | null;
}

/** How many runners there should be: those at work and `minRunners` besides, no fewer than scheduled, no more than `maxRunners`. */
export function desiredRunners({
  minRunners,
  maxRunners,
  scheduledMin,
  assigned,
}: Pick<SizeInput, 'minRunners' | 'maxRunners' | 'scheduledMin' | 'assigned'>): number {
  return Math.min(maxRunners, Math.max(scheduledMin, minRunners + assigned));
}

/**
 * What makes a pool as large as it should be. Pure. A runner at work is never removed. Others go at once when they were made
 * from another template, have grown too old, or are more than `maxRunners` allows; what is idle beyond the desired number goes
 * when it has been idle for the time-out, that which has been idle for the longest first.
 */
export function planSize(input: SizeInput): SizePlan {
  const { maxRunners, idleTimeoutMs, maxLifetimeMs, unseen, now } = input;
  const desired = desiredRunners(input);
  const busy = input.runners.filter(({ phase }) => phase === 'busy').length;
  const remove: { name: string; reason: RemovalReason }[] = [];
  const stay: SizedRunner[] = [];
  for (const runner of input.runners.filter(({ phase }) => phase !== 'busy')) {
    if (runner.template !== input.template) remove.push({ name: runner.name, reason: 'TemplateChanged' });
    else if (runner.phase === 'idle' && now - runner.created >= maxLifetimeMs)
      remove.push({ name: runner.name, reason: 'MaxLifetime' });
    else stay.push(runner);
  }
  stay.sort(goesFirst);
  const over = Math.max(0, busy + stay.length + unseen - maxRunners);
  remove.push(...stay.splice(0, over).map(({ name }) => ({ name, reason: 'AboveMaximum' as const })));
  const excess = Math.max(0, busy + stay.length + unseen - desired);
  const tired = stay
    .filter(({ idleSince }) => idleSince !== null && now - idleSince >= idleTimeoutMs)
    .slice(0, excess)
    .map(({ name }) => name);
  remove.push(...tired.map((name) => ({ name, reason: 'IdleTimeout' as const })));
  const left = stay.filter(({ name }) => !tired.includes(name));
  const missing = Math.max(0, desired - busy - left.length - unseen);
  const create = mayCreate(input, missing, left);
  return { desired, create, remove, wakeAt: nextLook(input, left, excess > tired.length, missing > create) };
}

/** Of what is idle, that which has been so for the longest goes first; what is starting goes last. */
function goesFirst(a: SizedRunner, b: SizedRunner): number {
  const since = ({ idleSince }: SizedRunner): number => idleSince ?? Number.MAX_SAFE_INTEGER;
  return since(a) - since(b) || a.created - b.created || (a.name < b.name ? -1 : 1);
}

function mayCreate(
  { parallelCreations, creating, retryAt, failing, now }: SizeInput,
  missing: number,
  left: readonly SizedRunner[],
): number {
  if (retryAt !== null && now < retryAt) return 0;
  // While runners fail to start, one shows whether the next ones will.
  if (failing) return creating > 0 || left.some(({ phase }) => phase === 'starting') ? 0 : Math.min(1, missing);
  return Math.max(0, Math.min(missing, parallelCreations - creating));
}

function nextLook(
  { idleTimeoutMs, maxLifetimeMs, retryAt, now }: SizeInput,
  left: readonly SizedRunner[],
  hasExcess: boolean,
  isShort: boolean,
): number | null {
  const moments = left.flatMap(({ phase, created, idleSince }) =>
    phase === 'idle'
      ? [created + maxLifetimeMs, ...(hasExcess && idleSince !== null ? [idleSince + idleTimeoutMs] : [])]
      : [],
  );
  if (isShort && retryAt !== null && retryAt > now) moments.push(retryAt);
  return moments.length === 0 ? null : Math.min(...moments);
}
