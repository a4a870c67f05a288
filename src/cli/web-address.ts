import { usageError } from '../errors.ts';
import { shownUrl } from '../git/url.ts';

/** The kinds of web pages that repositories have. Forgejo has those of Gitea. */
export const FORGES = ['github', 'gitlab', 'gitea'] as const;
export type Forge = (typeof FORGES)[number];

/** What is shown of a repository: a folder or a file of a branch. */
export interface WebPlace {
  readonly branch: string;
  readonly kind: 'folder' | 'file';
  /** From the root, with forward slashes; empty: the root. */
  readonly path: string;
}

/** How each forge addresses a place, below the repository. */
const PAGES: Readonly<Record<Forge, (place: WebPlace) => string>> = {
  github: ({ kind }) => (kind === 'folder' ? 'tree' : 'blob'),
  gitlab: ({ kind }) => (kind === 'folder' ? '-/tree' : '-/blob'),
  gitea: () => 'src/branch',
};

/** Forges by words of their host's name. Where no word tells, `--forge` has to. */
const HOSTS: readonly (readonly [RegExp, Forge])[] = [
  [/(^|[.-])github([.-]|$)/i, 'github'],
  [/(^|[.-])gitlab([.-]|$)/i, 'gitlab'],
  [/(^|[.-])(gitea|forgejo|codeberg)([.-]|$)/i, 'gitea'],
];

/**
 * The web page of a place in a repository, by the address of its remote: http(s), `ssh://` or `git@host:owner/name`. Without
 * credentials, always http or https. Throws `ForgeUnknown` where the host's name does not tell and no forge is given, and
 * `RemoteForm` for an address that no page follows from (usage).
 */
export function webAddress(remote: string, place: WebPlace, forge?: Forge): string {
  const { origin, host, path } = repositoryPage(remote);
  const kind = forge ?? HOSTS.find(([word]) => word.test(host))?.[1];
  if (kind === undefined)
    throw usageError('ForgeUnknown', `${host}: what kind of forge it is does not follow from its name`, {
      hint: `add --forge ${FORGES.join('|')}`,
    });
  const parts = [path, PAGES[kind](place), escaped(place.branch), escaped(place.path)];
  return `${origin}/${parts.filter((part) => part !== '').join('/')}`;
}

const escaped = (path: string): string => path.split('/').filter(Boolean).map(encodeURIComponent).join('/');

interface RepositoryPage {
  readonly origin: string;
  readonly host: string;
  /** Escaped, without slashes at its ends and without `.git`. */
  readonly path: string;
}

function repositoryPage(remote: string): RepositoryPage {
  const [, scpHost, scpPath = ''] = /^(?:[^/@:]+@)?([^/@:]+):(?!\/\/)(.+)$/.exec(remote) ?? [];
  const page =
    scpHost === undefined ? remote : `ssh://${scpHost}/${scpPath.split('/').map(encodeURIComponent).join('/')}`;
  const url = URL.canParse(page) ? new URL(page) : undefined;
  const isWeb = url?.protocol === 'https:' || url?.protocol === 'http:';
  if (!url || url.hostname === '' || !(isWeb || /^(git\+)?ssh:$/.test(url.protocol)))
    throw usageError('RemoteForm', `${shownUrl(remote)} is no address on a server that has web pages`, {
      hint: 'give the repository as -C https://host/owner/name',
    });
  // A port of ssh is none of the web's.
  const origin = isWeb ? url.origin : `https://${url.hostname}`;
  const path = url.pathname.replace(/^\/+|\/+$/g, '').replace(/\.git$/, '');
  if (path === '') throw usageError('RemoteForm', `${shownUrl(remote)} names no repository`);
  return { origin, host: url.hostname, path };
}
