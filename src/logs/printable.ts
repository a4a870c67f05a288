/** What each byte is to the reader of lines; everything that is not `text` leaves its fast path. */
export const BYTE = { text: 0, newline: 1, carriageReturn: 2, escape: 3, control: 4, multibyte: 5 } as const;

/** The class of each byte by its value: printable ASCII and the tab are text. */
export const byteClass: Uint8Array = Uint8Array.from({ length: 256 }, (_, byte) => {
  if (byte === 0x0a) return BYTE.newline;
  if (byte === 0x0d) return BYTE.carriageReturn;
  if (byte === 0x1b) return BYTE.escape;
  if (byte >= 0x80) return BYTE.multibyte;
  return byte === 0x09 || (byte >= 0x20 && byte !== 0x7f) ? BYTE.text : BYTE.control;
});

/** A byte that can't be shown, as `\x00`. */
export const escapedByte = (byte: number): Buffer => Buffer.from(`\\x${byte.toString(16).padStart(2, '0')}`);

/** How many bytes follow this lead byte of UTF-8 (Unicode 15, table 3-7); 0: it leads nothing. */
export function followers(lead: number): number {
  if (lead >= 0xc2 && lead <= 0xdf) return 1;
  if (lead >= 0xe0 && lead <= 0xef) return 2;
  return lead >= 0xf0 && lead <= 0xf4 ? 3 : 0;
}

/** Whether a byte may come at this place (1, 2 or 3) after the lead byte: no overlong forms, no surrogates. */
export function follows(lead: number, place: number, byte: number): boolean {
  if (place > 1) return byte >= 0x80 && byte <= 0xbf;
  const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  return byte >= low && byte <= high;
}

/** Characters U+0080 to U+009F: some terminals take them for control sequences. */
export const isC1 = (sequence: Buffer): boolean => sequence.length === 2 && sequence[0] === 0xc2 && sequence[1]! < 0xa0;

/** The largest cut at or before `end` that does not fall into a character; `bytes` is valid UTF-8. */
export function characterBorder(bytes: Buffer, end: number): number {
  let border = end;
  while (border > 0 && border < bytes.length && (bytes[border]! & 0xc0) === 0x80) border -= 1;
  return border;
}

/** A chunk, and its aligned words, which are looked at four bytes at a time. */
export interface PlainText {
  readonly bytes: Buffer;
  readonly words: Int32Array;
  /** Where in the bytes the first word begins. */
  readonly base: number;
}

export function plainText(bytes: Buffer): PlainText {
  const base = (4 - (bytes.byteOffset & 3)) & 3;
  const count = Math.max(0, (bytes.length - base) >> 2);
  return { bytes, words: new Int32Array(bytes.buffer, count === 0 ? 0 : bytes.byteOffset + base, count), base };
}

/** Whether one of the four bytes may be no printable ASCII character: below 0x20 it borrows, 0x7f carries, from 0x80 on its upper bit is set. */
const isSuspect = (word: number): boolean => ((word | (word - 0x20202020) | (word + 0x01010101)) & 0x80808080) !== 0;

/**
 * The end of the text that begins here and is shown as it is: printable ASCII, tabs, line breaks and whole characters of
 * UTF-8.
 */
export function plainEnd({ bytes, words, base }: PlainText, from: number): number {
  const end = bytes.length;
  for (let at = from; at < end;) {
    if (at >= base && ((at - base) & 3) === 0) {
      let index = (at - base) >> 2;
      while (index < words.length && !isSuspect(words[index]!)) index += 1;
      at = base + (index << 2);
      if (at >= end) return end;
    }
    const byte = bytes[at]!;
    if (byte < 0x80) {
      if (byteClass[byte]! > BYTE.newline) return at;
      at += 1;
      continue;
    }
    const more = followers(byte);
    if (more === 0 || at + more >= end) return at;
    for (let place = 1; place <= more; place += 1) if (!follows(byte, place, bytes[at + place]!)) return at;
    if (byte === 0xc2 && bytes[at + 1]! < 0xa0) return at;
    at += more + 1;
  }
  return end;
}
