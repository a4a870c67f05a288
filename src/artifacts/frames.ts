import { Readable } from 'node:stream';
import { asCoded, type CodedError, isCoded, terminalError, transientError } from '../errors.ts';

/**
 * Bytes with a last word: chunks, each behind its length (32 bits, big-endian), then a length of 0 and a JSON text behind its
 * own. What is cut off on its way has no last word, and who sends can say at the end what went wrong. HTTP's trailers are for
 * this, but proxies drop them.
 */

/** The longest chunk, and the longest last word, that is taken. */
const MAX_CHUNK = 16 * 1024 ** 2;

/** As it is read: who sent it may be anybody. */
type LastWord = { readonly ok: unknown } | { readonly error: unknown };

/** The bytes in frames; `last` is asked for what is said once they have been read. What either fails with is the last word. */
export async function* framed(
  chunks: AsyncIterable<Uint8Array>,
  last: () => unknown,
): AsyncGenerator<Buffer, void, undefined> {
  let word: LastWord;
  try {
    for await (const chunk of chunks) {
      if (chunk.byteLength === 0) continue;
      yield length(chunk.byteLength);
      yield Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    }
    word = { ok: await last() };
  } catch (thrown) {
    const error = asCoded(thrown, (why) => transientError('SendingFailed', why));
    word = { error: { code: error.code, message: error.message, terminal: error.errorClass === 'terminal' } };
  }
  const text = Buffer.from(JSON.stringify(word));
  yield length(0);
  yield length(text.byteLength);
  yield text;
}

const length = (bytes: number): Buffer => {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32BE(bytes);
  return buffer;
};

export interface Unframed {
  /** Ends well only when the last word said so; else it fails with what went wrong, or with `CutOff` (transient). */
  readonly body: Readable;
  /** What was said at the end, once the body has ended. */
  readonly last: () => unknown;
}

export function unframed(source: AsyncIterable<Uint8Array>): Unframed {
  let said: unknown;
  const body = async function* (): AsyncGenerator<Buffer, void, undefined> {
    const take = reader(source);
    for (;;) {
      const size = (await take(4)).readUInt32BE();
      if (size > MAX_CHUNK) throw terminalError('FrameInvalid', 'what came is not in frames');
      if (size > 0) {
        yield await take(size);
        continue;
      }
      const word = parse(await take(Math.min((await take(4)).readUInt32BE(), MAX_CHUNK)));
      if ('error' in word) throw faultOf(word.error);
      said = word.ok;
      return;
    }
  };
  return { body: Readable.from(body(), { objectMode: false }), last: () => said };
}

function faultOf(error: unknown): CodedError {
  const { code, message, terminal } = (error ?? {}) as Partial<Record<'code' | 'message' | 'terminal', unknown>>;
  return (terminal === true ? terminalError : transientError)(String(code), String(message).slice(0, 2_000));
}

function parse(text: Buffer): LastWord {
  try {
    const word: unknown = JSON.parse(text.toString('utf8'));
    if (typeof word === 'object' && word !== null && ('ok' in word || 'error' in word)) return word;
  } catch {
    // Said below.
  }
  throw terminalError('FrameInvalid', 'what came has no last word that can be read');
}

/** Takes exactly so many bytes at a time. */
function reader(source: AsyncIterable<Uint8Array>): (bytes: number) => Promise<Buffer> {
  const iterator = source[Symbol.asyncIterator]();
  let rest: Buffer[] = [];
  let held = 0;
  return async (bytes) => {
    while (held < bytes) {
      const next = await iterator.next().catch((error: unknown) => {
        throw isCoded(error) ? error : cutOff(error);
      });
      if (next.done === true) throw cutOff();
      rest.push(Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength));
      held += next.value.byteLength;
    }
    const all = rest.length === 1 ? (rest[0] as Buffer) : Buffer.concat(rest);
    rest = [all.subarray(bytes)];
    held -= bytes;
    return all.subarray(0, bytes);
  };
}

const cutOff = (cause?: unknown): CodedError =>
  transientError('CutOff', 'it was cut off on its way', cause === undefined ? {} : { cause });
