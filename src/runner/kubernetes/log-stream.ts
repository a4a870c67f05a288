import type { ByteStream, Cluster } from './client.ts';
import { describe, pathOf, pods, type Ref } from './wire.ts';

export interface PodLogOptions {
  readonly container: string;
  /** Until the container ends; else what there is now. */
  readonly follow?: boolean;
  /** RFC 3339; whole seconds count. */
  readonly sinceTime?: string;
  /** Each line begins with its RFC 3339 time, in nanoseconds. */
  readonly timestamps?: boolean;
  readonly limitBytes?: number;
  readonly tailLines?: number;
  /** Of the container's run before this one. */
  readonly previous?: boolean;
  /** Of the request, before there is an answer; default: five. */
  readonly attempts?: number;
  readonly signal: AbortSignal;
}

/**
 * The log of a container as bytes. It ends when the container has ended, when the kubelet rotated the log away under
 * it, or when the connection was cut in good form; and for a pod that has no node yet the API server answers with an
 * empty log that ends at once (measured). So the end alone proves nothing: look at the container's state. A connection
 * that breaks reaches the reader as an error. Throws CodedError before the first byte: `ContainerWaiting` (waiting) while
 * the container has not started, `NotFound` for a pod that is gone, `Invalid` for a container that the pod lacks.
 */
export function openPodLog(cluster: Cluster, ref: Ref, options: PodLogOptions): Promise<ByteStream> {
  const { container, follow, sinceTime, timestamps, limitBytes, tailLines, previous, attempts, signal } = options;
  return cluster.stream({
    method: 'GET',
    path: `${pathOf(pods, ref)}/log`,
    query: { container, follow, sinceTime, timestamps, limitBytes, tailLines, previous },
    doing: `reading the log of container "${container}" of ${describe(pods, ref)}`,
    repeat: 'safe',
    ...(attempts === undefined ? {} : { attempts }),
    signal,
  });
}

const LAST_LINES = 20;
const LAST_BYTES = 64 * 1024;

/** The last lines of a container's log, as text. Throws what `openPodLog` throws. */
export async function readLastLines(
  cluster: Cluster,
  ref: Ref,
  options: Pick<PodLogOptions, 'container' | 'previous' | 'signal'>,
): Promise<string> {
  const stream = await openPodLog(cluster, ref, { ...options, tailLines: LAST_LINES, limitBytes: LAST_BYTES });
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks).toString();
}
