import { usageError } from '../errors.ts';

/** What proves who we are to a git server: a user's password (or a token in its place), or a token alone. */
export type Credentials =
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  | { readonly kind: 'token'; readonly token: string };

export interface GitUrl {
  /** Without credentials, query and trailing slashes: fit to be shown. */
  readonly url: string;
  readonly origin: string;
  /** Those that were in the URL. */
  readonly credentials: Credentials | undefined;
}

const decode = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

/** Whether a text is meant as the URL of a remote and not as a directory: it has a scheme, or scp's `user@host:path`. */
export function looksLikeUrl(text: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(text) || /^[^/@:]+@[^/@:]+:/.test(text);
}

/**
 * Takes the URL of a remote repository apart. Throws `SshUnsupported` for `ssh://` and `user@host:path`, and
 * `UrlInvalid` for what is no http(s) URL. No credential gets into the messages.
 */
export function parseGitUrl(text: string): GitUrl {
  if (/^(git\+)?ssh:\/\//i.test(text) || /^[^/@:]+@[^/@:]+:/.test(text)) {
    throw usageError('SshUnsupported', `${shownUrl(text)} is an ssh URL, and this version has http(s) only`, {
      hint: 'Use the https:// URL of the same repository, with a token.',
    });
  }
  const parsed = URL.canParse(text) ? new URL(text) : undefined;
  if (!parsed || !['http:', 'https:'].includes(parsed.protocol)) {
    throw usageError('UrlInvalid', `"${shownUrl(text)}" is not the URL of a git repository`, {
      hint: 'It has to be of the form https://host/path.git.',
    });
  }
  const username = decode(parsed.username);
  const password = decode(parsed.password);
  const url = `${parsed.origin}${parsed.pathname.replace(/\/+$/, '')}`;
  if (username === '' && password === '') return { url, origin: parsed.origin, credentials: undefined };
  // `https://TOKEN@host`: a forge's token in the place of the user.
  const credentials: Credentials =
    password === '' ? { kind: 'token', token: username } : { kind: 'basic', username, password };
  return { url, origin: parsed.origin, credentials };
}

/** A URL as it may be shown: without user, password, query and fragment. */
export function shownUrl(text: string): string {
  return text
    .replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#]*@/i, '$1')
    .replace(/^[^/@:]+@([^/@:]+:)/, '$1')
    .replace(/[?#].*$/, '');
}
