import { transientError } from '../errors.ts';
import { encodePacket, FLUSH } from './pkt-line.ts';
import type { ShallowChange } from './shallow.ts';

/** What we want of a server, and what we have: gitprotocol-pack(5), version 0 over http in one request. */
export interface UploadRequest {
  /** The commits that are wanted. */
  readonly wants: readonly [string, ...string[]];
  /** Commits that are here, with all that they need but for the parents of the shallow ones. */
  readonly haves: readonly string[];
  readonly shallow: readonly string[];
  /** How many commits deep; undefined: all that is missing. */
  readonly depth: number | undefined;
  /** What the server can do. */
  readonly capabilities: ReadonlySet<string>;
  readonly agent: string;
}

/** Some servers insist on the detailed form of acknowledgements, though one round needs none. */
const WANTED: readonly string[] = [
  'multi_ack_detailed',
  'side-band-64k',
  'ofs-delta',
  'no-progress',
  'object-format=sha1',
];
const MAX_PACKET = 65_520;
const MAX_QUOTE = 200;

/** The body for git-upload-pack. A thin pack is asked for where there is something that it can stand on. */
export function encodeUploadRequest(request: UploadRequest): Buffer {
  const { wants, haves, shallow, depth, capabilities, agent } = request;
  const words = [...WANTED, ...(haves.length > 0 ? ['thin-pack'] : [])].filter((word) => capabilities.has(word));
  return Buffer.concat([
    encodePacket(`want ${wants[0]} ${[...words, `agent=${agent}`].join(' ')}\n`),
    ...wants.slice(1).map((id) => encodePacket(`want ${id}\n`)),
    ...shallow.map((id) => encodePacket(`shallow ${id}\n`)),
    ...(depth === undefined ? [] : [encodePacket(`deepen ${depth}\n`)]),
    FLUSH,
    ...haves.map((id) => encodePacket(`have ${id}\n`)),
    encodePacket('done\n'),
  ]);
}

/** Takes an answer apart while it arrives. */
export interface UploadAnswer {
  /** The next bytes. Throws `FetchRefused` (what the server says), `AnswerGarbled` and `AnswerUnexpected`, all transient. */
  take(part: Uint8Array): Promise<void>;
  /** To be called when nothing more comes. Throws `AnswerGarbled` where it ended too early. */
  end(): ShallowChange;
}

const garbled = (what: string) => transientError('AnswerGarbled', `the answer ${what}`);
const quoted = (text: string): string => JSON.stringify(text.trim().slice(0, MAX_QUOTE));

/** `write` gets the bytes of the pack. */
export function createUploadAnswer(write: (bytes: Buffer) => Promise<void>): UploadAnswer {
  const shallow: string[] = [];
  const unshallow: string[] = [];
  let rest: Buffer = Buffer.alloc(0);
  /** `bare`: without side-bands the pack comes as it is, to the end. */
  let state: 'lines' | 'bands' | 'bare' | 'done' = 'lines';

  const takeLine = (line: string): void => {
    const found = /^(shallow|unshallow) ([0-9a-f]{40})\n?$/.exec(line);
    if (found) (found[1] === 'shallow' ? shallow : unshallow).push(found[2]!);
    else if (line.startsWith('ERR ')) throw transientError('FetchRefused', `the server says ${quoted(line.slice(4))}`);
    else if (!/^(NAK|ACK [0-9a-f]{40}( \w+)?)\n?$/.test(line)) {
      throw transientError('AnswerUnexpected', `the answer has the line ${quoted(line)}`);
    }
  };
  const takePacket = async (packet: Buffer): Promise<void> => {
    const band = packet[0];
    if (band === 3) {
      throw transientError('FetchRefused', `the server says ${quoted(packet.toString('utf8', 1))}`);
    }
    if (band === 1 || band === 2) {
      state = 'bands';
      if (band === 1 && packet.length > 1) await write(packet.subarray(1));
    } else if (state === 'lines') takeLine(packet.toString('utf8'));
    else throw garbled('leaves its form in the middle of the pack');
  };
  /** The packet that `rest` begins with; false when it is not here yet. */
  const step = async (): Promise<boolean> => {
    if (state === 'done') return false;
    const header = rest.toString('latin1', 0, 4);
    if (state === 'lines' && header === 'PACK') state = 'bare';
    if (state === 'bare') {
      await write(rest);
      rest = Buffer.alloc(0);
      return false;
    }
    if (header.length < 4) return false;
    const size = /^[0-9a-f]{4}$/i.test(header) ? Number.parseInt(header, 16) : -1;
    if (size !== 0 && (size < 4 || size > MAX_PACKET)) throw garbled('is not in the form of git');
    if (size > rest.length) return false;
    if (size === 0 && state === 'bands') state = 'done';
    else if (size > 4) await takePacket(rest.subarray(4, size));
    rest = rest.subarray(Math.max(size, 4));
    return true;
  };

  return {
    async take(part) {
      rest = rest.length === 0 ? Buffer.from(part.buffer, part.byteOffset, part.length) : Buffer.concat([rest, part]);
      let more = true;
      while (more) more = await step();
    },
    end() {
      if (state !== 'bare' && state !== 'done') throw garbled('ends too early');
      return { shallow, unshallow };
    },
  };
}
