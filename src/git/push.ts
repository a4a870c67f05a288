import { encodePack } from './pack.ts';
import { decodePackets, encodePacket, FLUSH, packetText, splitSideBands } from './pkt-line.ts';
import type { NewObject } from './port.ts';

export interface PushCommand {
  /** The full name. */
  readonly ref: string;
  readonly from: string | null;
  readonly to: string | null;
}

/** How a server took a push. */
export type PushAnswer =
  | { readonly kind: 'accepted' }
  /** The branch was not where we said, or another push was faster. */
  | { readonly kind: 'moved'; readonly reason: string }
  /** A rule of the server: a protected branch, a hook. `message` is what it told, for a person. */
  | { readonly kind: 'rejected'; readonly reason: string; readonly message: string }
  /** Refused for a reason that we do not know. */
  | { readonly kind: 'unclear'; readonly reason: string; readonly message: string }
  /** Refused for the sake of another ref than the first. */
  | { readonly kind: 'besideRefused'; readonly reason: string; readonly message: string }
  /** It could not take in our pack. */
  | { readonly kind: 'unpackFailed'; readonly reason: string; readonly message: string }
  /** No report, or half of one: whether the push took place is unknown. */
  | { readonly kind: 'lost' };

const NO_OBJECT = '0'.repeat(40);
const MAX_MESSAGE = 1000;

/** The capabilities that we ask for, of those that the server has; `atomic` for a push of several refs. */
export function pushCapabilities(offered: ReadonlySet<string>, agent: string, atomic = false): readonly string[] {
  const names = ['report-status', 'side-band-64k', 'object-format=sha1', ...(atomic ? ['atomic'] : [])];
  return [...names.filter((name) => offered.has(name)), `agent=${agent}`];
}

/**
 * The body for git-receive-pack: the commands, and a pack of exactly these objects; none where refs only go. See
 * gitprotocol-pack(5).
 */
export function encodePush(
  commands: readonly PushCommand[],
  objects: readonly NewObject[],
  capabilities: readonly string[],
): Buffer {
  const lines = commands.map(({ ref, from, to }, index) => {
    const line = `${from ?? NO_OBJECT} ${to ?? NO_OBJECT} ${ref}`;
    return encodePacket(index === 0 ? `${line}\0 ${capabilities.join(' ')}` : line);
  });
  const pack = commands.some(({ to }) => to !== null) ? [encodePack(objects).pack] : [];
  return Buffer.concat([...lines, FLUSH, ...pack]);
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

/** How git refuses the refs that have nothing wrong about them, and all of them where one is not where it should be. */
const WITH_OTHERS = /atomic/i;

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

/** What was said about a push of several refs, by what was said about the one that is to blame. */
function judgeRefusals(refused: ReadonlyMap<string, string>, first: string, message: string): PushAnswer {
  const culprits = [...refused].filter(([, reason]) => !WITH_OTHERS.test(reason));
  // Where the first is refused with others, as a whole, those may be the reason: then it passes alone, or is told why not.
  const beside = culprits.find(([ref]) => ref !== first);
  const culprit = beside ?? culprits[0];
  if (culprit === undefined) return { kind: 'moved', reason: [...refused.values()][0] ?? '' };
  const [, reason] = culprit;
  const answer = judgeRefusal(reason, message);
  return beside && answer.kind !== 'moved' ? { kind: 'besideRefused', reason, message } : answer;
}

/** Reads the server's report on a push of `refs`. `sideBand`: whether side-band-64k was asked for. */
export function parsePushAnswer(bytes: Buffer, refs: readonly [string, ...string[]], sideBand: boolean): PushAnswer {
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
  const refused = new Map(
    refs.flatMap((ref) => {
      const line = report.find((candidate) => candidate.startsWith(`ng ${ref} `));
      return line === undefined ? [] : [[ref, line.slice(`ng ${ref} `.length)] as const];
    }),
  );
  if (refused.size > 0) return judgeRefusals(refused, refs[0], message);
  if (unpack === 'unpack ok' && refs.every((ref) => report.includes(`ok ${ref}`))) return { kind: 'accepted' };
  return { kind: 'lost' };
}
