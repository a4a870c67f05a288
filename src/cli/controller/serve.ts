import { usageError } from '../../errors.ts';
import type { Hook } from '../../server/hooks.ts';
import { startServer, type RunningServer } from '../../server/server.ts';
import type { Config } from '../../schemas/index.ts';
import { DEFAULT_LEDGER } from '../compose.ts';
import { resolveValue } from '../config.ts';
import type { Io } from '../terminal.ts';
import type { Follower, Shared } from './shared.ts';

/** Serves health, metrics, the queue and webhooks for the sources. Throws `ListenForm` and `ValueMissing` (usage). */
export async function serve(
  { config, options, io, metrics, log }: Shared,
  followers: ReadonlyMap<string, Follower>,
): Promise<RunningServer> {
  return startServer({
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
    onHook(source, verdict) {
      metrics.source(source).hook(verdict);
      log.info({ source, verdict }, 'webhook');
    },
  });
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
