const NEWLINE = 0x0a;

/** Used again for every call in this process, so that nothing is allocated for a line or for a log. */
let room = Buffer.allocUnsafe(4096);

function grow(used: number, needed: number): void {
  const next = Buffer.allocUnsafe(Math.max(2 * room.length, used + needed));
  room.copy(next, 0, 0, used);
  room = next;
}

/** The lines, each with its line break, with `prefix` before each of them. The bytes are overwritten by the next call. */
export function stampLines(lines: Buffer, prefix: Buffer): Buffer {
  let used = 0;
  for (let at = 0; at < lines.length;) {
    const found = lines.indexOf(NEWLINE, at);
    const end = found < 0 ? lines.length : found + 1;
    const size = prefix.length + end - at;
    if (used + size > room.length) grow(used, size);
    room.set(prefix, used);
    lines.copy(room, used + prefix.length, at, end);
    used += size;
    at = end;
  }
  return room.subarray(0, used);
}
