import { usageError } from '../errors.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** What the workflow runs for, and where. */
export interface ActionEvent {
  /** The event, such as `push`. */
  readonly name: string;
  /** `owner/name`. */
  readonly repository: string;
  /** The URL to clone it from. */
  readonly remote: string;
  /** The API of its forge, without a slash at the end; absent: where it usually is. */
  readonly api?: string;
  readonly forge: 'github' | 'gitea';
  /** The page of this run of the workflow; absent: there is none. */
  readonly page?: string;
  readonly pullRequest?: {
    readonly number: number;
    /** The head that the event is about; absent: whatever it is now. */
    readonly head?: string;
  };
  /**
   * Whether the platform itself keeps what a fork brings away from credentials: such runs get no secrets, and a token that may only
   * read (https://docs.github.com/actions/reference/workflows-and-actions/events-that-trigger-workflows#pull_request).
   */
  readonly isSandboxed: boolean;
}

/**
 * Reads the event as the platform tells it: variables of the environment and the event's payload, parsed. Throws `NotAWorkflow`
 * (usage) outside of one.
 */
export function readEvent(env: Environment, payload: unknown): ActionEvent {
  const name = env['GITHUB_EVENT_NAME'] ?? '';
  const repository = env['GITHUB_REPOSITORY'] ?? '';
  const server = (env['GITHUB_SERVER_URL'] ?? 'https://github.com').replace(/\/+$/, '');
  if (name === '' || !/^[^/]+\/[^/]+$/.test(repository))
    throw usageError('NotAWorkflow', 'GITHUB_EVENT_NAME and GITHUB_REPOSITORY are not set', {
      hint: 'this is the entry of the GitHub Action; on a command line, use runledger',
    });
  const api = env['GITHUB_API_URL']?.replace(/\/+$/, '') || undefined;
  const cloneUrl = at(payload, 'repository', 'clone_url');
  const run = env['GITHUB_RUN_ID'];
  const isGitea = env['GITEA_ACTIONS'] === 'true' || (api?.endsWith('/api/v1') ?? false);
  const pullRequest = pullRequestOf(name, payload);
  return {
    name,
    repository,
    remote: typeof cloneUrl === 'string' && cloneUrl !== '' ? cloneUrl : `${server}/${repository}.git`,
    ...(api === undefined ? {} : { api }),
    forge: isGitea ? 'gitea' : 'github',
    ...(run === undefined || run === '' ? {} : { page: `${server}/${repository}/actions/runs/${run}` }),
    ...(pullRequest === undefined ? {} : { pullRequest }),
    isSandboxed: name === 'pull_request',
  };
}

function pullRequestOf(name: string, payload: unknown): ActionEvent['pullRequest'] {
  if (name === 'pull_request' || name === 'pull_request_target') {
    const [number, head] = [at(payload, 'pull_request', 'number'), at(payload, 'pull_request', 'head', 'sha')];
    if (typeof number !== 'number' || typeof head !== 'string')
      throw usageError('EventForm', `the payload of the event ${name} names no pull request with a head`);
    return { number, head };
  }
  // A comment on an issue tells the number alone.
  if (name !== 'issue_comment' || at(payload, 'issue', 'pull_request') === undefined) return undefined;
  const number = at(payload, 'issue', 'number');
  return typeof number === 'number' ? { number } : undefined;
}

function at(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (inner, key) => (typeof inner === 'object' && inner !== null ? (inner as Record<string, unknown>)[key] : undefined),
    value,
  );
}
