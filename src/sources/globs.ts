import picomatch from 'picomatch';
import type { CheckoutPaths } from './port.ts';

/** Globs with what a folder stands for: `src` is all that is in it, too. */
export const expandGlobs = (globs: readonly string[]): readonly string[] =>
  globs.map((glob) => glob.replace(/^(\.\/+)+/, '').replace(/\/+$/, '')).flatMap((glob) => [glob, `${glob}/**`]);

export interface PathMatcher {
  matches(path: string): boolean;
  /** Whether anything below this folder can match. */
  mayHold(folder: string): boolean;
}

export function createPathMatcher(paths: CheckoutPaths): PathMatcher {
  if (paths === true) return { matches: () => true, mayHold: () => true };
  const globs = expandGlobs(paths);
  const bases = globs.map((glob) => picomatch.scan(glob).base.replace(/^\.$/, ''));
  return {
    matches: picomatch([...globs], { dot: true }),
    mayHold: (folder) =>
      bases.some((base) => base === '' || `${folder}/`.startsWith(`${base}/`) || base.startsWith(`${folder}/`)),
  };
}
