import { parseMask, type MaskNode } from './mask-syntax.ts';

/** Compiled masks: what matches one of them is redacted. One of these serves any number of streams. */
export interface MaskPatterns {
  /**
   * Calls `found` for each match, ascending. Returns where a match begins that what follows may complete or prolong; the length:
   * none, or nothing follows (`isAll`).
   */
  scan(bytes: Buffer, found: (from: number, to: number) => void, isAll: boolean): number;
}

/** So many bytes may pass without a match, or a longer one; then what was found by then counts. */
const MAX_DOUBT = 1024;
/** Bytes of the longest match. */
export const MAX_MATCH = 64 * 1024;
const MOST_STATES = 4096;
/** States of the search that are kept; each takes a kilobyte. */
const MOST_KEPT = 1024;

/** A state waits for one of its bytes, or goes on to others at once. */
interface State {
  readonly set: ReadonlySet<number> | null;
  next: readonly number[];
}

/** Thompson's construction (Regular Expression Search Algorithm, 1968), from behind: each node knows where it leads. */
function buildStates(nodes: readonly MaskNode[]): { readonly states: readonly State[]; readonly start: number } {
  const states: State[] = [{ set: null, next: [] }]; // 0: a match
  const add = (state: State): number => {
    if (states.length >= MOST_STATES) throw new Error('is too large: use fewer or smaller counts');
    return states.push(state) - 1;
  };
  const build = (node: MaskNode, next: number): number => {
    switch (node.kind) {
      case 'bytes':
        return add({ set: node.set, next: [next] });
      case 'sequence':
        return node.parts.reduceRight((after, part) => build(part, after), next);
      case 'choice':
        return add({ set: null, next: node.options.map((option) => build(option, next)) });
      case 'repeat':
        return repeat(node.of, node.min, node.max, next);
    }
  };
  const repeat = (of: MaskNode, min: number, max: number, next: number): number => {
    let after = next;
    if (max === Infinity) {
      after = add({ set: null, next: [] });
      states[after]!.next = [build(of, after), next];
    } else for (let count = max; count > min; count -= 1) after = add({ set: null, next: [build(of, after), next] });
    for (let count = 0; count < min; count += 1) after = build(of, after);
    return after;
  };
  const start = add({ set: null, next: nodes.map((node) => build(node, 0)) });
  return { states, start };
}

interface Step {
  readonly members: readonly number[];
  readonly accepts: boolean;
  /** By byte: undefined is not known yet, null leads nowhere. */
  readonly next: (Step | null | undefined)[];
  /** The step that also begins anew; made when it is first asked for. */
  orBegin?: Step;
}

/** The states that are reached without a byte, each once, ascending. */
function closure(states: readonly State[], from: readonly number[]): number[] {
  const reached = new Set<number>();
  const open = [...from];
  for (let index = open.pop(); index !== undefined; index = open.pop()) {
    if (reached.has(index)) continue;
    reached.add(index);
    const state = states[index]!;
    if (state.set === null) open.push(...state.next);
  }
  return [...reached].filter((index) => index === 0 || states[index]!.set !== null).sort((a, b) => a - b);
}

/**
 * Compiles masks into one search. Throws an Error for the first that is none: its message completes the sentence that begins with
 * the mask. There is no backtracking: what a program prints can't make the search slow.
 */
export function compileMasks(sources: readonly string[]): MaskPatterns | undefined {
  if (sources.length === 0) return undefined;
  const { states, start } = buildStates(sources.map(parseMask));
  let kept = new Map<string, Step>();
  const stepFor = (members: readonly number[]): Step | null => {
    if (members.length === 0) return null;
    const key = members.join(' ');
    const known = kept.get(key);
    if (known) return known;
    if (kept.size >= MOST_KEPT) kept = new Map();
    const step: Step = { members, accepts: members[0] === 0, next: Array.from({ length: 256 }) };
    kept.set(key, step);
    return step;
  };
  const begin = (): Step => stepFor(closure(states, [start]))!;
  const advance = (step: Step, byte: number): Step | null => {
    const known = step.next[byte];
    if (known !== undefined) return known;
    const led = step.members.flatMap((index) => (states[index]!.set?.has(byte) ? states[index]!.next : []));
    const next = stepFor(closure(states, led));
    step.next[byte] = next;
    return next;
  };
  const first = begin();
  if (first.accepts) throw new Error('matches the empty text');
  const begins = Uint8Array.from({ length: 256 }, (_, byte) => (advance(first, byte) ? 1 : 0));

  /** A search that goes on with this step and may also begin here. */
  const orBegin = (step: Step | null): Step => {
    if (!step) return first;
    step.orBegin ??= stepFor([...new Set([...step.members, ...first.members])].sort((a, b) => a - b))!;
    return step.orBegin;
  };

  /**
   * Where what matches from `at` on ends, and whether more bytes could prolong it. What begins within a match and ends behind it
   * prolongs it: nothing of either may be left.
   */
  const matchAt = (bytes: Buffer, at: number): { readonly end: number; readonly isOpen: boolean } => {
    const { length } = bytes;
    let matched = at;
    let isOpen = false;
    const run = (from: number, step: Step | null): void => {
      const most = Math.min(length, at + MAX_MATCH);
      let end = from;
      let limit = from + MAX_DOUBT;
      while ((step || end < matched) && end < most && end < limit) {
        step = advance(end < matched ? orBegin(step) : step!, bytes[end]!);
        end += 1;
        if (step?.accepts) matched = Math.max(matched, end);
        if (end <= matched) limit = matched + MAX_DOUBT;
      }
      isOpen ||= step !== null && end === length && end < limit && end < at + MAX_MATCH;
    };
    run(at, first);
    for (let from = at + 1; from < matched;) {
      const searched = matched;
      run(from, null);
      from = searched;
    }
    return { end: matched, isOpen };
  };

  return {
    scan(bytes, found, isAll) {
      const { length } = bytes;
      for (let at = 0; at < length;) {
        if (begins[bytes[at]!] === 0) {
          at += 1;
          continue;
        }
        const { end, isOpen } = matchAt(bytes, at);
        if (isOpen && !isAll) return at;
        if (end > at) found(at, end);
        // What is cut at its utmost length may hold the beginning of the next.
        at = end - at > MAX_MATCH - MAX_DOUBT ? end - MAX_DOUBT : Math.max(end, at + 1);
      }
      return length;
    },
  };
}
