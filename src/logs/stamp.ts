const NEWLINE = 0x0a;

/** Puts the same beginning before each of many lines. */
export interface Stamper {
  /**
   * The lines, each with its line break, with `prefix` before each of them; and how many there are. The bytes are overwritten
   * by the next call.
   */
  stamp(lines: Buffer, prefix: Buffer): { readonly stored: Buffer; readonly count: number };
}

/** Works in memory of its own, so that nothing is allocated for a line. */
export function createStamper(): Stamper {
  let room = Buffer.allocUnsafe(4096);
  const grow = (used: number, needed: number): void => {
    const next = Buffer.allocUnsafe(Math.max(2 * room.length, used + needed));
    room.copy(next, 0, 0, used);
    room = next;
  };
  return {
    stamp(lines, prefix) {
      let used = 0;
      let count = 0;
      for (let at = 0; at < lines.length;) {
        const found = lines.indexOf(NEWLINE, at);
        const end = found < 0 ? lines.length : found + 1;
        const size = prefix.length + end - at;
        if (used + size > room.length) grow(used, size);
        room.set(prefix, used);
        lines.copy(room, used + prefix.length, at, end);
        used += size;
        count += 1;
        at = end;
      }
      return { stored: room.subarray(0, used), count };
    },
  };
}
