import { resolve } from 'node:path';
import { usageError } from '../errors.ts';
import { looksLikeUrl, parseGitUrl } from '../git/url.ts';

/** What a person names as the repository. */
export type Target =
  { readonly kind: 'directory'; readonly path: string } | { readonly kind: 'url'; readonly url: string };

/**
 * Reads DIR|URL. What has a scheme, or scp's form, is meant as a URL; anything else is a folder. Throws `SshUnsupported`,
 * `UrlInvalid`, and `FileUrl` for a folder in the form of a URL.
 */
export function parseTarget(text: string, cwd: string): Target {
  if (/^file:\/\//i.test(text)) {
    throw usageError('FileUrl', `${text} is a folder`, { hint: `write it as ${text.slice('file://'.length)}` });
  }
  if (!looksLikeUrl(text)) return { kind: 'directory', path: resolve(cwd, text) };
  parseGitUrl(text);
  return { kind: 'url', url: text };
}
