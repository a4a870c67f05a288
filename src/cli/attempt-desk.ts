import { createHash, timingSafeEqual } from 'node:crypto';
import { Readable } from 'node:stream';
import { framed, unframed } from '../artifacts/frames.ts';
import { type KeptArtifacts, keptOf, notKept, retried } from '../artifacts/keep.ts';
import { attemptKey } from '../artifacts/key.ts';
import type { Store } from '../artifacts/port.ts';
import { receiveArchive } from '../artifacts/receive.ts';
import { packTree } from '../artifacts/tree.ts';
import type { ArchiveWarning } from '../artifacts/archive.ts';
import { messageOf, terminalError } from '../errors.ts';
import { identityOf } from '../render/labels.ts';
import { TOKEN_KEY } from '../render/layout.ts';
import type { Grant } from '../render/workspace.ts';
import type { CollectArtifacts } from '../runner/kubernetes/attendance.ts';
import type { Cluster } from '../runner/kubernetes/client.ts';
import { findObject } from '../runner/kubernetes/objects.ts';
import { type Secret, secrets } from '../runner/kubernetes/wire.ts';
import type { Admitted, AttemptDesk } from '../server/attempts.ts';
import type { Source } from '../sources/port.ts';

/** A source as its attempts know it. */
export interface DeskSource {
  /** Where its pods are, and the Secrets with their tokens. */
  readonly namespace: string;
  /** Its files; null: another process has them. */
  files(): Pick<Source, 'checkout'> | null;
  /** The address of whoever has its files; null where that is not known. */
  leader(signal: AbortSignal): Promise<string | null>;
}

export interface DeskParts {
  readonly cluster: Cluster;
  readonly installation: string;
  /** The source of this name, or the pull request's of this scope; undefined: there is none. */
  readonly sourceOf: (name: string) => DeskSource | undefined;
  /** Null: there is none. */
  readonly openStore: (() => Promise<Store>) | null;
}

/**
 * Admits whoever has the token in the Secret of an attempt. The Secret is read for every request, so that any replica can do it
 * and a token is worth nothing once its run is recorded.
 */
export function createDesk({ cluster, installation, sourceOf, openStore }: DeskParts): AttemptDesk {
  return {
    async admit(sourceName, pod, token, signal) {
      const source = sourceOf(sourceName);
      if (!source) return null;
      const secret = await findObject(cluster, secrets, { name: pod, namespace: source.namespace }, { signal });
      const identity = secret && identityOf(secret);
      if (!identity || identity.component !== 'token' || !isToken(secret, token)) return null;
      if (identity.installation !== installation || identity.source !== sourceName) return null;
      const { job, run, task, attempt } = identity;
      const key = { source: sourceName, job, run, task: task ?? 'default', attempt: attempt ?? 1 };
      return admitted(grantOf(secret), source, openStore, key);
    },
  };
}

const valueOf = (secret: Secret, key: string): string =>
  Buffer.from(secret.data?.[key] ?? '', 'base64').toString('utf8');

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

function isToken(secret: Secret, token: string): boolean {
  const own = valueOf(secret, TOKEN_KEY);
  return own !== '' && timingSafeEqual(digest(own), digest(token));
}

function grantOf(secret: Secret): Grant {
  try {
    return JSON.parse(valueOf(secret, 'grant')) as Grant;
  } catch {
    return { revision: '', artifacts: false };
  }
}

function admitted(
  { revision, checkout, artifacts }: Grant,
  source: DeskSource,
  openStore: DeskParts['openStore'],
  key: Parameters<typeof attemptKey>[0],
): Admitted {
  return {
    checkout:
      checkout === undefined
        ? null
        : async (signal) => {
            const files = source.files();
            if (files) {
              const tree = packTree(files.checkout(revision, checkout, signal));
              return { kind: 'here', content: framed(tree, () => true) };
            }
            const address = await source.leader(signal);
            return address === null ? { kind: 'later' } : { kind: 'elsewhere', address };
          },
    receive: artifacts && openStore ? (body, signal) => receiveArtifacts(body, openStore, key, signal) : null,
  };
}

/** What a pod says at the end of its archive. */
export interface ArchiveNote {
  readonly sha256: string;
  readonly complete: boolean;
  readonly warnings: readonly ArchiveWarning[];
}

/** What is known of an attempt's artifacts has no more bytes than that. */
const MAX_NOTE = 32 * 1024 ** 2;
/** More warnings than are told are counted. */
const MOST_WARNINGS = 1_000;

/** Keeps an archive, and beside it what is in it as it was read here: the leader, whoever that is then, finds it there. */
export async function receiveArtifacts(
  request: AsyncIterable<Uint8Array>,
  openStore: () => Promise<Store>,
  key: Parameters<typeof attemptKey>[0],
  signal: AbortSignal,
): Promise<void> {
  const store = await openStore();
  try {
    const { body, last } = unframed(request);
    const first = await firstOf(body);
    const contents = first === null ? null : await receiveArchive(first, store, attemptKey(key), { signal });
    const note = noteOf(last());
    if (contents && note.sha256 !== contents.sha256)
      throw terminalError('ArchiveDamaged', 'the archive is not what was sent');
    const kept: KeptArtifacts = keptOf(contents ? attemptKey(key) : undefined, {
      ...(contents ?? { bytes: 0, sha256: '', files: [], links: [] }),
      complete: note.complete,
      warnings: note.warnings,
    });
    await store.put(attemptKey(key, 'json'), Readable.from([Buffer.from(JSON.stringify(kept))]), signal);
  } finally {
    store.close();
  }
}

/** The same stream; null where it ends without a byte. */
async function firstOf(body: Readable): Promise<Readable | null> {
  const iterator = body[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const first = await iterator.next();
  if (first.done === true) return null;
  const all = async function* (): AsyncGenerator<Buffer, void, undefined> {
    yield first.value;
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) yield next.value;
  };
  return Readable.from(all(), { objectMode: false });
}

/** What the pod says is taken for no more than it is worth: which warnings there were. */
function noteOf(said: unknown): ArchiveNote {
  const { sha256, complete, warnings } = (said ?? {}) as Partial<Record<keyof ArchiveNote, unknown>>;
  const told = Array.isArray(warnings) ? (warnings as readonly unknown[]).slice(0, MOST_WARNINGS) : [];
  return {
    sha256: String(sha256),
    complete: complete === true,
    warnings: told.flatMap((warning) => {
      const { path, message, lost } = (warning ?? {}) as Partial<Record<keyof ArchiveWarning, unknown>>;
      if (typeof path !== 'string' || typeof message !== 'string') return [];
      return [{ path: path.slice(0, 4_096), message: message.slice(0, 1_000), lost: lost === true }];
    }),
  };
}

/** How long the store is asked for what an attempt sent. */
const COLLECT_LIMIT_MS = 30_000;

/** Finds what the attempts of a source sent. */
export const collectorOf =
  (source: string, openStore: () => Promise<Store>): CollectArtifacts =>
  async ({ job, run }, { task, number }, upload, given) => {
    const signal = AbortSignal.any([given, AbortSignal.timeout(COLLECT_LIMIT_MS)]);
    const key = attemptKey({ source, job, run, task, attempt: number }, 'json');
    try {
      const store = await openStore();
      try {
        const text = await retried(() => store.read(key, MAX_NOTE, signal), signal);
        if (text) return JSON.parse(text.toString('utf8')) as KeptArtifacts;
      } finally {
        store.close();
      }
    } catch (error) {
      return notKept(`what was sent can't be read from the store: ${messageOf(error)}`);
    }
    if (!upload) return notKept('the pod ended before its artifacts were sent');
    const { exitCode, message } = upload;
    if (exitCode === 124) return notKept('there was no time left to send them');
    const why = message.replace(/^error: /, '').split('\n', 1)[0] || `exit code ${exitCode}`;
    return notKept(`they could not be sent: ${why}`);
  };
