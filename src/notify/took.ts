import type { Outcome } from '../schemas/index.ts';

/** How long a run took from its first step to its end, in ms; 0 for one of which nothing was executed. */
export const tookMs = ({ times }: Pick<Outcome, 'times'>): number =>
  Math.max(0, Date.parse(times.finished) - Date.parse(times.started ?? times.finished));
