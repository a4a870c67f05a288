import { createHash } from 'node:crypto';

/** Where the names of a source's objects come from. */
export interface NameScope {
  /** Which runledger it is, where several share a cluster. */
  readonly installation: string;
  readonly source: string;
  /** The source of the configuration that it belongs to, where that is not `source` itself: see {@link pullRequestScope}. */
  readonly partOf?: string | undefined;
}

/**
 * Where the runs of a pull request have their names from. The name of a source has no dot, so that none of them is ever that of
 * another source; with the longest name of a source and the longest number it is a label's value still.
 */
export const pullRequestScope = (source: string, number: number): Pick<NameScope, 'source' | 'partOf'> => ({
  source: `${source}.pr-${number}`,
  partOf: source,
});

/** The source and the number behind the name of a pull request's scope; null: it is none. */
export function pullRequestOf(scope: string): { readonly source: string; readonly number: number } | null {
  const [, source, digits] = /^([a-z0-9-]+)\.pr-([1-9]\d{0,14})$/.exec(scope) ?? [];
  return source === undefined ? null : { source, number: Number(digits) };
}

/** The kinds of objects that a run has: two of them are ConfigMaps, so that the kind goes into the name as well. */
export type RunObjectKind = 'claim' | 'payload';

export interface AttemptKey {
  readonly job: string;
  readonly run: number;
  readonly task: string;
  /** Counts from 1. */
  readonly attempt: number;
}

/** A DNS label has at most 63 characters (RFC 1123), and pods' names become host names. */
const LONGEST_NAME = 63;
const HASH_LENGTH = 10;
/** RFC 4648, section 6, in lower case. */
const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';

/** The name of a run's claim or payload: the same for everybody who plans this run. */
export function runObjectName(kind: RunObjectKind, scope: NameScope, job: string, run: number): string {
  return fitted(`${job}-${run}`, hashOf(kind, scope.installation, scope.source, job, run));
}

/** The name of the one pod of an attempt. */
export function podName(scope: NameScope, { job, run, task, attempt }: AttemptKey): string {
  return fitted(`${job}-${run}`, hashOf('pod', scope.installation, scope.source, job, run, task, attempt));
}

/** The name of the one PodDisruptionBudget of a source in a namespace; all its pull requests have one together. */
export function budgetName({ installation, source, partOf }: NameScope): string {
  return partOf === undefined
    ? fitted(`runledger-${source}`, hashOf('budget', installation, source))
    : fitted(`runledger-${partOf}`, hashOf('budget', installation, partOf, 'pull requests'));
}

/** The name of the ConfigMap that owns the idle runners of a set. */
export function runnerSetName(scope: NameScope, set: string): string {
  return fitted(`${set}-runners`, hashOf('runner-set', scope.installation, scope.source, set));
}

/** The name of a runner's pod; `unique`: any text that no other runner of the set has. */
export function runnerName(scope: NameScope, set: string, unique: string): string {
  return fitted(`${set}-runner`, hashOf('runner', scope.installation, scope.source, set, unique));
}

/** JSON keeps the parts apart: `["a","b-1"]` and `["a-b","1"]` are two texts. */
function hashOf(...parts: readonly (string | number)[]): string {
  const bytes = createHash('sha256').update(JSON.stringify(parts)).digest();
  let bits = bytes.readUIntBE(0, 6) * 4 + Math.floor((bytes[6] ?? 0) / 64);
  let text = '';
  for (let index = 0; index < HASH_LENGTH; index += 1) {
    text = `${BASE32[bits % 32]}${text}`;
    bits = Math.floor(bits / 32);
  }
  return text;
}

/** What a person recognises may be cut; the hash is what keeps names apart. */
function fitted(readable: string, hash: string): string {
  const cut = readable.slice(0, LONGEST_NAME - HASH_LENGTH - 1).replace(/-+$/, '');
  return `${cut}-${hash}`;
}
