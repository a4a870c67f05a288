import { basename } from 'node:path';

/** A DNS label made of the last part of a folder or URL. */
export function sourceName(location: string): string {
  const name = basename(location)
    .replace(/\.git$/, '')
    .toLowerCase();
  return (
    name
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-+|-+$/g, '')
      .slice(0, 40) || 'source'
  );
}
