import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { temporaryDirectory } from './git.ts';

/** A real server that speaks S3, started for one test file. */
export interface S3Server {
  readonly endpoint: string;
  readonly bucket: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  /** The folder in which it keeps the bucket's objects as files. */
  readonly folder: string;
  stop(): Promise<void>;
}

const CREDENTIALS = { accessKeyId: 'TESTKEYID0123456789', secretAccessKey: 'test/secret+key/with=signs' };

/** The versitygw or rclone that S3_SERVER names, or that is on the PATH; else says in the guard's line that there is none. */
export function findS3Program(env: NodeJS.ProcessEnv = process.env): string | undefined {
  if (env['S3_SERVER']) return env['S3_SERVER'];
  const folders = (env['PATH'] ?? '').split(path.delimiter).filter((folder) => folder !== '');
  const found = folders
    .flatMap((folder) => ['versitygw', 'rclone'].map((name) => path.join(folder, name)))
    .find(isProgram);
  if (found !== undefined) return found;
  if ((env['RUNLEDGER_TEST_REQUIRE'] ?? '').split(',').includes('s3'))
    throw new Error('RUNLEDGER_TEST_REQUIRE names s3: put versitygw on the PATH, or name it in S3_SERVER');
  console.log('# skipped: no S3-compatible server (put versitygw on the PATH, or name it or rclone in S3_SERVER)');
  return undefined;
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

export async function startS3Server(program: string): Promise<S3Server> {
  const { path: root, remove } = await temporaryDirectory();
  const folder = path.join(root, 'artifacts');
  await mkdir(folder);
  const address = `127.0.0.1:${await freePort()}`;
  const { accessKeyId, secretAccessKey } = CREDENTIALS;
  const args =
    path.basename(program) === 'rclone'
      ? ['serve', 's3', '--addr', address, '--auth-key', `${accessKeyId},${secretAccessKey}`, root]
      : ['--access', accessKeyId, '--secret', secretAccessKey, '--port', address, '--quiet', 'posix', root];
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], HOME: root },
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const stop = async (): Promise<void> => {
    await end(child);
    await remove();
  };
  const endpoint = `http://${address}`;
  try {
    await untilUp(endpoint, child);
  } catch (error) {
    await stop();
    throw new Error(`${program} did not start: ${said}`, { cause: error });
  }
  return { endpoint, bucket: 'artifacts', credentials: CREDENTIALS, folder, stop };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 5_000);
  await ended;
  clearTimeout(timer);
}

async function untilUp(endpoint: string, child: ChildProcess): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
    try {
      await fetch(endpoint, { signal: AbortSignal.timeout(1_000) }).then((response) => response.text());
      return;
    } catch {
      await sleep(100);
    }
  }
  throw new Error('no answer for 20 s');
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
