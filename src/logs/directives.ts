import type { LinePiece } from './lines.ts';
import { MAX_VALUE, type Variables } from './variables.ts';

/** A remark of a step about a place in a file, as the ledger keeps it. */
export interface Remark {
  readonly level: 'warning' | 'error';
  readonly message: string;
  readonly file?: string;
  /** From 1. */
  readonly line?: number;
}

/** What directives set in motion. */
export interface DirectiveEffects {
  readonly variables: Variables;
  remark(remark: Remark): void;
  mask(value: string): void;
  warn(warning: string): void;
}

export interface DirectiveParser {
  /**
   * Looks at a piece of a line; its effects have taken place when the last piece of the line was handed in. `mask`:
   * this begins a line with `::add-mask`, whose value must not be shown; `hide`: this belongs to such a line.
   */
  piece(piece: LinePiece): 'show' | 'mask' | 'hide';
  /**
   * Where the next line begins from here on that has to be handed in as a piece: it may be a directive, or a value is open.
   * `lines` are whole lines; its length: there is none.
   */
  next(lines: Buffer, from: number): number;
  /** Whether what comes belongs to a line that must not be shown. */
  hides(): boolean;
  /** The step has ended: a value that is still open is dropped with a warning. */
  end(): void;
}

/** Longest directive that is understood: the largest value and room for its name. */
const MAX_DIRECTIVE = MAX_VALUE + 1024;
/** Longest message of a remark, in characters. */
const MAX_REMARK = 4096;

const SET = '::set-outcome-var ';
const START = '::start-multiline-outcome-var';
const END = '::end-multiline-outcome-var';
const ADD_MASK = '::add-mask';
const REMARK = /^::(warning|error)(?: ([^\n]*?))?::(.*)$/s;
const MARKER = Buffer.from('::');
const MASK_MARKER = Buffer.from(ADD_MASK);
const LINE_MARKER = Buffer.from('\n::');

interface OpenValue {
  readonly key: string;
  readonly lines: string[];
  bytes: number;
}

const startsWith = (bytes: Buffer, start: Buffer): boolean => bytes.subarray(0, start.length).equals(start);

/** `file=a.py,line=3`; properties that mean nothing here (`col`, `title`) are passed over. */
function remarkOf(level: 'warning' | 'error', properties: string, text: string): Remark {
  const found = new Map(
    properties.split(',').map((property): [string, string] => {
      const [name = '', ...value] = property.split('=');
      return [name.trim(), value.join('=').trim()];
    }),
  );
  const file = found.get('file');
  const line = Number(found.get('line'));
  const message = text.length > MAX_REMARK ? `${text.slice(0, MAX_REMARK)}…` : text;
  return {
    level,
    message,
    ...(file ? { file } : {}),
    ...(Number.isSafeInteger(line) && line > 0 ? { line } : {}),
  };
}

/**
 * Finds the directives of the job reference at the beginning of the lines of one stream. `::group` and `::endgroup` are
 * left in the log as they are and need nothing here. None of the lines is lost: what is wrong with a directive ends
 * in a warning. `::add-mask::value` is understood like `::add-mask value`.
 */
export function createDirectiveParser(effects: DirectiveEffects): DirectiveParser {
  let open: OpenValue | undefined;
  let pieces: Buffer[] = [];
  let length = 0;
  let collecting = false;
  let masked = false;

  const setInLine = (text: string, tooLong: boolean): void => {
    const split = text.indexOf('=');
    if (split < 0) return effects.warn(`${SET}needs key=value: ${JSON.stringify(text.slice(0, 80))}`);
    const key = text.slice(SET.length, split).trim();
    if (tooLong) effects.variables.refuseSize(key);
    else effects.variables.set(key, text.slice(split + 1));
  };
  const start = (text: string): void => {
    if (open) effects.warn(`outcome variable ${open.key} was not ended before the next one began, and was not set`);
    open = { key: text.slice(START.length).trim(), lines: [], bytes: 0 };
  };
  const finish = (): void => {
    if (!open) return effects.warn(`${END} without a start`);
    const { key, lines, bytes } = open;
    open = undefined;
    if (bytes - 1 > MAX_VALUE) effects.variables.refuseSize(key);
    else effects.variables.set(key, lines.join('\n'));
  };
  const extend = (text: string, size: number): void => {
    if (!open) return;
    open.bytes += size + 1;
    if (open.bytes - 1 > MAX_VALUE) open.lines.length = 0;
    else open.lines.push(text);
  };
  const addMask = (text: string, tooLong: boolean): void => {
    const value = text
      .slice(ADD_MASK.length)
      .replace(/^(?:::|\s)/, '')
      .trim();
    if (tooLong) effects.warn('a mask is larger than 32 KiB and does not mask anything; split it up');
    else effects.mask(value);
  };

  const line = (text: string, size: number): void => {
    const tooLong = size > MAX_DIRECTIVE;
    const word = /^::[a-z-]*/.exec(text)?.[0];
    if (masked) addMask(text, tooLong);
    else if (word === START) start(text);
    else if (word === END) finish();
    else if (open) extend(text, size);
    else if (text.startsWith(SET)) setInLine(text, tooLong);
    else if (word !== undefined) {
      const remark = REMARK.exec(text);
      if (remark) effects.remark(remarkOf(remark[1] as Remark['level'], remark[2] ?? '', remark[3] ?? ''));
    }
  };
  const begin = (bytes: Buffer): void => {
    masked = startsWith(bytes, MASK_MARKER) && !/[a-z-]/.test(String.fromCharCode(bytes[MASK_MARKER.length] ?? 32));
    collecting = open !== undefined || startsWith(bytes, MARKER);
    pieces = [];
    length = 0;
  };

  return {
    piece({ bytes, first, last }) {
      if (first) begin(bytes);
      if (collecting) {
        if (length <= MAX_DIRECTIVE) pieces.push(Buffer.from(bytes));
        length += bytes.length;
        if (last) line(Buffer.concat(pieces).toString(), length);
      }
      if (!masked) return 'show';
      if (last) masked = false;
      return first ? 'mask' : 'hide';
    },
    hides: () => masked,
    next(lines, from) {
      if (open || lines.subarray(from, from + MARKER.length).equals(MARKER)) return from;
      const found = lines.indexOf(LINE_MARKER, from);
      return found < 0 ? lines.length : found + 1;
    },
    end() {
      if (open) effects.warn(`outcome variable ${open.key} was never ended with ${END}, and was not set`);
      open = undefined;
    },
  };
}
