import type { Trigger } from '../schemas/index.ts';
import { shortRevision } from './plan-text.ts';

/** What a trigger is told with. */
interface Triggered {
  readonly trigger: Trigger;
  readonly requestedBy?: string;
  readonly rerunOf?: number;
}

/** A trigger in a few words: `commit 3b0e86c05a64`, `schedule 2026-11-20T01:30:00Z`, `needs build #3`, `request of Ada`. */
export function triggerText({ trigger, requestedBy, rerunOf }: Triggered): string {
  switch (trigger.kind) {
    case 'commit':
      return `commit ${shortRevision(trigger.revision)}`;
    case 'schedule':
      return `schedule ${trigger.at}`;
    case 'needs':
      return `needs ${trigger.job} #${trigger.run}`;
    case 'request': {
      const by = requestedBy === undefined ? '' : ` of ${requestedBy.replace(/\s*<[^>]*>$/, '')}`;
      return `request${by}${rerunOf === undefined ? '' : `, rerun of #${rerunOf}`}`;
    }
    case 'pullRequest':
      return `pull request ${trigger.number}`;
  }
}
