import { messageOf, type CodedError } from '../../errors.ts';
import type { Cluster } from './client.ts';
import type { Log } from './clock.ts';
import { cancelled, networkError } from './errors.ts';
import { listObjects, type Selection } from './objects.ts';
import { backOffMs } from './retry.ts';
import { createStore, type Change, type ReadonlyStore } from './store.ts';
import { watchEvents } from './watch-stream.ts';
import { describe, type ApiObject, type Resource } from './wire.ts';

export interface WatchOptions<T> extends Selection {
  /** Called for each change, in order, after the store has it. What it throws is logged and stops nothing. */
  readonly onChange: (change: Change<T>) => void;
  /** Called after each complete list, once its changes have been told. */
  readonly onSync?: () => void;
  readonly signal: AbortSignal;
  readonly log: Log;
  /** Without a byte for so long the connection counts as dead; bookmarks come each minute. Default 5 min. */
  readonly idleMs?: number;
  /** Longest pause between two tries; default 30 s. */
  readonly maxBackOffMs?: number;
}

/** A list and a watch that go on for as long as the signal lets them, and what they know. */
export interface Watch<T> {
  readonly store: ReadonlyStore<T>;
  /**
   * Whether the store is a whole: true from the first complete list on; false while a gap in the events is being
   * closed by a new list. It lags behind the cluster even so: what has to be certain is read, not looked up here.
   */
  readonly synced: () => boolean;
  /** Milliseconds since anything was heard: a list, an event, a bookmark. Infinity before the first list. */
  readonly silentMs: () => number;
  /**
   * Resolves at the first complete list. Rejects with the error where the first list fails for a reason that another
   * try will hardly change (`Forbidden`, `NamespaceMissing`, `Unauthorized`), or with `Cancelled`. The watch goes on trying all the same.
   */
  readonly ready: Promise<void>;
  /** Resolves when the signal has ended the watch; never rejects. */
  readonly ended: Promise<void>;
}

const IDLE_MS = 300_000;
const MAX_BACK_OFF_MS = 30_000;
const MIN_TIMEOUT_S = 300;
/** After so many malformed lines without an event between them, the version that they follow is given up. */
const MALFORMED_LIMIT = 3;
/** A watch that the server ends at once, again and again, in good form, is not asked for more often than this. */
const MIN_WATCH_MS = 1_000;

/** The part of an object that only its writers need, and that makes up half of its size. */
function withoutManagedFields<T extends ApiObject>(object: T): T {
  const metadata = object.metadata as { managedFields?: unknown } | undefined;
  if (metadata) delete metadata.managedFields;
  return object;
}

/**
 * Lists the objects of a kind and watches them from there on, until the signal aborts. Goes on where it was after a
 * dropped connection, the server's own time-out, 429, 500, silence or a malformed line; lists anew after 410 and tells
 * what has vanished meanwhile. Pauses between failures, longer each time.
 */
export function watchResource<T extends ApiObject>(
  cluster: Cluster,
  resource: Resource<T>,
  options: WatchOptions<T>,
): Watch<T> {
  const { signal, log, onChange, onSync, idleMs = IDLE_MS, maxBackOffMs = MAX_BACK_OFF_MS } = options;
  const { namespace, labelSelector, fieldSelector } = options;
  const selection: Selection = {
    ...(namespace === undefined ? {} : { namespace }),
    ...(labelSelector === undefined ? {} : { labelSelector }),
    ...(fieldSelector === undefined ? {} : { fieldSelector }),
  };
  const { clock } = cluster;
  const what = describe(resource, { namespace });
  const store = createStore<T>();
  const ready = Promise.withResolvers<void>();
  ready.promise.catch(() => undefined);
  /** Where the events go on; null: a list is needed. */
  let version: string | null = null;
  let heardAt = -Infinity;
  let failures = 0;
  let malformed = 0;

  const heard = (): void => {
    heardAt = clock.monotonic();
    failures = 0;
  };
  const call = (callback: () => void): void => {
    try {
      callback();
    } catch (error) {
      log.warn({ resource: resource.plural, error: messageOf(error) }, 'a handler of watch events failed');
    }
  };
  const tell = (changes: readonly Change<T>[]): void => {
    for (const change of changes) call(() => onChange(change));
  };
  const list = async (): Promise<string> => {
    const { items, resourceVersion } = await listObjects(cluster, resource, selection, { signal });
    const changes = store.replace(items.map(withoutManagedFields));
    version = resourceVersion;
    heard();
    tell(changes);
    ready.resolve();
    if (onSync) call(onSync);
    return resourceVersion;
  };
  const follow = async (resourceVersion: string): Promise<void> => {
    const timeoutSeconds = Math.round(MIN_TIMEOUT_S * (1 + clock.random()));
    const from = { resourceVersion, timeoutSeconds, idleMs, signal };
    for await (const { type, object } of watchEvents(cluster, resource, selection, from)) {
      version = object.metadata!.resourceVersion!;
      malformed = 0;
      heard();
      if (type === 'BOOKMARK') continue;
      const kept = withoutManagedFields(object);
      tell(type === 'DELETED' ? store.remove(kept) : store.put(kept));
    }
  };
  const failed = (error: CodedError): number => {
    failures++;
    if (error.code === 'Expired' || (error.code === 'WatchMalformed' && ++malformed >= MALFORMED_LIMIT)) {
      version = null;
      malformed = 0;
    }
    if (error.errorClass === 'terminal' || error.errorClass === 'usage') {
      if (error.code !== 'Expired') ready.reject(error);
    }
    const wait = Math.min(maxBackOffMs, backOffMs(failures, clock.random()) * 2 ** Math.max(0, failures - 6));
    const retryInMs = Math.round(Math.max(wait, error.retryAfterMs ?? 0));
    const fields = { resource: resource.plural, namespace, code: error.code, error: error.message, retryInMs };
    if (failures > 1 || error.errorClass !== 'transient') log.warn(fields, 'a watch was interrupted');
    else log.debug(fields, 'a watch was interrupted');
    return retryInMs;
  };
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      const began = clock.monotonic();
      try {
        await follow(version ?? (await list()));
        await clock.sleep(Math.max(0, MIN_WATCH_MS - (clock.monotonic() - began)), signal);
      } catch (error) {
        if (signal.aborted) break;
        const coded = networkError(error, { doing: `watching ${what}`, server: cluster.server }, false);
        await clock.sleep(failed(coded), signal);
      }
    }
    ready.reject(cancelled(`watching ${what}`));
  };

  return {
    store,
    synced: () => version !== null,
    silentMs: () => clock.monotonic() - heardAt,
    ready: ready.promise,
    ended: run(),
  };
}
