import type { DispatcherOptions } from '../git/dispatcher.ts';
import { forgeAddress, type ForgeHints } from './address.ts';
import { createGithub } from './github.ts';
import { createGitlab } from './gitlab.ts';
import { createForgeHttp, type ForgeHttpOptions } from './http.ts';
import type { Forge } from './port.ts';

export interface ForgeOptions
  extends
    ForgeHints,
    DispatcherOptions,
    Pick<ForgeHttpOptions, 'token' | 'userAgent' | 'totalTimeoutMs' | 'waitAtMostMs'> {
  /** The repository, as for `git clone`. */
  readonly remote: string;
}

/** Opens the API of a repository's forge; asks nothing yet. Throws `ForgeUnknown`, `RemoteForm`, `CaFileUnreadable` (usage). */
export async function openForge(options: ForgeOptions): Promise<Forge> {
  const address = forgeAddress(options.remote, options);
  const http = await createForgeHttp({ ...options, address });
  return address.kind === 'gitlab' ? createGitlab(http, address) : createGithub(http, address);
}
