import { SHORTEST_SECRET, secretForms } from './forms.ts';
import { compilePatterns, type Patterns } from './patterns.ts';

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

/**
 * Masks secret values in printable text, wherever they are cut by chunks or line breaks. Overlapping and touching
 * secrets become one mask, so that nothing of either is left.
 */
export function createRedactor(secrets: readonly SecretValue[] = []): Redactor {
  const forms = new Map<string, Buffer>();
  let compiled: Patterns | undefined;
  const patterns = (): Patterns => (compiled ??= compilePatterns([...forms.values()]));

  const add = ({ label, value }: SecretValue): string | undefined => {
    const found = secretForms(value);
    if (found.length === 0)
      return `${label} has fewer than ${SHORTEST_SECRET} characters and is not redacted: it would tear holes into every log`;
    const before = forms.size;
    for (const form of found) forms.set(form.toString('latin1'), form);
    if (forms.size > before) compiled = undefined;
    return undefined;
  };
  for (const secret of secrets) add(secret);

  const open = (sink: RedactionSink): RedactionStream => {
    let carry = NOTHING;
    let offset = 0; // of the carry's first byte
    let maskedTo = 0; // of the carry: known to be part of a secret
    let masking = false; // the last thing that went out was a mask

    /** Lets bytes up to `end` through; what matches begin before it is masked. */
    const pass = (bytes: Buffer, end: number): void => {
      let at = Math.min(maskedTo, end);
      const keepTo = (to: number): void => {
        if (to <= at) return;
        sink.keep(bytes.subarray(at, to), offset + at);
        masking = false;
      };
      patterns().scan(bytes, (from, to) => {
        if (from >= end) return;
        keepTo(from);
        if (from > maskedTo || !masking) sink.mask(offset + from);
        masking = true;
        maskedTo = Math.max(maskedTo, to);
        at = Math.min(maskedTo, end);
      });
      keepTo(end);
      carry = bytes.subarray(end);
      offset += end;
      maskedTo = Math.max(0, maskedTo - end);
    };
    return {
      push(chunk) {
        const bytes = carry.length === 0 ? chunk : Buffer.concat([carry, chunk]);
        pass(bytes, patterns().openEnd(bytes));
      },
      end() {
        pass(carry, carry.length);
      },
    };
  };

  return {
    add,
    open,
    redact(text) {
      const parts: Buffer[] = [];
      const mask = Buffer.from(MASK);
      const stream = open({ keep: (bytes) => parts.push(bytes), mask: () => parts.push(mask) });
      stream.push(Buffer.from(text));
      stream.end();
      return Buffer.concat(parts).toString();
    },
  };
}
