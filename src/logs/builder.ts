import { characterBorder } from './printable.ts';
import { MASK, type RedactionSink } from './redact.ts';

/** Puts redacted bytes together into lines again. */
export interface LineBuilder extends RedactionSink {
  /** Says that a colour stood at this offset of the stream; ascending, before the bytes at that offset arrive. */
  colour(offset: number, sequence: string): void;
  /** Ends a line that has no line break. */
  end(): void;
}

export interface LineBuilderOptions {
  /** Bytes; longer lines are split, with CONTINUED at the end of one part and at the beginning of the next. */
  readonly maxLine: number;
  /** `display` is there when the line has colours. */
  readonly onLine: (plain: Buffer, display: string | undefined) => void;
}

/** Marks the border between the parts of a line that was too long. */
export const CONTINUED = '…';

const RESET = '\x1b[0m';
const mark = Buffer.from(CONTINUED);
const mask = Buffer.from(MASK);

export function createLineBuilder({ maxLine, onLine }: LineBuilderOptions): LineBuilder {
  let plain: Buffer[] = [];
  let display: Buffer[] | undefined; // the same with colours, once there is one
  let length = 0;
  let started = false;
  const colours: { offset: number; sequence: string }[] = [];

  const add = (bytes: Buffer): void => {
    plain.push(bytes);
    display?.push(bytes);
    length += bytes.length;
    started = true;
  };
  const paint = (sequence: string): void => {
    display ??= [...plain];
    display.push(Buffer.from(sequence));
  };
  const emit = (): void => {
    const line = plain.length === 1 ? plain[0]! : Buffer.concat(plain);
    onLine(line, display && `${Buffer.concat(display).toString()}${RESET}`);
    plain = [];
    display = undefined;
    length = 0;
    started = false;
  };
  const split = (): void => {
    add(mark);
    emit();
    add(mark);
    length = 0;
  };
  const addSplit = (bytes: Buffer): void => {
    let rest = bytes;
    while (length + rest.length > maxLine) {
      const cut = characterBorder(rest, maxLine - length);
      if (cut > 0) add(rest.subarray(0, cut));
      rest = rest.subarray(cut);
      split();
    }
    if (rest.length > 0) add(rest);
  };
  /** Puts in the colours that stand at or before this offset. */
  const paintTo = (offset: number): void => {
    while (colours.length > 0 && colours[0]!.offset <= offset) paint(colours.shift()!.sequence);
  };
  /** Adds text that begins at this offset, with the colours that stand before and within it. */
  const addText = (bytes: Buffer, offset: number): void => {
    let at = 0;
    while (colours.length > 0 && colours[0]!.offset < offset + bytes.length) {
      const before = Math.max(at, colours[0]!.offset - offset);
      if (before > at) addSplit(bytes.subarray(at, before));
      at = before;
      paintTo(offset + at);
    }
    if (at < bytes.length) addSplit(bytes.subarray(at));
  };

  return {
    colour(offset, sequence) {
      colours.push({ offset, sequence });
    },
    keep(bytes, offset) {
      let at = 0;
      for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, at)) {
        addText(bytes.subarray(at, end), offset + at);
        paintTo(offset + end);
        emit();
        at = end + 1;
      }
      addText(bytes.subarray(at), offset + at);
    },
    mask(offset) {
      paintTo(offset);
      if (length + mask.length > maxLine) split();
      add(mask);
    },
    end() {
      for (const { sequence } of colours.splice(0)) paint(sequence);
      if (started) emit();
    },
  };
}
