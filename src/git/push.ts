import { encodePack } from './pack.ts';
import { decodePackets, encodePacket, FLUSH, packetText, splitSideBands } from './pkt-line.ts';
import type { NewObject } from './port.ts';

export interface PushCommand {
  /** The full name. */
  readonly ref: string;
  readonly from: string | null;
  readonly to: string;
}

/** How a server took a push of one ref. */
export type PushAnswer =
  | { readonly kind: 'accepted' }
  /** The branch was not where we said, or another push was faster. */
  | { readonly kind: 'moved'; readonly reason: string }
  /** A rule of the server: a protected branch, a hook. `message` is what it told, for a person. */
  | { readonly kind: 'rejected'; readonly reason: string; readonly message: string }
  /** Refused for a reason that we do not know. */
  | { readonly kind: 'unclear'; readonly reason: string; readonly message: string }
  /** It could not take in our pack. */
  | { readonly kind: 'unpackFailed'; readonly reason: string; readonly message: string }
  /** No report, or half of one: whether the push took place is unknown. */
  | { readonly kind: 'lost' };

const NO_OBJECT = '0'.repeat(40);
const MAX_MESSAGE = 1000;

/** The capabilities that we ask for, of those that the server has. */
export function pushCapabilities(offered: ReadonlySet<string>, agent: string): readonly string[] {
  const wanted = ['report-status', 'side-band-64k', 'object-format=sha1'].filter((name) => offered.has(name));
  return [...wanted, `agent=${agent}`];
}

/** The body for git-receive-pack: the command, and a pack of exactly these objects. See gitprotocol-pack(5). */
export function encodePush(
  command: PushCommand,
  objects: readonly NewObject[],
  capabilities: readonly string[],
): Buffer {
  const line = `${command.from ?? NO_OBJECT} ${command.to} ${command.ref}\0 ${capabilities.join(' ')}`;
  return Buffer.concat([encodePacket(line), FLUSH, encodePack(objects).pack]);
}

/**
 * What git and the forges say when the branch is not where the push expected it; the text of `ng` is not part of any
 * specification.
 */
const MOVED =
  /non-fast-forward|fetch first|stale info|failed to (lock|update ref)|cannot lock|already exists|incorrect old value|is at .* but expected|reference already|failed to push/i;
const REJECTED =
  /hook declined|protected|not allowed|denied|prohibited|deny|read.?only|archived|currently checked out|hook/i;
/** A ref such as `a/b` beside `a`: trying again cannot help. */
const IN_THE_WAY =
  /exists; cannot create|cannot process .* and .* at the same time|refname conflict|there are still refs under/i;

/** What the reason behind `ng` means, with what was told beside it. */
export function judgeRefusal(reason: string, message: string): PushAnswer {
  if (IN_THE_WAY.test(reason) || IN_THE_WAY.test(message)) return { kind: 'rejected', reason, message };
  if (REJECTED.test(reason)) return { kind: 'rejected', reason, message };
  if (MOVED.test(reason)) return { kind: 'moved', reason };
  return { kind: 'unclear', reason, message };
}

/** What was told on the message band, as lines without progress and without git's own prefix. */
const readable = (messages: string): string =>
  messages
    .split(/[\r\n]+/)
    .map((line) => line.replace(/^(remote|error|fatal): /, '').trim())
    .filter((line) => line !== '')
    .join('; ')
    .slice(0, MAX_MESSAGE);

/** Reads the server's report on a push of `ref`. `sideBand`: whether side-band-64k was asked for. */
export function parsePushAnswer(bytes: Buffer, ref: string, sideBand: boolean): PushAnswer {
  const outer = decodePackets(bytes);
  const bands = sideBand ? splitSideBands(outer.packets) : { data: bytes, messages: '', error: null };
  const message = readable([bands.messages, bands.error ?? ''].join('\n'));
  const report = decodePackets(bands.data).packets.flatMap((packet) =>
    typeof packet === 'string' ? [] : [packetText(packet)],
  );
  const unpack = report.find((line) => line.startsWith('unpack '));
  if (unpack !== undefined && unpack !== 'unpack ok') {
    return { kind: 'unpackFailed', reason: unpack.slice('unpack '.length), message };
  }
  const refused = report.find((line) => line.startsWith(`ng ${ref} `));
  if (refused !== undefined) return judgeRefusal(refused.slice(`ng ${ref} `.length), message);
  if (unpack === 'unpack ok' && report.includes(`ok ${ref}`)) return { kind: 'accepted' };
  return { kind: 'lost' };
}
