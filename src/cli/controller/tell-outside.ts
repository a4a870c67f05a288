import type { Dispatcher } from 'undici';
import type { Logger } from 'pino';
import { messageOf, usageError } from '../../errors.ts';
import { forgeAddress } from '../../forge/address.ts';
import { openForge } from '../../forge/open.ts';
import type { CommitStatus, Forge } from '../../forge/port.ts';
import { webAddress } from '../../forge/web-address.ts';
import { createDispatcher } from '../../git/dispatcher.ts';
import { outcomePath } from '../../ledger/layout.ts';
import type { LedgerView } from '../../ledger/port.ts';
import { missedStatuses } from '../../notify/catch-up.ts';
import { isWanted, type Message, payloadOf } from '../../notify/message.ts';
import type { LedgerPages, RunNews } from '../../notify/news.ts';
import { createOutbox, type Outbox } from '../../notify/outbox.ts';
import { statusOf } from '../../notify/status.ts';
import { createTeller } from '../../notify/teller.ts';
import { post } from '../../notify/webhook.ts';
import type { ReconcilerEvent } from '../../reconciler/ports.ts';
import type { Config, Notification, SourceConfig } from '../../schemas/index.ts';
import type { DeliveryKind, Metrics } from '../../server/metrics.ts';
import { DEFAULT_LEDGER } from '../compose.ts';
import { resolveValue, tokenOf } from '../config.ts';
import type { Io } from '../terminal.ts';
import { VERSION } from '../version.ts';

const USER_AGENT = `runledger/${VERSION}`;
const WEBHOOK_TIMEOUT_MS = 10_000;
/** GitHub asks for a second between requests that change something. */
const STATUS_PACE_MS = 1_000;
/** How long the end of a process waits for what can still be sent. */
const LAST_WORDS_MS = 3_000;

/** What telling others takes from the process. */
export interface OutsideParts {
  readonly config: Pick<Config, 'notifications'>;
  readonly io: Pick<Io, 'env'>;
  readonly log: Logger;
  readonly metrics: Pick<Metrics, 'delivery' | 'outbox'>;
}

/** Tells others of the runs of all sources: one row for each notification, so that none keeps another up. */
export interface Notifier {
  take(message: Message): void;
  close(): Promise<void>;
}

function openOutbox(kind: DeliveryKind, paceMs: number, { log, metrics }: OutsideParts) {
  const outbox = createOutbox({
    paceMs,
    counted: (result) => metrics.delivery(kind, result),
    warn: (details, message) => log.warn(details, message),
  });
  const forget = metrics.outbox(kind, () => outbox.size);
  return {
    outbox,
    async close() {
      await outbox.close(LAST_WORDS_MS);
      forget();
    },
  };
}

export async function createNotifier(parts: OutsideParts): Promise<Notifier> {
  const { config, io } = parts;
  const dispatcher = await createDispatcher({ timeoutMs: WEBHOOK_TIMEOUT_MS, env: io.env });
  const rows = (config.notifications ?? []).map((notification, index) => {
    const row = openOutbox('notification', 0, parts);
    return { notification, name: `notification ${index + 1}`, row };
  });
  return {
    take(message) {
      const { source, outcome } = message;
      for (const { notification, name, row } of rows) {
        if (!isWanted(notification, message)) continue;
        row.outbox.put({
          key: `${source} ${outcome.job} ${outcome.run}`,
          what: `${name} of ${source}: ${outcome.job} #${outcome.run} ${outcome.result}`,
          isPassing: false,
          send: (signal) => send(notification, message, name, dispatcher, io, signal),
        });
      }
    },
    async close() {
      await Promise.all(rows.map(({ row }) => row.close()));
      await dispatcher.destroy();
    },
  };
}

async function send(
  notification: Notification,
  message: Message,
  name: string,
  dispatcher: Dispatcher,
  { env }: Pick<Io, 'env'>,
  signal: AbortSignal,
): Promise<void> {
  const { url: open, urlFrom, headersFrom = {} } = notification;
  const url = urlFrom ? await resolveValue(urlFrom, env) : (open ?? '');
  if (!URL.canParse(url) || !/^https?:/.test(url))
    throw usageError('AddressForm', `${name}: what urlFrom names is no http or https address`);
  const headers: Record<string, string> = {};
  for (const [header, from] of Object.entries(headersFrom)) {
    headers[header.toLowerCase()] = await resolveValue(from, env);
  }
  const json = payloadOf(notification, message);
  await post({ url, headers, json, name, userAgent: USER_AGENT, timeoutMs: WEBHOOK_TIMEOUT_MS }, dispatcher, signal);
}

/** The web pages of a source's ledger. */
export function pagesOf({ url, ledger, forge }: SourceConfig): LedgerPages {
  const branch = ledger?.branch ?? DEFAULT_LEDGER;
  const page = (kind: 'folder' | 'file', path: string): string | undefined => {
    try {
      return url === undefined ? undefined : webAddress(url, { branch, kind, path }, forge?.kind);
    } catch {
      return undefined; // a repository without pages that are known
    }
  };
  return { root: page('folder', ''), outcome: (job, run) => page('file', outcomePath(job, run)) };
}

/** What is told of the runs of one source, for as long as this process leads it. */
export interface Outside {
  take(event: ReconcilerEvent): void;
  /** Has what a predecessor could not tell sent, once the ledger is read; never rejects. */
  catchUp(view: Pick<LedgerView, 'statuses' | 'outcome'>, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

export async function createOutside(source: SourceConfig, notifier: Notifier, parts: OutsideParts): Promise<Outside> {
  const { name } = source;
  const pages = pagesOf(source);
  const statuses = source.statuses === true ? await openStatuses(source, parts) : null;
  const put = (status: CommitStatus | undefined): void => {
    if (status && statuses) statuses.outbox.put(deliveryOf(status, statuses.forge));
  };
  const teller = createTeller((news: RunNews) => {
    put(statusOf(news, name, pages));
    if (news.kind !== 'ended') return;
    const { outcome, previous } = news;
    notifier.take({ source: name, outcome, previous, url: pages.outcome(outcome.job, outcome.run) });
  });
  return {
    take(event) {
      switch (event.kind) {
        case 'claimed':
        case 'started':
        case 'finished':
        case 'recorded':
        case 'refused':
          return teller(event);
        case 'planned':
        case 'output':
        case 'passed':
        case 'waiting':
        case 'notice':
        case 'trouble':
          return undefined;
      }
    },
    async catchUp(view, signal) {
      if (!statuses) return;
      try {
        for (const status of await missedStatuses(view, name, pages, statuses.forge, Date.now(), signal)) put(status);
      } catch (error) {
        if (!signal.aborted) parts.log.warn({ error: messageOf(error) }, 'statuses of earlier runs are not looked at');
      }
    },
    async close() {
      await statuses?.close();
      await statuses?.forge.close();
    },
  };
}

const deliveryOf = (status: CommitStatus, forge: Forge): Parameters<Outbox['put']>[0] => ({
  key: `${status.sha} ${status.context}`,
  what: `status ${status.context} of ${status.sha.slice(0, 12)}: ${status.state}`,
  isPassing: status.state === 'pending' || status.state === 'running',
  send: (signal) => forge.setStatus(status, signal),
});

async function openStatuses(source: SourceConfig, parts: OutsideParts) {
  const { url: remote = '', forge: hints, caFile } = source;
  const from = tokenOf(source);
  const forge = await openForge({
    remote,
    kind: hints?.kind,
    api: hints?.api,
    token: async () => from && resolveValue(from, parts.io.env),
    userAgent: USER_AGENT,
    env: parts.io.env,
    ...(caFile === undefined ? {} : { caFile }),
  });
  const { kind } = forgeAddress(remote, hints);
  return { forge, ...openOutbox('status', kind === 'github' ? STATUS_PACE_MS : 0, parts) };
}
