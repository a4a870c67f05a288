import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { usageError } from '../errors.ts';
import type { Io } from './terminal.ts';

export interface Identity {
  readonly name: string;
  readonly email: string;
}

const GIT_LIMIT_MS = 5_000;
const FORM = /^\s*([^<>]*[^<>\s])\s*<([^<>\s]+)>/;

/** `Ada Lovelace <ada@example.com>`. */
export const identityText = ({ name, email }: Identity): string => `${name} <${email}>`;

/**
 * Who a commit of this person is by: `given` (`Name <address>`), or what git itself would say in the folder: GIT_AUTHOR_NAME and
 * GIT_AUTHOR_EMAIL, else author.* or user.* of its configuration. Throws `AuthorForm`, `AuthorUnknown` (usage).
 */
export async function gitIdentity(given: string | undefined, folder: string, { env }: Io): Promise<Identity> {
  if (given !== undefined) {
    const found = identityOf(given);
    if (found) return found;
    throw usageError('AuthorForm', `--author ${given}: write it as "Ada Lovelace <ada@example.com>"`);
  }
  const { GIT_AUTHOR_NAME: name, GIT_AUTHOR_EMAIL: email } = env;
  if (name && email) return { name, email };
  // Git alone knows all of its configuration: files that include others, and names that follow from the folder.
  const said = await promisify(execFile)('git', ['var', 'GIT_AUTHOR_IDENT'], {
    cwd: folder,
    env: { ...env },
    timeout: GIT_LIMIT_MS,
  }).catch(() => undefined);
  const found = said && identityOf(said.stdout);
  if (found) return found;
  throw usageError('AuthorUnknown', 'git does not know who you are, and a request says who asks', {
    hint: 'git config --global user.name "…" and user.email "…", or give --author "Ada Lovelace <ada@example.com>"',
  });
}

function identityOf(text: string): Identity | undefined {
  const [, name, email] = FORM.exec(text) ?? [];
  return name === undefined || email === undefined ? undefined : { name, email };
}
