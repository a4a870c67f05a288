import type { Readable } from 'node:stream';
import { createInterface } from 'node:readline';
import { createGunzip } from 'node:zlib';
import { usageError } from '../errors.ts';
import type { LedgerView } from '../ledger/port.ts';
import type { LogReference, LogUpload, Outcome } from '../schemas/index.ts';
import { type WriteLine, writeLines } from './log-lines.ts';
import { recordedOutcome } from './recorded.ts';
import { namesStore, storeFrom, type StoreOptions } from './store.ts';
import type { Io } from './terminal.ts';

export interface StoredLogsOptions {
  readonly view: LedgerView;
  readonly job: string;
  readonly run: number;
  readonly options: { readonly task?: string };
  readonly store: StoreOptions;
  readonly write: WriteLine;
  readonly tell: (text: string) => void;
  readonly io: Io;
  readonly signal: AbortSignal;
}

/** A log in the store, all that is needed to get it. */
type Stored = LogUpload & Required<Pick<LogUpload, 'key' | 'bytes' | 'sha256'>>;

const isStored = (upload: LogUpload | undefined): upload is Stored => upload?.key !== undefined;

/**
 * Shows what a recorded run printed, attempt by attempt: from the store where the ledger has left something out, and a store is
 * named. Throws `RunUnknown`, `TaskUnknown` (usage), and what the store throws.
 */
export async function storedLogs(options: StoredLogsOptions): Promise<void> {
  const { view, job, run, store, write, tell, io } = options;
  const outcome = await recordedOutcome(view, job, run);
  const logs = logsOf(outcome, options.options.task);
  if (logs.length === 0) tell(`${job} #${run} ${outcome.result}: ${outcome.message}; nothing was printed`);
  for (const log of logs) {
    const { upload } = log;
    if (isStored(upload) && !log.complete && namesStore(store, io)) await fromStore(upload, options);
    else writeLines(await view.read(log.path), write);
    for (const text of notesOn(log, isStored(upload) && !namesStore(store, io))) tell(text);
  }
}

/** The logs of all attempts, in order. */
function logsOf({ job, run, tasks }: Outcome, task: string | undefined): readonly LogReference[] {
  const chosen = tasks.filter(({ name }) => task === undefined || name === task);
  if (chosen.length === 0)
    throw usageError('TaskUnknown', `${job} #${run} has no task "${task ?? ''}"`, {
      hint: `its tasks are ${tasks.map(({ name }) => name).join(', ')}`,
    });
  return chosen.flatMap(({ attempts }) => attempts.flatMap(({ log }) => log ?? []));
}

function notesOn({ complete, reason, upload }: LogReference, isElsewhere: boolean): readonly string[] {
  const whole = 'the whole log is in the artifact store: name it with --store or --config to see all of it';
  return [
    ...(complete ? [] : [`this log is not complete: ${reason ?? 'nothing tells why'}`]),
    ...(isElsewhere && !complete ? [whole] : []),
    ...(upload && !upload.complete ? [upload.reason ?? 'the whole log was not stored'] : []),
  ];
}

async function fromStore(
  { key, bytes, sha256 }: Stored,
  { store, write, io, signal }: StoredLogsOptions,
): Promise<void> {
  const from = await storeFrom(store, io);
  try {
    const packed: Readable = await from.get(key, { bytes, sha256 }, signal);
    const plain = createGunzip();
    packed.on('error', (error) => plain.destroy(error));
    for await (const line of createInterface({ input: packed.pipe(plain), crlfDelay: Infinity })) write(line);
  } finally {
    from.close();
  }
}
