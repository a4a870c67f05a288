import { posix } from 'node:path';

/**
 * The path of a `from` file from the root of the repository. `from` counts from the folder of the manifest. Undefined when
 * it leaves the repository or names its root.
 */
export function resolveFrom(manifestPath: string, from: string): string | undefined {
  const joined = posix.normalize(posix.join(posix.dirname(manifestPath), from));
  return joined === '.' || joined === '..' || joined.startsWith('../') || joined.startsWith('/') ? undefined : joined;
}

/** A relative path without `.` and empty parts; undefined when `..` leads out of the folder it counts from. */
export function insideFolder(path: string): string | undefined {
  const normal = posix.normalize(path);
  return normal === '..' || normal.startsWith('../') ? undefined : normal.replace(/\/$/, '');
}
