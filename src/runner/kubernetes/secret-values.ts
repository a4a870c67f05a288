import { messageOf } from '../../errors.ts';
import type { SecretValue } from '../../logs/redact.ts';
import { normalizeSpec } from '../../job/defaults.ts';
import type { EnvValue, SecretReference } from '../../schemas/index.ts';
import type { RunRecord } from '../port.ts';
import { findObject } from './objects.ts';
import type { Scope } from './scope.ts';
import { secrets } from './wire.ts';

/** The values of the Secrets that jobs refer to, read for one purpose: to be redacted. */
export interface SecretReader {
  load(record: RunRecord, signal: AbortSignal): Promise<void>;
  known(record: RunRecord): readonly SecretValue[];
}

/** A Secret is read again after this long. */
const FRESH_MS = 60_000;

export function createSecretReader(scope: Scope): SecretReader {
  const values = new Map<string, { readonly read: number; readonly data: ReadonlyMap<string, string> }>();
  return {
    async load(record, signal) {
      for (const { name } of referencesOf(record)) {
        const before = values.get(name);
        if (before && scope.clock.monotonic() - before.read < FRESH_MS) continue;
        values.set(name, { read: scope.clock.monotonic(), data: await readSecret(scope, name, signal) });
      }
    },
    known: (record) =>
      referencesOf(record).flatMap(({ name, key }) => {
        const value = values.get(name)?.data.get(key);
        return value === undefined ? [] : [{ label: `secret ${name}/${key}`, value }];
      }),
  };
}

/** A Secret that can't be read is no reason not to run: the kubelet may read it, and what is missing is said by the pod. */
async function readSecret(scope: Scope, name: string, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
  try {
    const found = await findObject(scope.cluster, secrets, { name, namespace: scope.namespace }, { signal });
    const entries = Object.entries(found?.data ?? {});
    return new Map(entries.map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]));
  } catch (error) {
    scope.log.warn({ secret: name, error: messageOf(error) }, 'a Secret can not be read: its values are not redacted');
    return new Map();
  }
}

function referencesOf({ spec }: RunRecord): readonly SecretReference[] {
  const { env, steps, files } = normalizeSpec(spec);
  const values: readonly EnvValue[] = [env, ...steps.map((step) => step.env)].flatMap((each) => Object.values(each));
  const fromEnv = values.flatMap((value) => (typeof value === 'string' ? [] : [value.secret]));
  return [...fromEnv, ...files.flatMap(({ secret }) => (secret ? [secret] : []))];
}
