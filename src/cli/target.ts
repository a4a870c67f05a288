import { resolve } from 'node:path';
import { usageError } from '../errors.ts';

/** What a person names as the repository. */
export type Target = { readonly kind: 'directory'; readonly path: string } | { readonly kind: 'url'; readonly url: string };

/**
 * Reads DIR|URL. Throws `SshUnsupported` for an ssh address and `SchemeUnsupported` for other ones; anything without
 * a scheme is a folder.
 */
export function parseTarget(text: string, cwd: string): Target {
  if (/^https?:\/\//i.test(text)) return { kind: 'url', url: text };
  if (/^ssh:\/\//i.test(text) || /^[^/\s@]+@[^/\s:]+:/.test(text)) {
    const hint = `write it as https://${text.replace(/^ssh:\/\//i, '').replace(/^[^@/]*@/, '').replace(':', '/')}`;
    throw usageError('SshUnsupported', `${text}: this version has http(s) only`, { hint });
  }
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1];
  if (scheme) {
    const hint = scheme.toLowerCase() === 'file' ? 'give the folder itself' : 'use an http(s) URL or a folder';
    throw usageError('SchemeUnsupported', `${text}: ${scheme} is not supported`, { hint });
  }
  return { kind: 'directory', path: resolve(cwd, text) };
}
