import type { PullRequest } from '../forge/port.ts';
import type { Subject } from './subject.ts';

/** What is known of an open pull request since it was looked at, and when that was. */
export interface Attention {
  readonly subject: Subject;
  /** The `updated` of the pull request when its comments were read, and how often they were read since it said so. */
  readonly stamp: string;
  readonly reads: number;
}

/** What has to be read of the forge: everything, the comments alone, or nothing. */
export type Reading = 'all' | 'trust' | 'nothing';

/** Forges count in seconds: what came in the second of the last reading has the same stamp. */
const READS = 2;

/**
 * What has to be read of a pull request that is listed as it is now. Only a head or a target that is new costs more than the list, and
 * beside them comments under what nobody has approved.
 */
export function readingOf(now: PullRequest, known: Attention | undefined): Reading {
  if (!known) return 'all';
  const { subject, stamp, reads } = known;
  const { head, base } = subject.pullRequest;
  if (head.sha !== now.head.sha || base.ref !== now.base.ref || subject.pullRequest.isFork !== now.isFork) return 'all';
  if (subject.trust.kind !== 'unapproved') return 'nothing';
  return stamp !== now.updated || reads < READS ? 'trust' : 'nothing';
}

/** The same after what had to be read was read. */
export function attended(now: PullRequest, subject: Subject, known: Attention | undefined): Attention {
  const isSame = known !== undefined && known.stamp === now.updated && known.subject.head === subject.head;
  return { subject: { ...subject, pullRequest: now }, stamp: now.updated, reads: isSame ? known.reads + 1 : 1 };
}

/** What a pull request is to come to, as a text: where it is the same, nothing has to be done again. */
export function aimOf({ head, trust, pullRequest: { base } }: Subject): string {
  // What runs of an unapproved head are the jobs of the base, which goes on.
  return [head, base.ref, trust.kind, trust.kind === 'unapproved' ? base.sha : ''].join(' ');
}
