import type { Draft } from '../draft.ts';
import { envNameTrouble, isEnvName } from '../names.ts';
import type { Fields } from '../reader.ts';
import { hidden, looksSecret } from '../secrets.ts';

/** The text of a base64 field; reports what is none. */
export function decoded(fields: Fields, key: string): string {
  const text = (fields.text(key) ?? '').replaceAll(/\s+/g, '');
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64').replace(/=+$/, '') !== text.replace(/=+$/, '')) fields.error(key, 'is not base64');
  const value = bytes.toString('utf8');
  if (!Buffer.from(value).equals(bytes))
    fields.error(key, 'holds bytes that are no text; put them into a Secret or an image');
  return value;
}

/** `env_vars`. What looks secret is only named; its key is added to `keys`. */
export function envOf(fields: Fields, draft: Draft, keys: string[]): Record<string, unknown> {
  const env: Record<string, unknown> = {};
  for (const variable of fields.items('env_vars')) {
    const name = variable.text('name') ?? '';
    const value = decoded(variable, 'value');
    if (!isEnvName(name)) variable.error('name', envNameTrouble(name));
    const isSecret = looksSecret(name, value);
    if (isSecret) keys.push(hidden(name, draft).key);
    env[name] = isSecret ? { secret: hidden(name, draft) } : value;
  }
  if (Object.keys(env).length > 0)
    draft.todo(
      ['spec', 'env'],
      'job requests do not say which values are secret; those that look like it are references, look at the others',
    );
  return env;
}
