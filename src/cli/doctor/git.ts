import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { messageOf } from '../../errors.ts';
import { createGitHttp, type GitHttp } from '../../git/http.ts';
import { branchNames, parseAdvertisement } from '../../git/remote-refs.ts';
import { findGitDir } from '../../git/repository.ts';
import { shownUrl } from '../../git/url.ts';
import type { RepositoryOptions } from '../options.ts';
import { credentialsFrom } from '../remote.ts';
import type { Io } from '../terminal.ts';
import { VERSION } from '../version.ts';
import { type Check, failed } from './check.ts';
import { clockCheck, type ClockReading } from './clock.ts';

/**
 * Looks at the server of a repository: whether it can be read and pushed to with these credentials, and its clock. Nothing is pushed:
 * a server that would not take a push from them refuses its advertisement of git-receive-pack already (gitprotocol-http(5)).
 */
export async function remoteChecks(
  url: string,
  { caFile }: RepositoryOptions,
  io: Io,
  signal: AbortSignal,
): Promise<readonly Check[]> {
  let reading: ClockReading | undefined;
  let sent = Date.now();
  let http: GitHttp;
  try {
    const credentials = await credentialsFrom(io.env);
    http = await createGitHttp({
      env: io.env,
      userAgent: `git/2.0 (runledger ${VERSION})`,
      ...(caFile === undefined ? {} : { caFile }),
      ...(credentials ? { credentials } : {}),
      onDate: (date) => (reading = { date, sent, received: Date.now() }),
    });
  } catch (error) {
    return [failed('git', 'credentials', error)];
  }
  const ask = async (name: string, work: () => Promise<string>): Promise<Check> => {
    sent = Date.now();
    try {
      return { area: 'git', name, state: 'ok', message: await work() };
    } catch (error) {
      return failed('git', name, error);
    }
  };
  try {
    const read = await ask('read', async () => {
      const found = parseAdvertisement(await http.discover(url, 'git-upload-pack', signal), shownUrl(url));
      const count = branchNames(found).length;
      return `${shownUrl(url)} can be read: ${count} ${count === 1 ? 'branch' : 'branches'}`;
    });
    const clock = clockCheck('git', 'the git server', reading);
    if (read.state === 'fail') return [read, clock];
    const push = await ask('push', async () => {
      parseAdvertisement(await http.discover(url, 'git-receive-pack', signal), shownUrl(url));
      return 'it takes pushes; whether a rule protects the branch of the ledger shows with the first one';
    });
    return [read, push, clock];
  } finally {
    await http.close();
  }
}

/** Looks at the repository that a folder lies in: whether there is one, and whether it can be written to. */
export async function folderChecks(folder: string): Promise<readonly Check[]> {
  try {
    const { commonDir, workTree } = await findGitDir(folder);
    const read: Check = { area: 'git', name: 'read', state: 'ok', message: `${workTree ?? commonDir} is a repository` };
    try {
      await access(commonDir, constants.W_OK);
      return [read, { area: 'git', name: 'push', state: 'ok', message: `${commonDir} can be written to` }];
    } catch (error) {
      const message = `${commonDir} can't be written to: ${messageOf(error)}`;
      return [read, { area: 'git', name: 'push', state: 'fail', message, hint: 'runledger commits outcomes there' }];
    }
  } catch (error) {
    return [failed('git', 'read', error)];
  }
}
