import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ENTRY_FLAGS } from './entry-flags.ts';

/** A line of the controller's log: JSON with `time` (RFC 3339), `level` and `msg`. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly time: string; readonly msg?: string };

export interface ControllerProcess {
  readonly port: number;
  readonly lines: readonly LogLine[];
  /** Resolves to the first line, of those so far or to come, that fits. */
  said(what: string, fits: (line: LogLine) => boolean): Promise<LogLine>;
  /** Seconds of CPU so far. */
  cpuS(): number;
  /** The largest resident set so far, in MB. */
  maxMemoryMB(): number;
  /** Resolves when the process has ended; does nothing where it has. */
  stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

export interface ControllerConfig {
  /** Where the configuration is written to. */
  readonly folder: string;
  readonly url: string;
  readonly namespace: string;
  readonly concurrency: number;
  readonly interval: string;
  /** Further fields of the source, and what they refer to. */
  readonly source?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string>>;
}

const LIMIT_MS = 30_000;

/** Starts the compiled controller as the image does, following one source in one namespace. */
export async function startController(config: ControllerConfig): Promise<ControllerProcess> {
  const { folder, url, namespace, concurrency, interval, source, env } = config;
  const port = await freePort();
  const file = join(folder, `config-${port}.yaml`);
  const sources = [{ name: 'bench', url, interval, namespace, ...source }];
  writeFileSync(file, JSON.stringify({ apiVersion: 'runledger.dev/v1', kind: 'Config', concurrency, sources }));
  const main = join(import.meta.dirname, '../../dist/src/cli/main.js');
  const options = { config: file, listen: `127.0.0.1:${port}`, installation: 'bench', 'lease-namespace': namespace };
  const words = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  const child = spawn(process.execPath, [...ENTRY_FLAGS, main, 'controller', ...words], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, NODE_ENV: 'production', ...env },
  });
  const ended = once(child, 'exit');
  const lines: LogLine[] = [];
  const waiting = new Set<() => void>();
  createInterface({ input: child.stderr }).on('line', (text) => {
    if (!text.startsWith('{')) return;
    lines.push(JSON.parse(text) as LogLine);
    for (const look of waiting) look();
  });
  return {
    port,
    lines,
    said: (what, fits) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          waiting.delete(look);
          reject(new Error(`the controller did not say within ${LIMIT_MS / 1_000} s that ${what}`));
        }, LIMIT_MS);
        const look = (): void => {
          const found = lines.find(fits);
          if (found === undefined) return;
          waiting.delete(look);
          clearTimeout(timer);
          resolve(found);
        };
        waiting.add(look);
        look();
      }),
    cpuS() {
      // Fields 14 and 15 of proc(5), after the name in parentheses: user and system time in ticks of 10 ms.
      const [, ...fields] = readFileSync(`/proc/${child.pid}/stat`, 'utf8').split(') ');
      const [user, system] = fields.join(') ').split(' ').slice(11, 13).map(Number);
      return ((user ?? Number.NaN) + (system ?? Number.NaN)) / 100;
    },
    maxMemoryMB() {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1] ?? Number.NaN) / 1_000;
    },
    async stop(signal = 'SIGTERM') {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal);
      await ended;
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
