import { createHash } from 'node:crypto';
import { terminalError } from '../errors.ts';

/** One attempt of a task of a run, within all that a store holds. */
export interface AttemptKey {
  /** The name of the source. */
  readonly source: string;
  readonly job: string;
  readonly run: number;
  readonly task: string;
  readonly attempt: number;
}

const PLAIN = /^[a-z0-9][a-z0-9.-]{0,62}$/;
const SEGMENT = /^[a-z0-9][a-z0-9._-]{0,99}$/;

/**
 * A name as a part of a key: the name itself where it is a plain one, else what of it can be one and a hash. Different names
 * have different parts, also where capital letters don't count, and no part leads anywhere or begins with a dot.
 */
export function keyPart(name: string): string {
  if (PLAIN.test(name)) return name;
  const readable = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9.-]+/g, '-')
    .replace(/^[.-]+/, '')
    .slice(0, 40);
  // An underscore is in no plain name.
  return `${readable === '' ? 'x' : readable}_${createHash('sha256').update(name).digest('hex').slice(0, 16)}`;
}

/** What a job has in the store, such as `acme/nightly-report/`. */
export const jobPrefix = ({ source, job }: Pick<AttemptKey, 'source' | 'job'>): string =>
  `${keyPart(source)}/${keyPart(job)}/`;

/** What a run has in the store, such as `acme/nightly-report/12/`. */
export const runPrefix = (key: Pick<AttemptKey, 'source' | 'job' | 'run'>): string => `${jobPrefix(key)}${key.run}/`;

/** Where an attempt's archive, what is known of it, or its whole log is, such as `acme/nightly-report/12/default/1.tar.zst`. */
export const attemptKey = (key: AttemptKey, kind: 'tar.zst' | 'json' | 'log' = 'tar.zst'): string =>
  `${runPrefix(key)}${keyPart(key.task)}/${key.attempt}.${kind}`;

/** The run that a key below a job's prefix belongs to. */
export function runOf(key: string, prefix: string): number | undefined {
  const found = /^([1-9]\d{0,14})\//.exec(key.startsWith(prefix) ? key.slice(prefix.length) : '');
  return found ? Number(found[1]) : undefined;
}

/**
 * Throws `StoreKeyInvalid` (terminal) for a key that `attemptKey` can't have made: keys come back from the ledger, which
 * people can write to. A prefix ends in a slash.
 */
export function checkKey(key: string): void {
  const parts = key.replace(/\/$/, '').split('/');
  if (parts.every((part) => SEGMENT.test(part)) && parts.length <= 8) return;
  throw terminalError('StoreKeyInvalid', `${JSON.stringify(key.slice(0, 200))} is no key of an artifact store`, {
    hint: 'an outcome on the ledger was changed by hand: see its history',
  });
}
