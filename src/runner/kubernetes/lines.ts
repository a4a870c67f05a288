const LINE_FEED = 0x0a;

/** A line longer than this is no object that an API server keeps (etcd's limit is 1.5 MiB), whatever it is. */
export const MAX_LINE_BYTES = 64 * 1024 * 1024;

/**
 * The lines of a byte stream, without their line feeds, as they become complete; what follows the last line feed is
 * given as `rest`, because a stream that ends there was cut. Reads no further than its reader does, and copies every
 * byte at most twice, however small the chunks. Throws RangeError for a line over the limit.
 */
export async function* linesOf(
  chunks: AsyncIterable<Uint8Array>,
  maxBytes: number = MAX_LINE_BYTES,
): AsyncGenerator<{ readonly line: string } | { readonly rest: string }> {
  let parts: Uint8Array[] = [];
  let size = 0;
  const take = (): string => {
    const text = Buffer.concat(parts, size).toString('utf8');
    parts = [];
    size = 0;
    return text;
  };
  for await (const chunk of chunks) {
    let from = 0;
    for (let at = chunk.indexOf(LINE_FEED); at !== -1; at = chunk.indexOf(LINE_FEED, from)) {
      parts.push(chunk.subarray(from, at));
      size += at - from;
      yield { line: take() };
      from = at + 1;
    }
    if (from < chunk.length) {
      parts.push(chunk.subarray(from));
      size += chunk.length - from;
    }
    if (size > maxBytes) throw new RangeError(`a line of more than ${maxBytes} bytes`);
  }
  if (size > 0) yield { rest: take() };
}
