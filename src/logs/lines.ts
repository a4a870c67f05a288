import { createEscapeParser } from './escapes.ts';
import {
  BYTE,
  byteClass,
  characterBorder,
  escapedByte,
  followers,
  follows,
  isC1,
  plainEnd,
  plainText,
} from './printable.ts';

/** A terminal sequence that colours what follows, and where in the text it stood (bytes). */
export interface Colour {
  readonly offset: number;
  readonly sequence: string;
}

/** A line, or a part of one that is longer than the reader's maximum. */
export interface LinePiece {
  /** Printable, valid UTF-8 without the line break and without terminal sequences. Overwritten after the call. */
  readonly bytes: Buffer;
  /** Colours that stood in these bytes, by their offset in them. */
  readonly colours: readonly Colour[];
  readonly first: boolean;
  /** False: the next piece belongs to the same line. */
  readonly last: boolean;
}

export interface LineReader {
  push(chunk: Uint8Array): void;
  /** What is held of a line that has not ended, and whether it begins the line. Overwritten by what comes next. */
  held(): { readonly bytes: Buffer; readonly first: boolean };
  /** Ends a line that has no line break. */
  end(): void;
}

export interface LineReaderOptions {
  /** Bytes that are held at most; a longer line comes in pieces. At least 128. */
  readonly maxLine: number;
  readonly onPiece: (piece: LinePiece) => void;
  /**
   * Takes whole lines, each with its line break, that are printable as they came: a part of the chunk, and so not to be changed.
   * Absent: they come as pieces, too.
   */
  readonly onLines?: (lines: Buffer) => void;
}

/** Colours that are kept of a piece; more of them colour nothing. */
const MAX_COLOURS = 512;

/**
 * Bytes to lines, in constant memory; how the bytes are cut into chunks makes no difference. A carriage return within
 * a line takes back what the line held so far, as a terminal overwrites a progress bar (only what is held: pieces that
 * were handed out stay). Control bytes and invalid UTF-8 come out as `\x00`; terminal sequences are left out.
 */
export function createLineReader({ maxLine, onPiece, onLines }: LineReaderOptions): LineReader {
  const line = Buffer.allocUnsafe(Math.max(128, maxLine));
  const escapes = createEscapeParser();
  const character = Buffer.alloc(4);
  let used = 0;
  let first = true;
  let colours: Colour[] = [];
  let returned = false; // a carriage return waits for what comes after it
  let coloursBeforeReturn = 0;
  let inEscape = false;
  let characterUsed = 0;

  const emit = (last: boolean): void => {
    onPiece({ bytes: line.subarray(0, used), colours, first, last });
    used = 0;
    if (colours.length > 0) colours = [];
    coloursBeforeReturn = 0;
    first = last;
  };
  const takeBack = (): void => {
    used = 0;
    colours = colours.slice(coloursBeforeReturn).map(({ sequence }) => ({ offset: 0, sequence }));
    returned = false;
  };
  const newline = (): void => {
    returned = false;
    emit(true);
  };
  const append = (bytes: Buffer): void => {
    if (returned) takeBack();
    if (used + bytes.length > line.length) emit(false);
    used += bytes.copy(line, used);
  };
  /** Text without line breaks, which no piece may cut within a character. */
  const appendRun = (chunk: Buffer, from: number, to: number): void => {
    if (returned) takeBack();
    for (let at = from; at < to;) {
      const room = Math.min(to, at + line.length - used);
      const cut = room === to ? to : characterBorder(chunk, room);
      if (cut <= at) {
        emit(false);
        continue;
      }
      used += chunk.copy(line, used, at, cut);
      at = cut;
    }
  };
  const isHolding = (): boolean => used > 0 || !first || returned || colours.length > 0;
  /** Text with line breaks. */
  const plain = (chunk: Buffer, from: number, to: number): void => {
    let at = from;
    while (at < to) {
      if (onLines && !isHolding()) {
        const last = chunk.lastIndexOf(0x0a, to - 1);
        if (last >= at) {
          onLines(chunk.subarray(at, last + 1));
          at = last + 1;
          continue;
        }
      }
      const end = chunk.indexOf(0x0a, at);
      const isWhole = end >= 0 && end < to;
      const until = isWhole ? end : to;
      if (until > at) appendRun(chunk, at, until);
      if (isWhole) newline();
      at = until + 1;
    }
  };

  /** False: the byte does not belong to the sequence; it has to be looked at again. */
  const escapeByte = (byte: number): boolean => {
    const step = escapes.next(byte);
    inEscape = step.kind === 'more';
    if (step.kind === 'colour' && colours.length < MAX_COLOURS) colours.push({ offset: used, sequence: step.sequence });
    if (step.kind === 'broken' && step.text !== '') append(Buffer.from(step.text));
    return step.kind !== 'broken';
  };
  const brokenCharacter = (): void => {
    const bytes = [...character.subarray(0, characterUsed)];
    characterUsed = 0;
    for (const byte of bytes) append(escapedByte(byte));
  };
  const characterByte = (byte: number): boolean => {
    if (characterUsed > 0 && !follows(character[0]!, characterUsed, byte)) {
      brokenCharacter();
      return false;
    }
    character[characterUsed] = byte;
    characterUsed += 1;
    const wanted = followers(character[0]!) + 1;
    if (wanted === 1) brokenCharacter();
    else if (characterUsed === wanted) {
      const sequence = character.subarray(0, wanted);
      characterUsed = 0;
      append(isC1(sequence) ? escapedByte(sequence[1]!) : sequence);
    }
    return true;
  };
  const special = (byte: number): void => {
    switch (byteClass[byte]!) {
      case BYTE.newline:
        return newline();
      case BYTE.carriageReturn:
        if (!returned) coloursBeforeReturn = colours.length;
        returned = true;
        return;
      case BYTE.escape:
        escapes.begin();
        inEscape = true;
        return;
      case BYTE.multibyte:
        characterByte(byte);
        return;
      default:
        append(escapedByte(byte));
    }
  };

  return {
    push(input) {
      const chunk = Buffer.from(input.buffer, input.byteOffset, input.byteLength);
      const { length } = chunk;
      const text = plainText(chunk);
      for (let at = 0; at < length;) {
        const byte = chunk[at]!;
        if (inEscape && escapeByte(byte)) at += 1;
        else if (characterUsed > 0 && characterByte(byte)) at += 1;
        else if (byte !== 0x0d && byte !== 0x1b) {
          const to = plainEnd(text, at);
          if (to > at) {
            plain(chunk, at, to);
            at = to;
          } else {
            special(byte);
            at += 1;
          }
        } else {
          special(byte);
          at += 1;
        }
      }
    },
    held: () => ({ bytes: line.subarray(0, used), first }),
    end() {
      brokenCharacter();
      const cutOff = inEscape ? escapes.abandon() : '';
      inEscape = false;
      if (cutOff !== '') append(Buffer.from(cutOff));
      returned = false;
      if (used > 0 || !first) emit(true);
    },
  };
}

/** A text as the reader makes it printable, its line breaks kept as `\n`. */
export function printable(text: Uint8Array): Buffer {
  const parts: Buffer[] = [];
  const reader = createLineReader({
    maxLine: 4 * text.length + 64,
    onPiece: ({ bytes }) => parts.push(Buffer.from(bytes), Buffer.from('\n')),
  });
  reader.push(text);
  reader.end();
  const endsLine = text.length > 0 && text[text.length - 1] === 0x0a;
  return Buffer.concat(endsLine ? parts : parts.slice(0, -1));
}
