import { SHORTEST_SECRET, secretForms } from './forms.ts';
import type { MaskPatterns } from './mask-patterns.ts';
import { createPatterns } from './patterns.ts';

export { SHORTEST_SECRET } from './forms.ts';

/** What stands in place of a secret. */
export const MASK = '***';

/** A value that must not be seen, and a name for it that may be: `secret report/token`. */
export interface SecretValue {
  readonly label: string;
  readonly value: string;
}

/** Takes what a redaction stream lets through. Offsets count the bytes that were pushed into the stream. */
export interface RedactionSink {
  keep(bytes: Buffer, offset: number): void;
  /** What begins here is left out. */
  mask(offset: number): void;
}

export interface RedactionStream {
  /** Lets through what is certain; what may be the beginning of a secret stays back until more comes. */
  push(bytes: Buffer): void;
  /** What would go out if these bytes came now; nothing changes by it. */
  preview(bytes: Buffer): Buffer;
  /** Nothing follows: lets through what was kept back. */
  end(): void;
}

export interface Redactor {
  /** Adds a value to be redacted from here on. Returns a warning when it is too short and so refused. */
  add(secret: SecretValue): string | undefined;
  open(sink: RedactionSink): RedactionStream;
  /** A text with everything masked that is known by now. */
  redact(text: string): string;
}

const NOTHING: Buffer = Buffer.alloc(0);

interface Found {
  readonly from: number;
  readonly to: number;
}

/**
 * Masks secret values in printable text, wherever they are cut by chunks or line breaks. Overlapping and touching
 * secrets become one mask, so that nothing of either is left.
 */
export function createRedactor(secrets: readonly SecretValue[] = [], masks?: MaskPatterns): Redactor {
  const patterns = createPatterns();

  const add = ({ label, value }: SecretValue): string | undefined => {
    const found = secretForms(value);
    if (found.length === 0)
      return `${label} has fewer than ${SHORTEST_SECRET} characters and is not redacted: it would tear holes into every log`;
    for (const form of found) patterns.add(form);
    return undefined;
  };
  for (const secret of secrets) add(secret);

  /** Reports what is to be masked in these bytes, ascending, and returns where the part begins that is not certain yet. */
  const search = (bytes: Buffer, isAll: boolean): { readonly found: readonly Found[]; readonly open: number } => {
    const found: Found[] = [];
    const open = patterns.scan(bytes, isAll, (from, to) => found.push({ from, to }));
    if (!masks) return { found, open };
    const secretsFound = found.length;
    const add = (from: number, to: number): unknown => found.push({ from, to });
    const openMask = masks.scan(bytes, add, isAll);
    if (found.length > secretsFound) found.sort((a, b) => a.from - b.from);
    return { found, open: Math.min(open, openMask) };
  };

  const open = (sink: RedactionSink): RedactionStream => {
    let carry = NOTHING;
    let offset = 0; // of the carry's first byte
    let maskedTo = 0; // of the carry: known to be part of a secret
    let masking = false; // the last thing that went out was a mask

    /** Lets through what is certain, or everything; what matches begin in it is masked. */
    const pass = (bytes: Buffer, isAll: boolean, into: RedactionSink): void => {
      const { found, open: end } = search(bytes, isAll);
      let at = Math.min(maskedTo, end);
      const keepTo = (until: number): void => {
        if (until <= at) return;
        into.keep(at === 0 && until === bytes.length ? bytes : bytes.subarray(at, until), offset + at);
        masking = false;
      };
      for (const { from, to } of found) {
        if (from >= end) break;
        keepTo(from);
        if (from > maskedTo || !masking) into.mask(offset + from);
        masking = true;
        maskedTo = Math.max(maskedTo, to);
        at = Math.min(maskedTo, end);
      }
      keepTo(end);
      carry = end === bytes.length ? NOTHING : Buffer.from(bytes.subarray(end));
      offset += end;
      maskedTo = Math.max(0, maskedTo - end);
    };
    const withCarry = (bytes: Buffer): Buffer => (carry.length === 0 ? bytes : Buffer.concat([carry, bytes]));
    return {
      push(chunk) {
        pass(withCarry(chunk), false, sink);
      },
      preview(chunk) {
        const before = { carry, offset, maskedTo, masking };
        const { sink: into, text } = createCollector();
        pass(withCarry(chunk), false, into);
        ({ carry, offset, maskedTo, masking } = before);
        return text();
      },
      end() {
        pass(carry, true, sink);
      },
    };
  };

  return {
    add,
    open,
    redact(text) {
      const { sink, text: redacted } = createCollector();
      const stream = open(sink);
      stream.push(Buffer.from(text));
      stream.end();
      return redacted().toString();
    },
  };
}

function createCollector(): { readonly sink: RedactionSink; readonly text: () => Buffer } {
  const parts: Buffer[] = [];
  const mask = Buffer.from(MASK);
  return {
    sink: { keep: (bytes) => parts.push(bytes), mask: () => parts.push(mask) },
    text: () => Buffer.concat(parts),
  };
}
