import { type CodedError, terminalError, transientError } from '../errors.ts';
import type { ForgeKind } from './address.ts';

/** What a request is for: it decides which right the token needs. */
export type Purpose = 'pullRequests' | 'comments' | 'permissions' | 'statuses' | 'identity';

/** The right that a token needs for it, in each forge's own words. */
const RIGHTS: Readonly<Record<Purpose, Readonly<Record<ForgeKind, string>>>> = {
  pullRequests: {
    github: '"Pull requests: read" (classic: repo; in a workflow, permissions: pull-requests: read)',
    gitlab: 'the scope read_api',
    gitea: 'the scope read:repository',
  },
  comments: {
    github: '"Pull requests: write" (classic: repo; in a workflow, permissions: pull-requests: write)',
    gitlab: 'the scope api and the role Reporter',
    gitea: 'the scope write:issue',
  },
  permissions: {
    github: '"Metadata: read" (classic: repo)',
    gitlab: 'the scope read_api',
    gitea: 'the scope read:repository, and its user has to be an administrator of the repository',
  },
  statuses: {
    github: '"Commit statuses: write" (classic: repo:status; in a workflow, permissions: statuses: write)',
    gitlab: 'the scope api and the role Developer',
    gitea: 'the scope write:repository, and its user has to be able to write to the repository',
  },
  identity: { github: 'no more than to be valid', gitlab: 'the scope read_user', gitea: 'the scope read:user' },
};

export interface Refusal {
  readonly kind: ForgeKind;
  /** Where the API is, and the repository there. */
  readonly where: string;
  readonly purpose: Purpose;
  /** What was to be done, such as `set the status of 4f0c…`. */
  readonly what: string;
  readonly status: number;
  readonly hasToken: boolean;
  /** The forge's own words, one line, without credentials; may be empty. */
  readonly said: string;
}

/** The error for an HTTP status that is no success and no rate limit. */
export function refusalError(refusal: Refusal): CodedError {
  const { kind, where, purpose, what, status, hasToken, said } = refusal;
  const words = said === '' ? '' : ` ("${said}")`;
  const right = RIGHTS[purpose][kind];
  if (status === 401) {
    return hasToken
      ? terminalError('ForgeUnauthorized', `${where} does not accept the token to ${what}${words}`, {
          hint: 'check that it is one of this forge, and that it has not expired or been revoked',
        })
      : terminalError('ForgeUnauthorized', `${where} asks for a token to ${what}, and there is none${words}`, {
          hint: `give a token that has ${right}; a controller takes it from forge.tokenFrom of the source`,
        });
  }
  if (status === 403)
    return terminalError('ForgeForbidden', `${where} does not allow the token to ${what}${words}`, {
      hint: `the token needs ${right}`,
    });
  if (status === 404 || status === 410)
    return terminalError('ForgeNotFound', `${where} has nothing there to ${what}${words}`, {
      hint: `check the repository and the number or commit; forges answer so too when the token lacks a right: it needs ${right}`,
    });
  if (status >= 500)
    return transientError('ServerError', `${where} answered with HTTP status ${status} when asked to ${what}${words}`);
  return terminalError('ForgeRefused', `${where} refused to ${what} with HTTP status ${status}${words}`);
}

/** The error for a limit that is reached, with the time until another try makes sense. */
export const limitedError = (where: string, what: string, waitMs: number): CodedError =>
  transientError(
    'ForgeLimited',
    `${where} takes no more requests for ${Math.ceil(waitMs / 1_000)} s (to ${what}): its rate limit is reached`,
    { retryAfterMs: waitMs },
  );

export const notForge = (where: string, what: string): CodedError =>
  transientError('NotForge', `${where} does not answer like the API of a forge: ${what}`, {
    hint: 'check the address of the API',
  });
