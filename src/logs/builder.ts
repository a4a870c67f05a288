import { characterBorder } from './printable.ts';
import { MASK, type RedactionSink } from './redact.ts';

/** Puts redacted bytes together into lines again. */
export interface LineBuilder extends RedactionSink {
  /** Says that a colour stood at this offset of the stream; ascending, before the bytes at that offset arrive. */
  colour(offset: number, sequence: string): void;
  /** What there is of a line that has not ended yet. */
  open(): Buffer;
  /** Ends a line that has no line break. */
  end(): void;
}

export interface LineBuilderOptions {
  /** Bytes; longer lines are split, with CONTINUED at the end of one part and at the beginning of the next. */
  readonly maxLine: number;
  /** Takes whole lines, each with its line break: to be copied by whoever keeps them. */
  readonly onLines: (lines: Buffer) => void;
  /** Takes the same lines for whoever looks on; `display` is there for a single line with colours, without its line break. */
  readonly onView?: ((lines: Buffer, display: string | undefined) => void) | undefined;
}

/** Marks the border between the parts of a line that was too long. */
export const CONTINUED = '…';

const RESET = '\x1b[0m';
const NEWLINE = 0x0a;
const newline = Buffer.from('\n');
const mark = Buffer.from(CONTINUED);
const mask = Buffer.from(MASK);

/** Whether one of these lines is longer than so many bytes. */
function hasLongLine(lines: Buffer, maxLine: number): boolean {
  for (let at = 0; lines.length - at > maxLine;) {
    const end = lines.lastIndexOf(NEWLINE, at + maxLine);
    if (end < at) return true;
    at = end + 1;
  }
  return false;
}

export function createLineBuilder({ maxLine, onLines, onView }: LineBuilderOptions): LineBuilder {
  let plain: Buffer[] = [];
  let display: (Buffer | string)[] | undefined; // the same with colours, once there is one
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
    display.push(sequence);
  };
  const emit = (): void => {
    const line = Buffer.concat([...plain, newline]);
    onLines(line);
    onView?.(line, display && `${display.map(String).join('')}${RESET}`);
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
      if (cut > 0) add(Buffer.from(rest.subarray(0, cut)));
      rest = rest.subarray(cut);
      split();
    }
    if (rest.length > 0) add(Buffer.from(rest));
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
  /** The end of the whole lines from here on that need nothing done to them. */
  const wholeLines = (bytes: Buffer, at: number, offset: number): number => {
    if (started || display || (colours[0]?.offset ?? Infinity) <= offset + at) return at;
    const until = Math.min(bytes.length, (colours[0]?.offset ?? Infinity) - offset);
    const end = until > at ? bytes.lastIndexOf(NEWLINE, until - 1) + 1 : at;
    return end > at && !hasLongLine(bytes.subarray(at, end), maxLine) ? end : at;
  };

  return {
    colour(offset, sequence) {
      if (onView) colours.push({ offset, sequence });
    },
    keep(bytes, offset) {
      for (let at = 0; at < bytes.length;) {
        const whole = wholeLines(bytes, at, offset);
        if (whole > at) {
          const lines = bytes.subarray(at, whole);
          onLines(lines);
          onView?.(lines, undefined);
          at = whole;
          continue;
        }
        const end = bytes.indexOf(NEWLINE, at);
        addText(bytes.subarray(at, end < 0 ? bytes.length : end), offset + at);
        if (end < 0) return;
        paintTo(offset + end);
        emit();
        at = end + 1;
      }
    },
    mask(offset) {
      paintTo(offset);
      if (length + mask.length > maxLine) split();
      add(mask);
    },
    open: () => Buffer.concat(plain),
    end() {
      for (const { sequence } of colours.splice(0)) paint(sequence);
      if (started) emit();
    },
  };
}
