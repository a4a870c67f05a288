/** What became of a byte that was handed to the parser of terminal sequences. */
export type EscapeStep =
  /** The sequence goes on. */
  | { readonly kind: 'more' }
  /** It has ended and shows nothing. */
  | { readonly kind: 'done' }
  /** It has ended and sets a colour or another attribute of the text (SGR). */
  | { readonly kind: 'colour'; readonly sequence: string }
  /** This is no sequence after all: print `text`, then look at the byte again. */
  | { readonly kind: 'broken'; readonly text: string };

export interface EscapeParser {
  /** Starts a sequence, after its ESC. */
  begin(): void;
  next(byte: number): EscapeStep;
  /** What to print for a sequence that the end of the output cuts off; empty when none is open. */
  abandon(): string;
}

const MORE: EscapeStep = { kind: 'more' };
const DONE: EscapeStep = { kind: 'done' };

/** A longer control sequence is taken for text. */
const MAX_SEQUENCE = 64;
/** A title or link that goes on for longer than this is not swallowed any further. */
const MAX_STRING = 4096;

const isIntermediate = (byte: number): boolean => byte >= 0x20 && byte <= 0x2f;
const isFinal = (byte: number): boolean => byte >= 0x30 && byte <= 0x7e;
const opensString = (byte: number): boolean => ']PX^_'.includes(String.fromCharCode(byte));

/**
 * Recognises terminal sequences (ECMA-48: CSI, two-byte and charset sequences, and the strings OSC, DCS, SOS, PM and
 * APC, which BEL, ST or the end of the line close), byte by byte.
 */
export function createEscapeParser(): EscapeParser {
  let mode: 'none' | 'start' | 'csi' | 'charset' | 'string' | 'stringEscape' = 'none';
  let held = '';
  let swallowed = 0;

  const end = (step: EscapeStep): EscapeStep => {
    mode = 'none';
    return step;
  };
  const broken = (): EscapeStep => end({ kind: 'broken', text: `\\x1b${held}` });

  const start = (byte: number): EscapeStep => {
    held = '';
    swallowed = 0;
    if (byte === 0x5b) mode = 'csi';
    else if (opensString(byte)) mode = 'string';
    else if (isIntermediate(byte)) mode = 'charset';
    else return isFinal(byte) ? end(DONE) : broken();
    held = String.fromCharCode(byte);
    return MORE;
  };
  const controlSequence = (byte: number): EscapeStep => {
    if (byte >= 0x40 && byte <= 0x7e) {
      const sequence = `\x1b${held}${String.fromCharCode(byte)}`;
      return end(byte === 0x6d && /^\[[0-9;:]*$/.test(held) ? { kind: 'colour', sequence } : DONE);
    }
    if (byte < 0x20 || byte > 0x3f || held.length >= MAX_SEQUENCE) return broken();
    held += String.fromCharCode(byte);
    return MORE;
  };
  const string = (byte: number): EscapeStep => {
    swallowed += 1;
    if (byte === 0x07) return end(DONE);
    if (byte === 0x0a || swallowed > MAX_STRING) return end({ kind: 'broken', text: '' });
    if (byte === 0x1b) mode = 'stringEscape';
    return MORE;
  };

  return {
    begin() {
      mode = 'start';
      held = '';
    },
    next(byte) {
      switch (mode) {
        case 'start':
          return start(byte);
        case 'csi':
          return controlSequence(byte);
        case 'charset':
          if (isFinal(byte)) return end(DONE);
          if (!isIntermediate(byte) || held.length >= MAX_SEQUENCE) return broken();
          held += String.fromCharCode(byte);
          return MORE;
        case 'string':
          return string(byte);
        case 'stringEscape':
          if (byte === 0x5c) return end(DONE);
          mode = 'start'; // the ESC began another sequence
          return start(byte);
        case 'none':
          return { kind: 'broken', text: '' };
      }
    },
    abandon() {
      const text = mode === 'start' || mode === 'csi' || mode === 'charset' ? `\\x1b${held}` : '';
      mode = 'none';
      return text;
    },
  };
}
