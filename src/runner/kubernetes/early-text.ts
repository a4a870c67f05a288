import type { TakeText } from './log-cursor.ts';

/** The text of a container that is listened to before it is its turn: held until then, and handed on from then on. */
export interface EarlyText {
  readonly take: TakeText;
  /** Hands on what was held, and all that comes. */
  turnTo(onText: TakeText): void;
  /** How many bytes were left out for want of room. */
  readonly leftOut: number;
}

/** How much is held: what ends after its pod was told to end says a few words. */
const MOST_BYTES = 4 * 1024 ** 2;

export function createEarlyText(mostBytes: number = MOST_BYTES): EarlyText {
  let held: Parameters<TakeText>[] = [];
  let bytes = 0;
  let leftOut = 0;
  let to: TakeText | undefined;
  return {
    take(text, at) {
      if (to) return to(text, at);
      if (bytes + text.length > mostBytes) leftOut += text.length;
      else {
        bytes += text.length;
        held.push([Buffer.from(text), at]);
      }
    },
    turnTo(onText) {
      to = onText;
      for (const [text, at] of held) onText(text, at);
      held = [];
    },
    get leftOut() {
      return leftOut;
    },
  };
}
