import { terminalError, transientError, type CodedError } from '../../errors.ts';
import type { Cluster } from './client.ts';
import { apiError, cancelled, networkError } from './errors.ts';
import { linesOf } from './lines.ts';
import { withoutManagedFields } from './managed-fields.ts';
import type { Selection } from './objects.ts';
import { describe, pathOf, type ApiObject, type Resource } from './wire.ts';

/** One line of a watch (Kubernetes API concepts, "Efficient detection of changes"). */
export interface WatchEvent<T> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK';
  readonly object: T;
}

export interface WatchStreamOptions {
  readonly resourceVersion: string;
  /** After this long the server ends the watch in good form. */
  readonly timeoutSeconds: number;
  /** Without a byte for so long the connection counts as dead. */
  readonly idleMs: number;
  readonly signal: AbortSignal;
}

const EVENT_TYPES: ReadonlySet<string> = new Set(['ADDED', 'MODIFIED', 'DELETED', 'BOOKMARK']);

const malformed = (doing: string): CodedError =>
  transientError('WatchMalformed', `${doing}: the server sent a line that is no event`);

/** Reads one line. Throws CodedError: `WatchMalformed`, or what the server's ERROR event says, `Expired` for one. */
export function parseEvent<T extends ApiObject>(line: string, doing: string, server: string): WatchEvent<T> {
  let event: { readonly type?: unknown; readonly object?: (T & { readonly code?: number }) | null };
  try {
    event = JSON.parse(withoutManagedFields(line)) as typeof event;
  } catch {
    throw malformed(doing);
  }
  const { type, object } = event ?? {};
  if (typeof object !== 'object' || object === null || typeof type !== 'string') throw malformed(doing);
  if (type === 'ERROR') {
    const status = typeof object.code === 'number' ? object.code : 500;
    throw apiError({ status, body: JSON.stringify(object) }, { doing, server });
  }
  if (!EVENT_TYPES.has(type) || !object.metadata?.resourceVersion) throw malformed(doing);
  return { type: type as WatchEvent<T>['type'], object };
}

/** Destroys the stream when it brings nothing for so long; says whether it did. */
function watchSilence(body: { destroy(error?: Error): unknown }, idleMs: number) {
  let silent = false;
  const timer = setTimeout(() => {
    silent = true;
    body.destroy(new Error('silence'));
  }, idleMs);
  return { heard: () => void timer.refresh(), stop: () => clearTimeout(timer), wasSilent: () => silent };
}

/**
 * The events of one watch request, from a version on. Ends when the server ends it in good form; throws CodedError for
 * everything else: `Expired` when the version is too old, `WatchIdle`, `WatchMalformed`, `ConnectionLost` (also for a
 * last line without its end), `TooManyRequests`, …
 */
export async function* watchEvents<T extends ApiObject>(
  cluster: Cluster,
  resource: Resource<T>,
  selection: Selection,
  options: WatchStreamOptions,
): AsyncGenerator<WatchEvent<T>> {
  const { resourceVersion, timeoutSeconds, idleMs, signal } = options;
  const { namespace, labelSelector, fieldSelector } = selection;
  const doing = `watching ${describe(resource, { namespace })}`;
  const asked = { doing, server: cluster.server };
  const body = await cluster.stream({
    method: 'GET',
    path: pathOf(resource, { namespace }),
    query: { watch: true, allowWatchBookmarks: true, resourceVersion, timeoutSeconds, labelSelector, fieldSelector },
    doing,
    repeat: 'safe',
    // Whoever reads this has a back-off of its own.
    attempts: 1,
    signal,
  });
  const silence = watchSilence(body, idleMs);
  const heard = async function* (): AsyncGenerator<Uint8Array> {
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      silence.heard();
      yield chunk;
    }
  };
  try {
    for await (const part of linesOf(heard())) {
      if ('rest' in part) throw transientError('ConnectionLost', `${doing}: the last line was cut off`);
      if (part.line.trim() !== '') yield parseEvent<T>(part.line, doing, cluster.server);
    }
  } catch (error) {
    if (signal.aborted) throw cancelled(doing);
    if (silence.wasSilent()) throw transientError('WatchIdle', `${doing}: nothing came for ${idleMs / 1000} s`);
    if (error instanceof RangeError) throw terminalError('WatchMalformed', `${doing}: ${error.message}`);
    throw networkError(error, asked, false);
  } finally {
    silence.stop();
    body.destroy();
  }
}
