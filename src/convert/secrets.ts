import type { Draft } from './draft.ts';

/** Words in names of variables and files whose values nobody commits. */
const TELLING =
  /TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|PRIVATE|API_?KEY|ACCESS_?KEY|AUTH|_KEY$|^KEY$|ID_(RSA|ED25519|ECDSA)|NETRC|NPMRC|\.PEM$|\.KEY$/i;
const TELLING_TEXT = /-----BEGIN [A-Z ]*PRIVATE KEY-----/;

/** Whether a value looks like one that has to stay out of a repository, by its name or by itself. */
export const looksSecret = (name: string, value: string): boolean => TELLING.test(name) || TELLING_TEXT.test(value);

/** The name of the Secret that stands for values that are not written out. */
export const secretName = (draft: Draft): string => `${draft.name}-secrets`;

/** A reference in the place of a value, which is not said anywhere. `key` becomes one of a Secret. */
export function hidden(key: string, draft: Draft): { readonly name: string; readonly key: string } {
  return { name: secretName(draft), key: key.replaceAll(/[^-._a-zA-Z0-9]/g, '-').replace(/^-+/, '') || 'value' };
}

/** Says which Secret has to be created, where there is one. */
export function noteSecrets(draft: Draft, keys: readonly string[]): void {
  if (keys.length === 0) return;
  const literals = keys.map((key) => `--from-literal=${key}=…`).join(' ');
  draft.todo(
    ['spec'],
    `values that have to stay secret are not written here: kubectl create secret generic ${secretName(draft)} ${literals}`,
  );
}
