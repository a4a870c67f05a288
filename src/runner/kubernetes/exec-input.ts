import { WebSocket } from 'undici';
import { transientError } from '../../errors.ts';
import type { Cluster } from './client.ts';
import { cancelled } from './errors.ts';
import { describe, pathOf, pods, type Ref } from './wire.ts';

export interface ExecOptions {
  readonly container: string;
  /** The program and its arguments: they are part of the address, and so must hold no secret. */
  readonly command: readonly string[];
  readonly stdin: Uint8Array;
  readonly signal: AbortSignal;
  /** For the whole of it. */
  readonly timeoutMs: number;
}

/** Channels of the protocol: https://kubernetes.io/docs/reference/using-api/api-concepts (remotecommand, v4 and v5). */
const STDIN = 0;
const STDOUT = 1;
const STDERR = 2;
const CLOSE = 255;
const PROTOCOLS = ['v5.channel.k8s.io', 'v4.channel.k8s.io'];
const CHUNK_BYTES = 32 * 1024;
/** What is kept of an answer: a line. */
const MOST_OUTPUT = 64 * 1024;

/**
 * Runs a program in a container of a pod, with bytes on its standard input, and resolves to what it printed until the
 * connection ended. How it ended is not told: an exit code that comes this way says nothing (137 where the container ended
 * first), so a program has to say itself that it is done. Throws CodedError: `ExecFailed` (transient) where the connection
 * could not be made or was cut off, `ExecTimeout` (transient), `Cancelled`.
 */
export async function execWithInput(cluster: Cluster, ref: Ref, options: ExecOptions): Promise<string> {
  const { container, command, stdin, signal, timeoutMs } = options;
  const doing = `running a program in ${describe(pods, ref)}`;
  if (signal.aborted) throw cancelled(doing);
  const query = new URLSearchParams({ container, stdin: 'true', stdout: 'true', stderr: 'true' });
  for (const part of command) query.append('command', part);
  const { url, init } = await cluster.socket(`${pathOf(pods, ref)}/exec?${query.toString()}`);
  const socket = new WebSocket(url, { ...init, protocols: PROTOCOLS });
  socket.binaryType = 'arraybuffer';
  const printed: Buffer[] = [];
  let size = 0;
  const done = Promise.withResolvers<void>();
  socket.addEventListener('open', () => {
    for (let at = 0; at < stdin.length; at += CHUNK_BYTES)
      socket.send(Buffer.concat([Buffer.of(STDIN), stdin.subarray(at, at + CHUNK_BYTES)]));
    if (socket.protocol === PROTOCOLS[0]) socket.send(Buffer.of(CLOSE, STDIN));
  });
  socket.addEventListener('message', ({ data }) => {
    const bytes = Buffer.from(data as ArrayBuffer);
    if ((bytes[0] !== STDOUT && bytes[0] !== STDERR) || size > MOST_OUTPUT) return;
    size += bytes.length;
    printed.push(bytes.subarray(1));
  });
  socket.addEventListener('close', () => done.resolve());
  socket.addEventListener('error', () =>
    done.reject(transientError('ExecFailed', `${doing}: the connection was refused or cut off`)),
  );
  const leave = (): void => done.reject(cancelled(doing));
  signal.addEventListener('abort', leave, { once: true });
  const timer = setTimeout(
    () => done.reject(transientError('ExecTimeout', `${doing}: there was no end in time`)),
    timeoutMs,
  );
  try {
    await done.promise;
    return Buffer.concat(printed).toString();
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', leave);
    if (socket.readyState !== WebSocket.CLOSED) socket.close();
  }
}
