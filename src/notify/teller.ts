import type { Outcome, Result } from '../schemas/index.ts';
import type { RunNews } from './news.ts';

/** What happens to the runs of a source, as far as others are told of it. */
export type RunEvent =
  | {
      readonly kind: 'claimed';
      readonly action: { readonly job: string; readonly run?: number };
      readonly chain: string;
    }
  | { readonly kind: 'started'; readonly key: Key; readonly chain: string; readonly first: boolean }
  | { readonly kind: 'finished'; readonly outcome: Outcome; readonly previous: Result | null }
  | { readonly kind: 'recorded'; readonly key: Key }
  | { readonly kind: 'refused'; readonly key: Key };

interface Key {
  readonly job: string;
  readonly run: number;
}

const textOf = ({ job, run }: Key): string => `${job}/${run}`;

/**
 * Makes news of events. That a run has ended is news when the ledger has its outcome, and not before: it is told of once, and its
 * page is there.
 */
export function createTeller(tell: (news: RunNews) => void): (event: RunEvent) => void {
  const unrecorded = new Map<string, Pick<RunNews & { kind: 'ended' }, 'outcome' | 'previous'>>();
  return (event) => {
    switch (event.kind) {
      case 'claimed': {
        const { job, run } = event.action;
        if (run !== undefined) tell({ kind: 'queued', job, run, chain: event.chain });
        break;
      }
      case 'started':
        if (event.first) tell({ kind: 'running', ...event.key, chain: event.chain });
        break;
      case 'finished':
        unrecorded.set(textOf(event.outcome), { outcome: event.outcome, previous: event.previous });
        break;
      case 'recorded': {
        const ended = unrecorded.get(textOf(event.key));
        unrecorded.delete(textOf(event.key));
        if (ended) tell({ kind: 'ended', ...ended });
        break;
      }
      case 'refused':
        unrecorded.delete(textOf(event.key));
        break;
    }
  };
}
