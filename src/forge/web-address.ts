import { type ForgeKind, forgeKindOf, repositoryPage } from './address.ts';

/** What is shown of a repository: a folder or a file of a branch. */
export interface WebPlace {
  readonly branch: string;
  readonly kind: 'folder' | 'file';
  /** From the root, with forward slashes; empty: the root. */
  readonly path: string;
}

/** How each forge addresses a place, below the repository. */
const PAGES: Readonly<Record<ForgeKind, (place: WebPlace) => string>> = {
  github: ({ kind }) => (kind === 'folder' ? 'tree' : 'blob'),
  gitlab: ({ kind }) => (kind === 'folder' ? '-/tree' : '-/blob'),
  gitea: () => 'src/branch',
};

/**
 * The web page of a place in a repository, by the address of its remote: http(s), `ssh://` or `git@host:owner/name`. Without
 * credentials, always http or https. Throws `ForgeUnknown` where the host's name does not tell and no forge is given, and
 * `RemoteForm` for an address that no page follows from (usage).
 */
export function webAddress(remote: string, place: WebPlace, forge?: ForgeKind): string {
  const { origin, host, path } = repositoryPage(remote);
  const kind = forge ?? forgeKindOf(host);
  const parts = [path, PAGES[kind](place), escaped(place.branch), escaped(place.path)];
  return `${origin}/${parts.filter((part) => part !== '').join('/')}`;
}

const escaped = (path: string): string => path.split('/').filter(Boolean).map(encodeURIComponent).join('/');
