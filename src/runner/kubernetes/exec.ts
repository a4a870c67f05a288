import type * as clientNode from '@kubernetes/client-node';
import { PassThrough, type Readable } from 'node:stream';
import { type CodedError, messageOf, terminalError, transientError } from '../../errors.ts';
import { apiError } from './errors.ts';
import { type KubeconfigOptions, loadTarget } from './kubeconfig.ts';

export interface PodCommand {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly command: readonly string[];
}

export interface Executed {
  readonly stdout: Readable;
  /** Settles after standard output has ended. Rejects with `ExecFailed` where the command did not end with 0. */
  readonly ended: Promise<void>;
}

const MAX_STDERR = 4_096;

interface Status {
  readonly status?: string;
  readonly message?: string;
}

/**
 * Runs a command in a container that runs, over a WebSocket as kubectl does. It is for a person who waits for its output, and so
 * tells how the API server refused and how the command ended; undici's WebSocket, with which `exec-input.ts` hands work over
 * on the connections that are there, does not tell the status of a refusal. Throws CodedErrors: those of {@link loadTarget},
 * and `ExecRefused` where the API server does not open it.
 */
export async function execInPod(
  { namespace, pod, container, command }: PodCommand,
  options: KubeconfigOptions,
  signal: AbortSignal,
): Promise<Executed> {
  const { config, server } = await loadTarget(options);
  const { Exec } = (await import('@kubernetes/client-node/dist/exec.js')) as Pick<typeof clientNode, 'Exec'>;
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  let said = '';
  stderr.on('data', (chunk: Buffer) => {
    if (said.length < MAX_STDERR) said += chunk.toString();
  });
  const told = Promise.withResolvers<Status>();
  const doing = `running ${command[0]} in pod "${pod}" of namespace "${namespace}"`;
  const socket = await new Exec(config)
    .exec(namespace, pod, container, [...command], stdout, stderr, null, false, (status) => told.resolve(status))
    .catch((error: unknown) => {
      throw refused(error, doing, server);
    });
  const end = (): void => socket.close();
  if (signal.aborted) end();
  signal.addEventListener('abort', end, { once: true });
  socket.addEventListener('close', () => {
    signal.removeEventListener('abort', end);
    told.reject(transientError('ExecCut', `${doing}: the connection was cut`)); // no news where its end was told before
    stdout.end();
  });
  const ended = told.promise.then(
    ({ status, message = '' }) => {
      stdout.end();
      socket.close();
      if (status === 'Success') return;
      const why = said.trim() || message;
      throw terminalError('ExecFailed', `${doing}: ${why}`);
    },
    (error: unknown) => {
      if (signal.aborted) return;
      throw error;
    },
  );
  ended.catch(() => undefined);
  return { stdout, ended };
}

/** What comes instead of a connection: an error of ws, whose message has the status alone. */
function refused(error: unknown, doing: string, server: string): CodedError {
  const { message: said } = error as { readonly message?: unknown }; // an ErrorEvent is no Error
  const message = typeof said === 'string' ? said : messageOf(error);
  const status = Number(/Unexpected server response: (\d{3})/.exec(message)?.[1] ?? 0);
  if (status === 403)
    return terminalError('Forbidden', `${doing}: this is not allowed`, {
      hint: 'Bind a Role that allows create on pods/exec.',
    });
  if (status > 0) return apiError({ status, body: '' }, { doing, server });
  return transientError('ExecRefused', `${doing}: ${message}`);
}
