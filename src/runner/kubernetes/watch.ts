import { messageOf, type CodedError } from '../../errors.ts';
import type { Cluster } from './client.ts';
import type { Log } from './clock.ts';
import { cancelled, networkError } from './errors.ts';
import { listObjects, type Selection } from './objects.ts';
import { backOffMs } from './retry.ts';
import { createStore, type Change, type ReadonlyStore, type Store } from './store.ts';
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
const MAX_RETRY_AFTER_MS = 300_000;
const MIN_TIMEOUT_S = 300;
/**
 * After so many failures without an event between them, the version that the watch goes on from is given up: the
 * server may have lost it, by a restore of its data for one.
 */
const LIST_AFTER_FAILURES = 3;
/** A watch that the server ends at once, again and again, in good form, is not asked for more often than this. */
const MIN_WATCH_MS = 1_000;

/** Everything that one watch holds while it goes on. */
interface Watching<T extends ApiObject> {
  readonly cluster: Cluster;
  readonly resource: Resource<T>;
  readonly selection: Selection;
  readonly options: WatchOptions<T>;
  readonly store: Store<T>;
  readonly ready: PromiseWithResolvers<void>;
  /** Where the events go on; null: a list is needed. */
  version: string | null;
  heardAt: number;
  /** In a row, without an event. */
  failures: number;
}

function call<T extends ApiObject>({ options, resource }: Watching<T>, callback: () => void): void {
  try {
    callback();
  } catch (error) {
    options.log.warn({ resource: resource.plural, error: messageOf(error) }, 'a handler of watch events failed');
  }
}

function tell<T extends ApiObject>(watching: Watching<T>, changes: readonly Change<T>[]): void {
  for (const change of changes) call(watching, () => watching.options.onChange(change));
}

async function list<T extends ApiObject>(watching: Watching<T>): Promise<string> {
  const { cluster, resource, selection, options, store, ready } = watching;
  const { items, resourceVersion } = await listObjects(cluster, resource, selection, { signal: options.signal });
  const changes = store.replace(items);
  watching.version = resourceVersion;
  watching.heardAt = cluster.clock.monotonic();
  tell(watching, changes);
  ready.resolve();
  if (options.onSync) call(watching, options.onSync);
  return resourceVersion;
}

/** Follows the events from a version on until the server ends the watch. */
async function follow<T extends ApiObject>(watching: Watching<T>, resourceVersion: string): Promise<void> {
  const { cluster, resource, selection, options, store } = watching;
  const { signal, idleMs = IDLE_MS } = options;
  const timeoutSeconds = Math.round(MIN_TIMEOUT_S * (1 + cluster.clock.random()));
  const from = { resourceVersion, timeoutSeconds, idleMs, signal };
  for await (const { type, object } of watchEvents(cluster, resource, selection, from)) {
    watching.version = object.metadata!.resourceVersion!;
    watching.heardAt = cluster.clock.monotonic();
    watching.failures = 0;
    if (type === 'BOOKMARK') continue;
    tell(watching, type === 'DELETED' ? store.remove(object) : store.put(object));
  }
  watching.failures = 0;
}

/** Takes in a failure; returns how long to wait, in milliseconds. */
function failed<T extends ApiObject>(watching: Watching<T>, error: CodedError): number {
  const { cluster, resource, selection, options, ready } = watching;
  const failures = ++watching.failures;
  const lasting = error.errorClass === 'terminal' || error.errorClass === 'usage';
  if (lasting || failures % LIST_AFTER_FAILURES === 0) watching.version = null;
  if (lasting && error.code !== 'Expired') ready.reject(error);
  // Five doublings are as far as a single request goes; a watch has time.
  const step = backOffMs(failures, cluster.clock.random()) * 2 ** Math.max(0, Math.min(failures, 20) - 6);
  const retryInMs = Math.round(
    Math.max(
      Math.min(options.maxBackOffMs ?? MAX_BACK_OFF_MS, step),
      Math.min(error.retryAfterMs ?? 0, MAX_RETRY_AFTER_MS),
    ),
  );
  const fields = { resource: resource.plural, namespace: selection.namespace, code: error.code, retryInMs };
  if (failures > 1 || (lasting && error.code !== 'Expired'))
    options.log.warn({ ...fields, error: error.message }, 'a watch was interrupted');
  else options.log.debug({ ...fields, error: error.message }, 'a watch was interrupted');
  return retryInMs;
}

async function run<T extends ApiObject>(watching: Watching<T>): Promise<void> {
  const { cluster, resource, selection, options, ready } = watching;
  const { clock, server } = cluster;
  const doing = `watching ${describe(resource, selection)}`;
  while (!options.signal.aborted) {
    const began = clock.monotonic();
    try {
      await follow(watching, watching.version ?? (await list(watching)));
      await clock.sleep(Math.max(0, MIN_WATCH_MS - (clock.monotonic() - began)), options.signal);
    } catch (error) {
      if (options.signal.aborted) break;
      await clock.sleep(failed(watching, networkError(error, { doing, server }, false)), options.signal);
    }
  }
  ready.reject(cancelled(doing));
}

/**
 * Lists the objects of a kind and watches them from there on, until the signal aborts. Goes on where it was after a
 * dropped connection, the server's own time-out, 429, 500, silence or a malformed line; lists anew after 410, and after
 * three failures in a row, and tells what has vanished meanwhile. Pauses between failures, longer each time.
 */
export function watchResource<T extends ApiObject>(
  cluster: Cluster,
  resource: Resource<T>,
  options: WatchOptions<T>,
): Watch<T> {
  const { namespace, labelSelector, fieldSelector } = options;
  const watching: Watching<T> = {
    cluster,
    resource,
    selection: {
      ...(namespace === undefined ? {} : { namespace }),
      ...(labelSelector === undefined ? {} : { labelSelector }),
      ...(fieldSelector === undefined ? {} : { fieldSelector }),
    },
    options,
    store: createStore<T>(),
    ready: Promise.withResolvers<void>(),
    version: null,
    heardAt: -Infinity,
    failures: 0,
  };
  watching.ready.promise.catch(() => undefined);
  return {
    store: watching.store,
    synced: () => watching.version !== null,
    silentMs: () => cluster.clock.monotonic() - watching.heardAt,
    ready: watching.ready.promise,
    ended: run(watching),
  };
}
