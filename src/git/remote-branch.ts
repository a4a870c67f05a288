import { CodedError, messageOf, terminalError, transientError } from '../errors.ts';
import { pause } from './cancel.ts';
import { historyContains, readHistory } from './history.ts';
import type { AsideRefs, Branch, NewObject, RefMove } from './port.ts';
import type { PushAnswer } from './push.ts';
import { assertBranchName, conflictingBranch, refConflict, refMoved } from './refs.ts';
import { asideCommand, asideRefs, asideRefused, createRemoteAside } from './remote-aside.ts';
import { openRemoteClone, type RemoteCloneOptions } from './remote-clone.ts';
import { createPusher } from './remote-push.ts';
import { branchNames, type Advertisement } from './remote-refs.ts';
import { createSerial } from './serial.ts';

export interface RemoteBranchOptions extends RemoteCloneOptions {
  /** Without `refs/heads/`. It need not exist yet. */
  readonly branch: string;
  /** Names us to the server. */
  readonly agent?: string;
}

interface Move {
  readonly from: string | null;
  readonly to: string;
  readonly objects: readonly NewObject[];
  readonly signal: AbortSignal;
  readonly beside: readonly RefMove[];
}

const DEFAULT_AGENT = 'git/runledger';
const HISTORY_LIMIT = 50_000;
/** Waits before each look at the remote after a lost answer, and how many looks it takes to believe that nothing came of the push. */
const SETTLE_WAITS_MS: readonly number[] = [0, 500, 2000];
const LOOKS = 2;
/** After these it is unknown whether the push took place. */
const UNCERTAIN: ReadonlySet<string> = new Set([
  'Timeout',
  'ConnectionFailed',
  'ServerError',
  'NotGit',
  'AnswerTooLarge',
]);

/**
 * A branch of a remote repository over http(s). `refresh` costs one request when nothing is new. `advance` is a push of
 * our own: one request with exactly the new objects; it throws `RefMoved` (transient) when another was faster,
 * `PushRejected` (terminal) when a rule of the server forbids it, `AsideRefused` (terminal) when it does for the sake of
 * the refs beside the branch, `RefConflict`, and the transport's errors.
 * One operation runs at a time.
 */
export async function openRemoteBranch(options: RemoteBranchOptions): Promise<Branch> {
  const { branch, agent = DEFAULT_AGENT } = options;
  assertBranchName(branch);
  const clone = await openRemoteClone(options);
  const serial = createSerial();
  const pusher = createPusher({ http: options.http, url: options.url, clone, agent });
  const ref = `refs/heads/${branch}`;
  /** The refs that the remote had last. */
  let last: Advertisement | undefined;

  const refresh = async (
    signal: AbortSignal,
    also: (found: AsideRefs) => readonly string[] = () => [],
  ): Promise<string | null> => {
    last = await clone.advertise(signal);
    return clone.update(branch, last, signal, also(asideRefs(last)));
  };

  const push = async ({ from, to, objects, signal, beside }: Move): Promise<PushAnswer> => {
    last ??= await pusher.offer(signal);
    const other = from === null ? conflictingBranch(branch, branchNames(last)) : undefined;
    if (other !== undefined) throw refConflict(branch, other, clone.url);
    const answer = await pusher.push([{ ref, from, to }, ...beside.map(asideCommand)], objects, signal);
    if (answer.kind !== 'unpackFailed') return answer;
    // This one moves the branch alone, which is right too: what lies beside it is looked at again by whoever left it.
    return pusher.pushOtherwise(ref, to, objects, signal);
  };

  /** Finds out what became of a push whose answer was lost; returns if it took place. */
  const settle = async ({ from, to, signal }: Move, problem: CodedError): Promise<void> => {
    let tip: string | null | undefined;
    let looks = 0;
    let failure: unknown;
    for (const wait of SETTLE_WAITS_MS) {
      await pause(wait, signal, `pushing to ${clone.url}`);
      try {
        tip = await refresh(signal);
        looks += 1;
        // The server may still be at work on the push.
        if (tip !== from || looks >= LOOKS) break;
      } catch (error) {
        failure = error;
      }
    }
    if (tip === undefined) {
      throw transientError(
        'PushUnclear',
        `the answer to a push to ${clone.url} was lost (${problem.message}), and the branch cannot be read again: ${messageOf(failure)}`,
      );
    }
    if (tip !== null && (await historyContains(clone, tip, to, HISTORY_LIMIT))) return;
    throw tip === from ? problem : refMoved(branch, from, clone.url);
  };

  const advance = async (move: Move): Promise<void> => {
    let answer: PushAnswer;
    try {
      answer = await push(move);
    } catch (error) {
      if (!(error instanceof CodedError) || !UNCERTAIN.has(error.code)) throw error;
      return settle(move, error);
    }
    switch (answer.kind) {
      case 'accepted':
        // The remote has it: that it could not be kept here too only costs the next refresh a fetch.
        return clone.adopt(branch, move.to, move.objects).catch(() => undefined);
      case 'moved':
        throw refMoved(branch, move.from, clone.url);
      case 'lost':
        return settle(move, transientError('ConnectionFailed', `${clone.url} gave no answer to a push`));
      case 'rejected':
        throw pushRejected(branch, clone.url, answer);
      case 'besideRefused':
        throw asideRefused(clone.url, answer.reason);
      case 'unclear':
      case 'unpackFailed':
        return settle(move, pushRejected(branch, clone.url, answer));
    }
  };

  return {
    name: branch,
    readCommit: (id) => clone.readCommit(id),
    readTree: (id) => clone.readTree(id),
    readBlob: (id) => clone.readBlob(id),
    log: (head, limit) => readHistory(clone, head, limit),
    refresh: (signal, also) => serial(() => refresh(signal, also)),
    advance: (from, to, objects, signal, beside = []) => serial(() => advance({ from, to, objects, signal, beside })),
    aside: createRemoteAside({
      clone,
      pusher,
      serial,
      last: () => last,
      saw: (advertised) => {
        last = advertised;
      },
    }),
  };
}

function pushRejected(
  branch: string,
  url: string,
  answer: { readonly reason: string; readonly message: string },
): CodedError {
  const said = answer.message === '' ? '' : ` (${answer.message})`;
  return terminalError('PushRejected', `${url} rejected a push to branch ${branch}: ${answer.reason}${said}`, {
    hint: 'Allow the pushing user to write to this branch (branch protection, hooks), or use another ledger branch.',
  });
}
