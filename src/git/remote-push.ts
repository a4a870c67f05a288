import fs from 'node:fs';
import git, { Errors } from 'isomorphic-git';
import { isCoded, messageOf } from '../errors.ts';
import type { GitHttp } from './http.ts';
import type { NewObject } from './port.ts';
import {
  encodePush,
  judgeRefusal,
  parsePushAnswer,
  pushCapabilities,
  type PushAnswer,
  type PushCommand,
} from './push.ts';
import type { RemoteClone } from './remote-clone.ts';
import { parseAdvertisement, type Advertisement } from './remote-refs.ts';

/** What moves in one push, all or nothing. */
export type PushCommands = readonly [PushCommand, ...PushCommand[]];

/** Sends pushes to one remote. */
export interface Pusher {
  /** What the server offers; asked for once, since it does not change while we run. Its refs are those of that time. */
  offer(signal: AbortSignal): Promise<Advertisement>;
  push(commands: PushCommands, objects: readonly NewObject[], signal: AbortSignal): Promise<PushAnswer>;
  /** isomorphic-git's own push, which finds out itself what to send: slow, for servers that cannot take ours. */
  pushOtherwise(ref: string, to: string, objects: readonly NewObject[], signal: AbortSignal): Promise<PushAnswer>;
}

export interface PusherOptions {
  readonly http: GitHttp;
  /** As configured. */
  readonly url: string;
  readonly clone: RemoteClone;
  /** Names us to the server. */
  readonly agent: string;
}

export function createPusher({ http, url, clone, agent }: PusherOptions): Pusher {
  let offered: Advertisement | undefined;
  const offer: Pusher['offer'] = async (signal) =>
    (offered ??= parseAdvertisement(await http.discover(url, 'git-receive-pack', signal), clone.url));

  return {
    offer,
    async push(commands, objects, signal) {
      const { capabilities: has } = await offer(signal);
      const capabilities = pushCapabilities(has, agent, commands.length > 1);
      const body = encodePush(commands, objects, capabilities);
      const answer = await http.post({ url, service: 'git-receive-pack', body, signal });
      const [first, ...others] = commands;
      const refs = [first.ref, ...others.map(({ ref }) => ref)] as const;
      return parsePushAnswer(answer, refs, capabilities.includes('side-band-64k'));
    },
    async pushOtherwise(ref, to, objects, signal) {
      const staged = await clone.stage(to, objects);
      try {
        await git.push({
          fs,
          http: http.client(url, signal),
          gitdir: clone.gitDir(),
          cache: clone.cache(),
          url: clone.url,
          remote: 'origin',
          ref: staged,
          remoteRef: ref,
        });
        return { kind: 'accepted' };
      } catch (error) {
        if (isCoded(error)) throw error;
        if (error instanceof Errors.PushRejectedError) return { kind: 'moved', reason: messageOf(error) };
        return judgeRefusal(messageOf(error), '');
      }
    },
  };
}
