import { isCoded, terminalError } from '../../errors.ts';
import type { SecretValue } from '../../logs/redact.ts';
import type { SecretUse } from '../../render/secret-uses.ts';
import { findObject } from './objects.ts';
import type { Scope } from './scope.ts';
import { secrets } from './wire.ts';

/** The values of the Secrets that pods see, read for one purpose: to be redacted. */
export interface SecretReader {
  /**
   * Every value. Throws CodedError: `SecretMissing` (terminal) for a Secret or key that is not there and has to be,
   * `SecretUnreadable` (terminal) where we are not allowed to read one, and transient errors. A run that nobody could redact is
   * not to start.
   */
  read(uses: readonly SecretUse[], signal: AbortSignal): Promise<readonly SecretValue[]>;
}

/** A Secret is read again after this long. */
const FRESH_MS = 60_000;

type Data = ReadonlyMap<string, string>;

/** Where Secrets are read. */
type Where = Pick<Scope, 'cluster' | 'namespace' | 'clock'>;

export function createSecretReader(scope: Where): SecretReader {
  const known = new Map<string, { readonly at: number; readonly data: Data }>();
  const dataOf = async (name: string, signal: AbortSignal): Promise<Data | null> => {
    const before = known.get(name);
    if (before && scope.clock.monotonic() - before.at < FRESH_MS) return before.data;
    const at = scope.clock.monotonic();
    const data = await readSecret(scope, name, signal);
    if (data) known.set(name, { at, data });
    return data;
  };
  return {
    async read(uses, signal) {
      const values = new Map<string, SecretValue>();
      for (const use of uses) {
        const data = await dataOf(use.name, signal);
        for (const value of valuesOf(scope, use, data)) values.set(value.label, value);
      }
      return [...values.values()];
    },
  };
}

function valuesOf({ namespace }: Where, { name, keys, optional, field }: SecretUse, data: Data | null) {
  const missing = (what: string): Error =>
    terminalError('SecretMissing', `${what} in namespace "${namespace}"; ${field} needs it`);
  if (data === null) {
    if (optional) return [];
    throw missing(`secret "${name}" not found`);
  }
  return (keys ?? [...data.keys()]).flatMap((key): readonly SecretValue[] => {
    const value = data.get(key);
    if (value === undefined && !optional) throw missing(`secret "${name}" has no key "${key}"`);
    return value === undefined ? [] : [{ label: `secret ${name}/${key}`, value }];
  });
}

/** Null where there is none. */
async function readSecret({ cluster, namespace }: Where, name: string, signal: AbortSignal): Promise<Data | null> {
  try {
    const found = await findObject(cluster, secrets, { name, namespace }, { signal });
    if (!found) return null;
    const entries = Object.entries(found.data ?? {});
    return new Map(entries.map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]));
  } catch (error) {
    if (!isCoded(error, 'Forbidden')) throw error;
    const why = `secret "${name}" can not be read, so its values could not be redacted`;
    throw terminalError('SecretUnreadable', `${why}: ${error.message}; allow get on it in namespace "${namespace}"`, {
      cause: error,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    });
  }
}
