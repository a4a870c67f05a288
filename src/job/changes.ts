import { canonicalJson } from './canonical.ts';
import type { CoveredSpec } from './digest.ts';

/**
 * The fields in which two covered specs differ, each with its path: `spec.image`, `spec.env.LOG_LEVEL`,
 * `spec.steps.load.run` (steps by their names), `spec.files[bin/report.sh] (content)` for a file of the repository. A
 * field that came or went is named once, not with everything within it. In the order of the field names; the caller
 * shortens the list.
 */
export function changedFields(before: CoveredSpec, after: CoveredSpec): readonly string[] {
  const changes: string[] = [];
  compare('spec', before, after, changes);
  return changes;
}

type Mapping = Readonly<Record<string, unknown>>;

function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function compare(path: string, before: unknown, after: unknown, changes: string[]): void {
  if (canonicalJson(before) === canonicalJson(after)) return;
  if (isMapping(before) && isMapping(after)) compareMappings(path, before, after, changes);
  else if (Array.isArray(before) && Array.isArray(after)) compareLists(path, before, after, changes);
  else changes.push(path);
}

function compareMappings(path: string, before: Mapping, after: Mapping, changes: string[]): void {
  for (const key of [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()) {
    const name = fieldName(path, key);
    if (Object.hasOwn(before, key) && Object.hasOwn(after, key)) compare(name, before[key], after[key], changes);
    else changes.push(name);
  }
}

function fieldName(path: string, key: string): string {
  if (key === 'sha256' && path.startsWith('spec.files[')) return `${path} (content)`;
  if (path === 'spec.on.commit.paths') return `${path}[${key}] (content)`;
  return /^[\w-]+$/.test(key) ? `${path}.${key}` : `${path}[${key}]`;
}

/** Steps have names and files have paths: where one is added, the others have not changed. Other lists are one field. */
function compareLists(path: string, before: readonly unknown[], after: readonly unknown[], changes: string[]): void {
  const identity = path === 'spec.files' ? 'path' : 'name';
  const old = byIdentity(before, identity);
  const now = byIdentity(after, identity);
  if (!old || !now) {
    changes.push(path);
    return;
  }
  const found = changes.length;
  for (const key of [...new Set([...old.keys(), ...now.keys()])].sort()) {
    const name = identity === 'path' ? `${path}[${key}]` : `${path}.${key}`;
    if (old.has(key) && now.has(key)) compare(name, old.get(key), now.get(key), changes);
    else changes.push(name);
  }
  if (changes.length === found) changes.push(`${path} (order)`);
}

/** The items by the value of a key that they all have and no two share; undefined when there is none. */
function byIdentity(items: readonly unknown[], identity: string): ReadonlyMap<string, unknown> | undefined {
  const found = new Map<string, unknown>();
  for (const item of items) {
    const key = isMapping(item) && Object.hasOwn(item, identity) ? item[identity] : undefined;
    if (typeof key !== 'string' || found.has(key)) return undefined;
    found.set(key, item);
  }
  return found;
}
