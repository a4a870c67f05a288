import { isCoded } from '../errors.ts';
import type { Batch } from './batch.ts';
import { serveAfter } from './pacing.ts';

/** Who has taken in what others left goes on with that while it finds more, also when it has nothing of its own: they wait for it. */
export interface ServeOthers {
  /** A push has taken in what others left; it took `tookMs`. */
  took(tookMs: number): void;
  /** Does the rounds for others in the batch, and settles them. Returns false when there was nothing else in it. */
  rounds(batch: Batch, signal: AbortSignal): Promise<boolean>;
}

export interface ServeOthersOptions {
  /** Asks for a round: puts it into a batch. Its errors have been logged, and concern nobody else. */
  readonly ask: () => Promise<unknown>;
  /** Whether nobody else has pushed since. */
  readonly leads: () => boolean;
  /** Pushes what others have left by now, if anything. */
  readonly push: (batch: Batch, signal: AbortSignal) => Promise<void>;
  /** Ends it. */
  readonly signal: AbortSignal;
}

export function createServeOthers({ ask, leads, push, signal: ended }: ServeOthersOptions): ServeOthers {
  let timer: NodeJS.Timeout | undefined;
  ended.addEventListener('abort', () => clearTimeout(timer), { once: true });
  return {
    took(tookMs) {
      clearTimeout(timer);
      if (ended.aborted) return;
      timer = setTimeout(() => void ask().catch(() => undefined), serveAfter(tookMs));
      timer.unref();
    },
    async rounds(batch, signal) {
      const asked = batch.filter(({ item }) => item.kind === 'others');
      const isAll = asked.length === batch.length;
      // A push of anything else takes in what others left as well.
      if (isAll && leads())
        await push(asked, signal).catch((error: unknown) => {
          if (!isCoded(error, 'RefMoved')) throw error;
        });
      for (const turn of asked) turn.resolve(null);
      return !isAll;
    },
  };
}
