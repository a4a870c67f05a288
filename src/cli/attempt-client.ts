import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ArchiveRoot, createArchive } from '../artifacts/archive.ts';
import { extractArchive } from '../artifacts/extract.ts';
import { framed, unframed } from '../artifacts/frames.ts';
import { CHECKOUT_LIMITS } from '../artifacts/tree.ts';
import { asCoded, isCoded, terminalError, transientError, usageError } from '../errors.ts';
import type { ArchiveNote } from './attempt-desk.ts';
import type { Io } from './terminal.ts';

/** How an attempt's own containers speak to the controller. */
export interface AttemptAccess {
  readonly url: string;
  readonly token: string;
}

/** From the variables that the pod sets. Throws `NotInAPod` (usage). */
export async function attemptAccess(env: Io['env']): Promise<AttemptAccess> {
  const { RUNLEDGER_ATTEMPT_URL: url, RUNLEDGER_TOKEN_FILE: file } = env;
  if (!url || !file)
    throw usageError('NotInAPod', 'this command is for the pods of attempts: RUNLEDGER_ATTEMPT_URL is not set');
  return { url, token: (await readFile(file, 'utf8')).trim() };
}

const LONGEST_PAUSE_MS = 5_000;
const MOST_REDIRECTS = 3;

/** Puts the files of the revision into an empty folder. Tries again what may work later, until the signal aborts. */
export const fetchWorkspace = (access: AttemptAccess, folder: string, signal: AbortSignal): Promise<void> =>
  persistently(signal, async () => {
    const answer = await ask(access, 'workspace', { method: 'GET' }, signal);
    if (!answer.body) throw transientError('AnswerEmpty', 'the answer is empty');
    const { body } = unframed(answer.body as AsyncIterable<Uint8Array>);
    await extractArchive(body, folder, { limits: CHECKOUT_LIMITS, signal });
  });

/** Sends what lies in some folders. Tries again what may work later, until the signal aborts. */
export const uploadArtifacts = (
  access: AttemptAccess,
  roots: readonly ArchiveRoot[],
  signal: AbortSignal,
): Promise<void> =>
  persistently(signal, async () => {
    const { stream, entries, manifest } = await createArchive(roots, { signal });
    const last = async (): Promise<ArchiveNote> => {
      const { sha256, complete, warnings } = await manifest;
      return { sha256, complete, warnings };
    };
    // An archive of nothing is no archive.
    if (entries === 0) stream.resume();
    const archive: AsyncIterable<Uint8Array> = entries === 0 ? Readable.from([]) : stream;
    const frames = framed(archive, last);
    const body = Readable.toWeb(Readable.from(frames, { objectMode: false }));
    try {
      const answer = await ask(access, 'artifacts', { method: 'PUT', body, duplex: 'half' }, signal);
      await answer.text();
    } finally {
      stream.destroy();
    }
  });

interface Request {
  readonly method: 'GET' | 'PUT';
  readonly body?: ReturnType<typeof Readable.toWeb>;
  readonly duplex?: 'half';
}

/** The answer where it is a good one. Follows the controller to another replica of it. */
async function ask(
  { url, token }: AttemptAccess,
  what: 'workspace' | 'artifacts',
  request: Request,
  signal: AbortSignal,
): Promise<Response> {
  const headers = { authorization: `Bearer ${token}` };
  let at = `${url}/${what}`;
  for (let redirects = 0; ; redirects += 1) {
    const answer = await fetch(at, { ...request, headers, signal, redirect: 'manual' }).catch((error: unknown) => {
      const cause = (error as Error).cause;
      const why = cause instanceof Error ? cause.message : String(error);
      throw transientError('ControllerUnreachable', `runledger can't be reached at ${new URL(at).origin}: ${why}`);
    });
    if (answer.ok) return answer;
    const location = answer.status === 307 ? answer.headers.get('location') : null;
    if (location !== null && request.method === 'GET' && redirects < MOST_REDIRECTS) {
      await answer.body?.cancel();
      at = new URL(location, at).href;
      continue;
    }
    throw refusal(answer.status, (await answer.text()).trim().slice(0, 2_000));
  }
}

const refusal = (status: number, text: string): Error =>
  status >= 500 || status === 429 || status === 307
    ? transientError('ControllerBusy', text || `runledger answers with ${status}`)
    : terminalError('ControllerRefused', text || `runledger answers with ${status}`);

/** With pauses that grow to some seconds. Throws what went wrong last when there is no time left. */
async function persistently(signal: AbortSignal, work: () => Promise<void>): Promise<void> {
  let failure: unknown;
  for (let tries = 1; ; tries += 1) {
    try {
      return await work();
    } catch (error) {
      const coded = asCoded(error, (why) => transientError('Failed', why));
      if (coded.errorClass !== 'transient') throw coded;
      if (!isCoded(error, 'Cancelled') || failure === undefined) failure = coded;
      if (signal.aborted) throw failure;
      const pause = Math.min(LONGEST_PAUSE_MS, 250 * 2 ** tries) * (0.5 + Math.random() / 2);
      await sleep(pause, undefined, { signal }).catch(() => {
        throw failure;
      });
    }
  }
}
