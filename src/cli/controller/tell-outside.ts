import type { Dispatcher } from 'undici';
import type { Logger } from 'pino';
import { messageOf, usageError } from '../../errors.ts';
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
export const paceOf = ({ kind }: Forge): number => (kind === 'github' ? 1_000 : 0);
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

/** A row of deliveries of one kind; `lingerMs`: how long one that is passing waits for a later one. */
export function openOutbox(kind: DeliveryKind, paceMs: number, { log, metrics }: OutsideParts, lingerMs?: number) {
  const outbox = createOutbox({
    paceMs,
    ...(lingerMs === undefined ? {} : { lingerMs }),
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

/** The web pages of a branch of a source's repository, by default of its ledger. */
export function pagesOf(
  { url, ledger, forge }: SourceConfig,
  branch: string = ledger?.branch ?? DEFAULT_LEDGER,
): LedgerPages {
  const page = (kind: 'folder' | 'file', path: string): string | undefined => {
    try {
      return url === undefined ? undefined : webAddress(url, { branch, kind, path }, forge?.kind);
    } catch {
      return undefined; // a repository without pages that are known
    }
  };
  return { root: page('folder', ''), outcome: (job, run) => page('file', outcomePath(job, run)) };
}

/** Tells of runs whose outcomes are on one branch. */
export interface Voice extends Pick<Outside, 'take' | 'catchUp'> {
  /** Sets a status, where the source has any. */
  put(status: CommitStatus): void;
}

/** What is told of the runs of one source, for as long as this process leads it. */
export interface Outside {
  take(event: ReconcilerEvent): void;
  /** Has what a predecessor could not tell sent, once the ledger is read; never rejects. */
  catchUp(view: Pick<LedgerView, 'statuses' | 'outcome'>, signal: AbortSignal): Promise<void>;
  /** The same for the runs of a pull request, whose outcomes are on this branch: statuses alone. */
  beside(branch: string): Voice;
  close(): Promise<void>;
}

/** `forge`: that of the source, where the source says anything there. */
export function createOutside(
  source: SourceConfig,
  forge: Forge | null,
  notifier: Notifier,
  parts: OutsideParts,
): Outside {
  const { name } = source;
  const statuses = source.statuses === true && forge ? { forge, ...openOutbox('status', paceOf(forge), parts) } : null;
  const put = (status: CommitStatus | undefined): void => {
    if (status && statuses) statuses.outbox.put(deliveryOf(status, statuses.forge));
  };
  const voice = (pages: LedgerPages, ended: (news: RunNews & { kind: 'ended' }) => void): Voice => {
    const teller = createTeller((news: RunNews) => {
      put(statusOf(news, name, pages));
      if (news.kind === 'ended') ended(news);
    });
    return {
      put,
      take: (event) => void (isTold(event) && teller(event)),
      async catchUp(view, signal) {
        if (!statuses) return;
        try {
          for (const status of await missedStatuses(view, name, pages, statuses.forge, Date.now(), signal)) put(status);
        } catch (error) {
          if (!signal.aborted)
            parts.log.warn({ error: messageOf(error) }, 'statuses of earlier runs are not looked at');
        }
      },
    };
  };
  const pages = pagesOf(source);
  const own = voice(pages, ({ outcome, previous }) =>
    notifier.take({ source: name, outcome, previous, url: pages.outcome(outcome.job, outcome.run) }),
  );
  return {
    take: own.take,
    catchUp: own.catchUp,
    beside: (branch) => voice(pagesOf(source, branch), () => undefined),
    close: async () => statuses?.close(),
  };
}

type Told = Extract<ReconcilerEvent, { kind: 'claimed' | 'started' | 'finished' | 'recorded' | 'refused' }>;

function isTold(event: ReconcilerEvent): event is Told {
  switch (event.kind) {
    case 'claimed':
    case 'started':
    case 'finished':
    case 'recorded':
    case 'refused':
      return true;
    case 'planned':
    case 'output':
    case 'passed':
    case 'waiting':
    case 'notice':
    case 'trouble':
      return false;
  }
}

const deliveryOf = (status: CommitStatus, forge: Forge): Parameters<Outbox['put']>[0] => ({
  key: `${status.sha} ${status.context}`,
  what: `status ${status.context} of ${status.sha.slice(0, 12)}: ${status.state}`,
  isPassing: status.state === 'pending' || status.state === 'running',
  send: (signal) => forge.setStatus(status, signal),
});

/** The forge of a source that says something there; null: it says nothing. Throws usage errors. */
export async function forgeOf(source: SourceConfig, io: Pick<Io, 'env'>): Promise<Forge | null> {
  const { url: remote = '', forge: hints, caFile, statuses, pullRequests } = source;
  if (statuses !== true && pullRequests !== true) return null;
  const from = tokenOf(source);
  return openForge({
    remote,
    kind: hints?.kind,
    api: hints?.api,
    token: async () => from && resolveValue(from, io.env),
    userAgent: USER_AGENT,
    env: io.env,
    ...(caFile === undefined ? {} : { caFile }),
  });
}
