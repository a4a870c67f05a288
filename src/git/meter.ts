import { isCoded } from '../errors.ts';
import type { GitHttp } from './http.ts';
import type { Branch } from './port.ts';

/** `discover`: a remote is asked for its refs. `fetch`: objects are asked for. `push`: a branch is moved. */
export const GIT_OPERATIONS = ['discover', 'fetch', 'push'] as const;
export type GitOperation = (typeof GIT_OPERATIONS)[number];

/** `conflict`: another writer was faster. `cancelled`: the caller did not wait for it. */
export const GIT_RESULTS = ['ok', 'conflict', 'error', 'cancelled'] as const;
export type GitResult = (typeof GIT_RESULTS)[number];

/** Told of every git operation, with its seconds. */
export type GitMeter = (operation: GitOperation, result: GitResult, seconds: number) => void;

async function measured<T>(meter: GitMeter, operation: GitOperation, signal: AbortSignal, work: () => Promise<T>) {
  const began = performance.now();
  const tell = (result: GitResult): void => meter(operation, result, (performance.now() - began) / 1_000);
  try {
    const value = await work();
    tell('ok');
    return value;
  } catch (error) {
    tell(signal.aborted ? 'cancelled' : isCoded(error, 'RefMoved') ? 'conflict' : 'error');
    throw error;
  }
}

/** The same client, with what it asks of servers counted; pushes are counted where a branch is moved. */
export const measuredHttp = (http: GitHttp, meter: GitMeter): GitHttp => ({
  ...http,
  discover: (url, service, signal) => measured(meter, 'discover', signal, () => http.discover(url, service, signal)),
  post: (request) =>
    request.service === 'git-receive-pack'
      ? http.post(request)
      : measured(meter, 'fetch', request.signal, () => http.post(request)),
});

/** The same branch, with its moves counted. */
export const measuredBranch = (branch: Branch, meter: GitMeter): Branch => ({
  ...branch,
  advance: (from, to, objects, signal) =>
    measured(meter, 'push', signal, () => branch.advance(from, to, objects, signal)),
});
