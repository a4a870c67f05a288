import { formatDuration } from '../job/duration.ts';
import type { Draft } from './draft.ts';
import type { Fields } from './reader.ts';

const LONGEST_JOB = 40;
const LONGEST_LABEL = 63;

/** A name as a DNS label of at most `longest` characters; undefined when nothing of it can stay. */
export function slug(name: string, longest: number = LONGEST_LABEL): string | undefined {
  const text = name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, longest + 1)
    .replaceAll(/^-+/g, '')
    .slice(0, longest)
    .replaceAll(/-+$/g, '');
  return text === '' ? undefined : text;
}

/** The name of a job, as near as can be to what the other system calls it. */
export const jobName = (name: string | undefined, otherwise: string): string =>
  slug(name ?? '', LONGEST_JOB) ?? slug(otherwise, LONGEST_JOB) ?? 'job';

/** Says in the manifest that a job is called otherwise than it was. */
export function noteRenamed(draft: Draft, name: string | undefined): void {
  if (name !== undefined && name !== draft.name)
    draft.todo(['metadata', 'name'], `it was called ${JSON.stringify(name)}; names have at most 40 of a-z, 0-9 and -`);
}

/** Hands out names for steps that are no other's: `test`, `test-2`. */
export function createNames(taken: Iterable<string> = []): (wanted: string | undefined, otherwise: string) => string {
  const names = new Set(taken);
  return (wanted, otherwise) => {
    const base = slug(wanted ?? '', LONGEST_LABEL - 4) ?? slug(otherwise, LONGEST_LABEL - 4) ?? 'step';
    const free = base.startsWith('runledger-') ? `x-${base}` : base;
    let name = free;
    for (let count = 2; names.has(name); count += 1) name = `${free}-${count}`;
    names.add(name);
    return name;
  };
}

/** Seconds of a field as a duration; reports a number that is none. */
export function secondsOf(fields: Fields | undefined, key: string): string | undefined {
  const seconds = fields?.integer(key);
  if (seconds === undefined) return undefined;
  if (seconds >= 0 && seconds < 100_000 * 86_400) return formatDuration(seconds * 1000);
  fields?.error(key, `${seconds} seconds is no time span`);
  return undefined;
}

const ENV_NAME = /^(?!RUNLEDGER_)[A-Za-z_][A-Za-z0-9_]*$/;

/** Whether a variable can have the name. */
export const isEnvName = (name: string): boolean => ENV_NAME.test(name);

/** Says what is the matter with the name of a variable. */
export const envNameTrouble = (name: string): string =>
  `${JSON.stringify(name)} can't be the name of a variable here; names are letters, digits and _, and RUNLEDGER_ is reserved`;
