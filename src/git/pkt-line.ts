/** Git's frame for lines on the wire: gitprotocol-common(5). */

/** A line's bytes, or a packet without any: flush (0000), delimiter (0001), end of response (0002). */
export type Packet = Buffer | 'flush' | 'delimiter' | 'end';

const HEADER_BYTES = 4;
const SPECIAL: readonly Packet[] = ['flush', 'delimiter', 'end'];

export const FLUSH: Buffer = Buffer.from('0000');

/** A line as a packet. At most 65,516 bytes. */
export function encodePacket(line: string | Uint8Array): Buffer {
  const bytes = typeof line === 'string' ? Buffer.from(line) : line;
  const size = (bytes.length + HEADER_BYTES).toString(16).padStart(4, '0');
  return Buffer.concat([Buffer.from(size), bytes]);
}

/**
 * The packets of an answer. What does not parse, or ends in the middle of a packet, ends the list, and `complete`
 * is false: the packets before it are still good.
 */
export function decodePackets(bytes: Buffer): { readonly packets: readonly Packet[]; readonly complete: boolean } {
  const packets: Packet[] = [];
  let at = 0;
  while (at < bytes.length) {
    const header = bytes.toString('latin1', at, at + HEADER_BYTES);
    if (!/^[0-9a-f]{4}$/i.test(header)) return { packets, complete: false };
    const size = Number.parseInt(header, 16);
    if (size < HEADER_BYTES) {
      const special = SPECIAL[size];
      if (special === undefined) return { packets, complete: false };
      packets.push(special);
      at += HEADER_BYTES;
      continue;
    }
    if (at + size > bytes.length) return { packets, complete: false };
    packets.push(bytes.subarray(at + HEADER_BYTES, at + size));
    at += size;
  }
  return { packets, complete: true };
}

/** A packet as a line of text, without its line feed. */
export const packetText = (packet: Buffer): string => packet.toString('utf8').replace(/\n$/, '');

/** What the three bands of side-band-64k carried: data, messages for a person, and an error that ended it. */
export interface SideBands {
  readonly data: Buffer;
  readonly messages: string;
  readonly error: string | null;
}

/** Takes apart an answer that was sent with side-band-64k: gitprotocol-capabilities(5). */
export function splitSideBands(packets: readonly Packet[]): SideBands {
  const bands: Record<number, Buffer[]> = { 1: [], 2: [], 3: [] };
  for (const packet of packets) if (typeof packet !== 'string') bands[packet[0] ?? 0]?.push(packet.subarray(1));
  const text = (band: number): string =>
    Buffer.concat(bands[band] ?? [])
      .toString('utf8')
      .trim();
  return { data: Buffer.concat(bands[1] ?? []), messages: text(2), error: text(3) === '' ? null : text(3) };
}
