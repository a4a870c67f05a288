/** What a mask looks for, over bytes: a byte of a set, one after the other, one of several, or repeated. */
export type MaskNode =
  | { readonly kind: 'bytes'; readonly set: ReadonlySet<number> }
  | { readonly kind: 'sequence'; readonly parts: readonly MaskNode[] }
  | { readonly kind: 'choice'; readonly options: readonly MaskNode[] }
  | { readonly kind: 'repeat'; readonly of: MaskNode; readonly min: number; readonly max: number };

const MOST_REPEATS = 256;
const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, index) => from + index);
const bytesOf = (values: Iterable<number>): MaskNode => ({ kind: 'bytes', set: new Set(values) });
const sequence = (...parts: readonly MaskNode[]): MaskNode => ({ kind: 'sequence', parts });

const DIGITS = range(0x30, 0x39);
const WORD = [...DIGITS, ...range(0x41, 0x5a), ...range(0x61, 0x7a), 0x5f];
const BLANK = [0x20, 0x09];
const NAMED: Readonly<Record<string, readonly number[]>> = { d: DIGITS, w: WORD, s: BLANK };
const NEWLINE = 0x0a;

/** A character of UTF-8 beyond ASCII. */
const BEYOND: readonly MaskNode[] = [
  sequence(bytesOf(range(0xc2, 0xdf)), bytesOf(range(0x80, 0xbf))),
  sequence(bytesOf(range(0xe0, 0xef)), bytesOf(range(0x80, 0xbf)), bytesOf(range(0x80, 0xbf))),
  sequence(
    bytesOf(range(0xf0, 0xf4)),
    bytesOf(range(0x80, 0xbf)),
    bytesOf(range(0x80, 0xbf)),
    bytesOf(range(0x80, 0xbf)),
  ),
];
/** Any character but these and the line break. */
const anyBut = (excluded: Iterable<number>): MaskNode => {
  const not = new Set([...excluded, NEWLINE]);
  return { kind: 'choice', options: [bytesOf(range(0, 0x7f).filter((byte) => !not.has(byte))), ...BEYOND] };
};

class MaskSyntax extends Error {}

/**
 * Reads a mask: the part of regular expressions that can be searched for in linear time. Throws an Error whose message completes
 * the sentence that begins with the mask.
 */
export function parseMask(source: string): MaskNode {
  const ignoreCase = source.startsWith('(?i)');
  const text = ignoreCase ? source.slice(4) : source;
  let at = 0;
  const fail = (why: string): never => {
    throw new MaskSyntax(why);
  };
  const accept = (wanted: string): boolean => {
    if (!text.startsWith(wanted, at)) return false;
    at += wanted.length;
    return true;
  };
  const folded = (byte: number): number[] => {
    const character = String.fromCharCode(byte);
    return ignoreCase && byte < 0x80
      ? [character.toLowerCase().charCodeAt(0), character.toUpperCase().charCodeAt(0)]
      : [byte];
  };
  /** The character of an escape, or the set that it names. */
  const escape = (): { readonly byte: number } | { readonly set: readonly number[]; readonly not: boolean } => {
    const character = text[at] ?? fail('ends in a backslash');
    at += 1;
    const named = NAMED[character.toLowerCase()];
    if (named) return { set: named, not: character !== character.toLowerCase() };
    if (character === 't') return { byte: 0x09 };
    const [, hex] = character === 'x' ? (/^([0-9a-fA-F]{2})/.exec(text.slice(at)) ?? []) : [];
    if (hex !== undefined) {
      at += 2;
      return Number.parseInt(hex, 16) < 0x80 ? { byte: Number.parseInt(hex, 16) } : fail('has \\x beyond ASCII');
    }
    if (/[A-Za-z0-9]/.test(character)) return fail(`has \\${character}, which masks don't know`);
    return { byte: character.charCodeAt(0) };
  };
  const classByte = (): number => {
    if (accept('\\')) {
      const found = escape();
      return 'byte' in found ? found.byte : fail('has a named set as the end of a range');
    }
    const byte = text.charCodeAt(at);
    at += 1;
    return byte < 0x80 ? byte : fail('has a character beyond ASCII in brackets');
  };
  const brackets = (): MaskNode => {
    const not = accept('^');
    const set = new Set<number>();
    for (let first = true; first || text[at] !== ']'; first = false) {
      if (at >= text.length) fail('has a [ without its ]');
      const named = /^\\([dws])/.exec(text.slice(at))?.[1];
      if (named !== undefined) {
        at += 2;
        for (const byte of NAMED[named]!) set.add(byte);
        continue;
      }
      const from = classByte();
      const isRange = text[at] === '-' && text[at + 1] !== ']' && at + 1 < text.length;
      if (isRange) at += 1;
      const to = isRange ? classByte() : from;
      if (to < from) fail('has a range that goes backwards');
      for (const byte of range(from, to)) for (const each of folded(byte)) set.add(each);
    }
    at += 1;
    set.delete(NEWLINE);
    if (set.size === 0 && !not) fail('has brackets that hold nothing');
    return not ? anyBut(set) : bytesOf(set);
  };
  const group = (): MaskNode => {
    if (text[at] === '?' && !accept('?:')) fail('has (?, which masks know only as (?: and, at the beginning, (?i)');
    const inner = choice();
    if (!accept(')')) fail('has a ( without its )');
    return inner;
  };
  const atom = (): MaskNode => {
    if (accept('(')) return group();
    if (accept('[')) return brackets();
    if (accept('.')) return anyBut([]);
    if (accept('\\')) {
      const found = escape();
      if ('byte' in found) return bytesOf(folded(found.byte));
      return found.not ? anyBut(found.set) : bytesOf(found.set);
    }
    const character = String.fromCodePoint(text.codePointAt(at)!);
    if (character === '\n') fail('holds a line break: a mask is looked for within a line');
    if ('^$'.includes(character)) fail(`has ${character}, which masks don't know`);
    if ('*+?{'.includes(character)) fail(`has ${character} with nothing before it`);
    at += character.length;
    return sequence(...Array.from(Buffer.from(character), (byte) => bytesOf(folded(byte))));
  };
  const counts = (): readonly [number, number] | undefined => {
    if (accept('*')) return [0, Infinity];
    if (accept('+')) return [1, Infinity];
    if (accept('?')) return [0, 1];
    const [whole, min, comma, max] = /^\{(\d{1,4})(?:(,)(\d{1,4})?)?\}/.exec(text.slice(at)) ?? [];
    if (whole === undefined) return text[at] === '{' ? fail('has a { that is no count') : undefined;
    at += whole.length;
    const least = Number(min);
    const most = max === undefined ? (comma === undefined ? least : Infinity) : Number(max);
    if (least > MOST_REPEATS || (most !== Infinity && most > MOST_REPEATS))
      fail(`repeats more than ${MOST_REPEATS} times`);
    if (most < least) fail('has a count that goes backwards');
    return [least, most];
  };
  const term = (): MaskNode => {
    let node = atom();
    for (let found = counts(); found; found = counts()) {
      node = { kind: 'repeat', of: node, min: found[0], max: found[1] };
      accept('?'); // a mask takes as much as it can, whatever the expression says
    }
    return node;
  };
  const choice = (): MaskNode => {
    const options: MaskNode[] = [];
    do {
      const parts: MaskNode[] = [];
      while (at < text.length && text[at] !== '|' && text[at] !== ')') parts.push(term());
      options.push({ kind: 'sequence', parts });
    } while (accept('|'));
    return options.length === 1 ? options[0]! : { kind: 'choice', options };
  };

  const node = choice();
  if (at < text.length) fail('has a ) without its (');
  return node;
}
