import { usageError } from '../../errors.ts';
import { networkInterfaces } from 'node:os';
import type { AttemptDesk } from '../../server/attempts.ts';
import type { Hook } from '../../server/hooks.ts';
import { startServer, type RunningServer } from '../../server/server.ts';
import type { Config } from '../../schemas/index.ts';
import { DEFAULT_LEDGER } from '../compose.ts';
import { resolveValue } from '../config.ts';
import { pullRequestOf } from '../../render/names.ts';
import type { Io } from '../terminal.ts';
import { createDesk, type DeskSource } from '../attempt-desk.ts';
import { type Follower, leaseOf, type Shared } from './shared.ts';
import { announced } from './tell.ts';

/** Serves health, metrics, the queue and webhooks for the sources. Throws `ListenForm` and `ValueMissing` (usage). */
export async function serve(shared: Shared, followers: ReadonlyMap<string, Follower>): Promise<RunningServer> {
  const { config, options, io, metrics, log } = shared;
  const server = await startServer({
    ...addressOf(options.listen),
    healthy: () => true,
    notReady: () => {
      // One source in trouble is no reason to take the webhooks of the others away.
      const late = [...followers].filter(([, { notReady }]) => notReady !== null);
      if (late.length < followers.size) return null;
      return late.map(([name, { notReady }]) => `source ${name}: ${notReady}`).join('; ');
    },
    metrics: () => metrics.text(),
    queue: () =>
      [...followers].map(([source, { waits }]) => ({
        source,
        leads: waits !== null,
        waiting: (waits ?? []).map(({ job, run, now }) => ({ job, run, waits: now })),
      })),
    hooks: await hooksOf(config, followers, io),
    attempts: shared.address === undefined ? undefined : deskOf(shared, followers),
    onHook(source, verdict) {
      metrics.source(source).hook(verdict);
      log.info({ source, verdict }, 'webhook');
    },
  });
  shared.self.address = ownAddress(server.address, io.env);
  return server;
}

/** Serves the pods of attempts: files of a source where it is led, else where its leader is. */
function deskOf(shared: Shared, followers: ReadonlyMap<string, Follower>): AttemptDesk {
  const { cluster, config, options, openStore, self } = shared;
  const sources = config.sources.map((source): [string, DeskSource] => {
    const lease = leaseOf(source, shared);
    const desk: DeskSource = {
      namespace: source.namespace ?? cluster.namespace,
      files: () => followers.get(source.name)?.files ?? null,
      async leader(signal) {
        const address = await announced(cluster, lease, signal);
        return address === self.address ? null : address;
      },
    };
    return [source.name, desk];
  });
  const byName = new Map(sources);
  const ofPulls = new Set(config.sources.filter(({ pullRequests }) => pullRequests === true).map(({ name }) => name));
  const sourceOf = (name: string): DeskSource | undefined => {
    // The commit is in the token's Secret: whoever has the source's repository has those of its pull requests.
    const parent = pullRequestOf(name)?.source;
    return parent === undefined ? byName.get(name) : ofPulls.has(parent) ? byName.get(parent) : undefined;
  };
  return createDesk({ cluster, installation: options.installation, sourceOf, openStore });
}

/** An address of this machine or pod, with the port that it listens on: RUNLEDGER_POD_IP, or the first that is not its own alone. */
function ownAddress(listening: string, env: Io['env']): string | null {
  const { port } = new URL(listening);
  const others = Object.values(networkInterfaces()).flatMap((all = []) => all.filter(({ internal }) => !internal));
  const ip = env['RUNLEDGER_POD_IP'] || (others.find(({ family }) => family === 'IPv4') ?? others[0])?.address;
  return ip === undefined ? null : `http://${ip.includes(':') ? `[${ip}]` : ip}:${port}`;
}

/** `0.0.0.0:8080`, `[::1]:8080`, `:8080` or `8080`; without a host, all of IPv4. */
export function addressOf(listen: string): { readonly host: string; readonly port: number } {
  const [, host = '', digits] = /^(?:(.*):)?(\d{1,5})$/.exec(listen) ?? [];
  const port = Number(digits);
  if (digits === undefined || port > 65_535)
    throw usageError('ListenForm', `--listen ${listen}: that is no address`, { hint: 'write 0.0.0.0:8080' });
  return { host: host.replace(/^\[(.*)\]$/, '$1') || '0.0.0.0', port };
}

async function hooksOf(
  { sources }: Config,
  followers: ReadonlyMap<string, Follower>,
  io: Io,
): Promise<ReadonlyMap<string, Hook>> {
  const hooks = new Map<string, Hook>();
  for (const { name, webhook, branch, ledger } of sources) {
    if (!webhook) continue;
    hooks.set(name, {
      secret: await resolveValue(webhook.secretFrom, io.env),
      branch,
      ledger: ledger?.branch ?? DEFAULT_LEDGER,
      received: () => followers.get(name)?.poke(),
    });
  }
  return hooks;
}
