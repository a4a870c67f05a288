import { terminalError, transientError } from '../errors.ts';
import type { Aside, AsideRef, AsideRefs, RefMove } from './port.ts';
import type { PushCommand } from './push.ts';
import type { RemoteClone } from './remote-clone.ts';
import type { PushCommands, Pusher } from './remote-push.ts';
import type { Advertisement } from './remote-refs.ts';
import type { Serial } from './serial.ts';

const PREFIX = 'refs/runledger/';
const PEELED = '^{}';
/** Without these, several refs can't move as one, or can't go again. */
const NEEDED: readonly string[] = ['atomic', 'delete-refs'];

/** The move of a ref aside as a command of a push. */
export const asideCommand = ({ name, from, to }: RefMove): PushCommand => ({ ref: PREFIX + name, from, to });

/** The refs aside in an advertisement, by name. */
export function asideRefs({ refs }: Advertisement): AsideRefs {
  const found = new Map<string, AsideRef>();
  for (const [ref, id] of refs) {
    if (!ref.startsWith(PREFIX) || ref.endsWith(PEELED)) continue;
    found.set(ref.slice(PREFIX.length), { id, commit: refs.get(ref + PEELED) ?? null });
  }
  return found;
}

export interface RemoteAsideOptions {
  readonly clone: RemoteClone;
  readonly pusher: Pusher;
  /** That of the branch: the copy has one user at a time. */
  readonly serial: Serial;
  /** The last advertisement that was seen of the remote. */
  readonly last: () => Advertisement | undefined;
  readonly saw: (advertised: Advertisement) => void;
}

/** {@link Aside} of a remote over http(s). */
export function createRemoteAside({ clone, pusher, serial, last, saw }: RemoteAsideOptions): Aside {
  const found = (): AsideRefs => {
    const advertised = last();
    return advertised ? asideRefs(advertised) : new Map();
  };

  const move: Aside['move'] = async (moves, objects, signal) => {
    const [first, ...others] = moves.map(asideCommand);
    if (first === undefined) return;
    const { capabilities } = await pusher.offer(signal);
    const lacking = NEEDED.find((name) => !capabilities.has(name));
    if (lacking !== undefined) throw asideRefused(clone.url, `it does not offer ${lacking}`);
    const commands: PushCommands = [first, ...others];
    const answer = await pusher.push(commands, objects, signal);
    switch (answer.kind) {
      case 'accepted':
        return;
      case 'moved':
        throw transientError('RefMoved', `${first.ref} of ${clone.url} is no longer where it was: ${answer.reason}`);
      case 'lost':
        throw transientError('ConnectionFailed', `${clone.url} gave no answer to a push`);
      case 'rejected':
      case 'besideRefused':
      case 'unclear':
      case 'unpackFailed':
        throw asideRefused(clone.url, answer.message === '' ? answer.reason : `${answer.reason} (${answer.message})`);
    }
  };

  return {
    found,
    look: (signal) =>
      serial(async () => {
        saw(await clone.advertise(signal));
        return found();
      }),
    move: (moves, objects, signal) => serial(() => move(moves, objects, signal)),
  };
}

/** The error for a server that takes no refs aside. */
export const asideRefused = (url: string, why: string) =>
  terminalError('AsideRefused', `${url} takes no refs below ${PREFIX}: ${why}`);
