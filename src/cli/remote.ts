import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { usageError } from '../errors.ts';
import { createGitHttp } from '../git/http.ts';
import { type GitMeter, measuredBranch, measuredHttp } from '../git/meter.ts';
import type { Branch } from '../git/port.ts';
import { openRemoteBranch } from '../git/remote-branch.ts';
import type { RemoteNotice } from '../git/remote-clone.ts';
import { type Credentials, shownUrl } from '../git/url.ts';
import { durationMs, parseDuration } from '../job/duration.ts';
import { openGitSource, type SourceNotice } from '../sources/git.ts';
import type { GitSource } from '../sources/port.ts';
import type { RepositoryOptions } from './options.ts';
import type { Io } from './terminal.ts';
import { VERSION } from './version.ts';

interface BranchOptions {
  readonly folder?: string;
  readonly notice?: (notice: RemoteNotice) => void;
}

export interface Remote {
  /** The URL as it may be shown. */
  readonly location: string;
  readonly source: GitSource;
  /** How often it is asked for something new, in milliseconds. */
  readonly intervalMs: number;
  /**
   * A branch of the same repository, with its copy in a folder of this name that no other has (`ledger`); `notice` is told what somebody
   * else did to it.
   */
  branch(name: string, options?: BranchOptions): Promise<Branch>;
  close(): Promise<void>;
}

/** Takes what a person may want to know of, as a sentence. */
export type Say = (message: string) => void;

export const DEFAULT_INTERVAL = '30s';

export interface RemoteOptions extends RepositoryOptions {
  /** Absent: from the environment. */
  readonly credentials?: Credentials | undefined;
  /** Told of what is asked of the repository's server. */
  readonly meter?: GitMeter | undefined;
}

/** Opens a repository over http(s), with copies below `scratch`. Credentials come from the URL, the options or the environment. */
export async function openRemote(
  url: string,
  scratch: string,
  options: RemoteOptions,
  io: Io,
  say: Say,
): Promise<Remote> {
  const interval = options.interval ?? DEFAULT_INTERVAL;
  if (parseDuration(interval) === undefined)
    throw usageError('IntervalForm', `--interval ${interval}: write it as 30s or 5m`);
  const credentials = options.credentials ?? (await credentialsFrom(io.env));
  const { meter } = options;
  const client = await createGitHttp({
    env: io.env,
    userAgent: `git/2.0 (runledger ${VERSION})`,
    ...(options.caFile === undefined ? {} : { caFile: options.caFile }),
    ...(credentials ? { credentials } : {}),
  });
  const http = meter ? measuredHttp(client, meter) : client;
  const source = await openGitSource({
    url,
    http,
    gitdir: join(scratch, 'source'),
    path: options.path ?? '.',
    pollIntervalMs: durationMs(interval),
    notice: (notice) => say(noticeText(notice)),
    ...(options.branch === undefined ? {} : { branch: options.branch }),
  });
  return {
    location: shownUrl(url),
    source,
    intervalMs: durationMs(interval),
    async branch(name, { folder = 'ledger', notice: told } = {}) {
      const branch = await openRemoteBranch({
        url,
        branch: name,
        http,
        gitdir: join(scratch, folder),
        notice(notice) {
          say(noticeText(notice));
          told?.(notice);
        },
      });
      return meter ? measuredBranch(branch, meter) : branch;
    },
    close: () => http.close(),
  };
}

function noticeText(notice: SourceNotice): string {
  switch (notice.kind) {
    case 'forcePushed':
      return `branch ${notice.branch} was force-pushed: ${notice.from.slice(0, 12)} is no longer part of it`;
    case 'deleted':
      return `branch ${notice.branch} was deleted; its last commit was ${notice.last.slice(0, 12)}`;
    case 'cloned':
      return `branch ${notice.branch} was cloned`;
    case 'pollFailed':
      return `${notice.error.message}; asked again in ${Math.round(notice.retryInMs / 1_000)} s`;
  }
}

/**
 * RUNLEDGER_GIT_TOKEN, or RUNLEDGER_GIT_USERNAME and RUNLEDGER_GIT_PASSWORD; each may end in _FILE and then names a file that
 * holds the value.
 */
export async function credentialsFrom(env: Io['env']): Promise<Credentials | undefined> {
  const valueOf = async (name: string): Promise<string | undefined> => {
    const file = env[`${name}_FILE`];
    if (file === undefined || file === '') return env[name] || undefined;
    try {
      return (await readFile(file, 'utf8')).trim();
    } catch {
      throw usageError('CredentialUnreadable', `${name}_FILE names ${file}, which can't be read`);
    }
  };
  const token = await valueOf('RUNLEDGER_GIT_TOKEN');
  const password = await valueOf('RUNLEDGER_GIT_PASSWORD');
  const username = await valueOf('RUNLEDGER_GIT_USERNAME');
  if (password !== undefined) return { kind: 'basic', username: username ?? 'git', password };
  return token === undefined ? undefined : { kind: 'token', token };
}
