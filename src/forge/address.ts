import { usageError } from '../errors.ts';
import { shownUrl } from '../git/url.ts';

/** The kinds of forges that are known, by their web pages and their API. Forgejo has those of Gitea. */
export const FORGES = ['github', 'gitlab', 'gitea'] as const;
export type ForgeKind = (typeof FORGES)[number];

/** Forges by words of their host's name. Where no word tells, somebody has to. */
const HOSTS: readonly (readonly [RegExp, ForgeKind])[] = [
  [/(^|[.-])(github|ghe)([.-]|$)/i, 'github'],
  [/(^|[.-])gitlab([.-]|$)/i, 'gitlab'],
  [/(^|[.-])(gitea|forgejo|codeberg)([.-]|$)/i, 'gitea'],
];

/** The kind of forge that a host's name tells. Throws `ForgeUnknown` (usage) where it tells none. */
export function forgeKindOf(host: string): ForgeKind {
  const kind = HOSTS.find(([word]) => word.test(host))?.[1];
  if (kind === undefined)
    throw usageError('ForgeUnknown', `${host}: what kind of forge it is does not follow from its name`, {
      hint: `add --forge ${FORGES.join('|')}; in a configuration, forge: { kind: … } to the source`,
    });
  return kind;
}

export interface RepositoryPage {
  readonly origin: string;
  readonly host: string;
  /** Escaped, without slashes at its ends and without `.git`. */
  readonly path: string;
}

/**
 * The web page of a repository, by the address of its remote: http(s), `ssh://` or `git@host:owner/name`. Throws `RemoteForm`
 * (usage) for an address that no page follows from.
 */
export function repositoryPage(remote: string): RepositoryPage {
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

/** Where the API of a repository's forge is. */
export interface ForgeAddress {
  readonly kind: ForgeKind;
  /** Without a slash at its end. */
  readonly api: string;
  /** The repository as its forge names it, `owner/name` or on GitLab `group/…/name`, not escaped. */
  readonly project: string;
}

/** What people say about a forge where its address alone does not tell. */
export interface ForgeHints {
  readonly kind?: ForgeKind | undefined;
  /** Default: where the forge has its API if it is at the root of its host. */
  readonly api?: string | undefined;
}

function usualApi(kind: ForgeKind, { origin, host }: RepositoryPage): string {
  switch (kind) {
    case 'github':
      if (host === 'github.com' || host === 'www.github.com') return 'https://api.github.com';
      return host.endsWith('.ghe.com') ? `https://api.${host}` : `${origin}/api/v3`;
    case 'gitlab':
      return `${origin}/api/v4`;
    case 'gitea':
      return `${origin}/api/v1`;
  }
}

/**
 * The API for the repository with this remote. A forge below a path of its host needs `api`: what comes before `/api/` there
 * is no part of the repository's name. Throws `ForgeUnknown` and `RemoteForm` (usage).
 */
export function forgeAddress(remote: string, { kind: given, api: givenApi }: ForgeHints = {}): ForgeAddress {
  const page = repositoryPage(remote);
  const kind = given ?? forgeKindOf(page.host);
  const api = (givenApi ?? usualApi(kind, page)).replace(/\/+$/, '');
  const prefix = /^(.*?)\/api\/v\d+$/.exec(new URL(api).pathname)?.[1]?.slice(1) ?? '';
  const path = prefix !== '' && page.path.startsWith(`${prefix}/`) ? page.path.slice(prefix.length + 1) : page.path;
  const project = path.split('/').map(decoded).join('/');
  if (!(kind === 'gitlab' ? /^[^/]+(\/[^/]+)+$/ : /^[^/]+\/[^/]+$/).test(project))
    throw usageError('RemoteForm', `${shownUrl(remote)} does not name a repository as owner/name`, {
      hint: 'if the forge is below a path of its host, give the address of its API too',
    });
  return { kind, api, project };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
