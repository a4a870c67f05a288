import { setTimeout as sleep } from 'node:timers/promises';
import type { RunKey } from '../port.ts';
import { exists } from './durable.ts';
import { createProcesses } from './identity.ts';
import { statePaths } from './layout.ts';
import { createLiveLogReader, type LiveLogReader } from './livelog.ts';
import { createRunStore } from './store.ts';

export interface FollowOptions {
  readonly stateDir: string;
  readonly key: RunKey;
  readonly hostname: string;
  readonly signal: AbortSignal;
  /** Only this task. */
  readonly task?: string | undefined;
  /** Milliseconds between two looks. */
  readonly pollMs?: number;
}

const POLL_MS = 200;
/** Looks after which it is asked whether the process that executes the run still lives. */
const LOOKS_PER_CHECK = 10;

const SKIPPED = '… lines left out: they came faster than they were read …';

/** Bytes to whole lines; the rest waits. */
function createLines() {
  let rest = Buffer.alloc(0);
  return (bytes: Buffer): string[] => {
    const all = Buffer.concat([rest, bytes]);
    const end = all.lastIndexOf(10);
    rest = Buffer.from(all.subarray(end + 1));
    return end < 0 ? [] : all.subarray(0, end).toString().split('\n');
  };
}

/** How long after the end of all attempts a further one is waited for. */
const FURTHER_MS = 2_000;

/**
 * The stored lines (`<time> <step> <stream> <text>`) of a run that some process of this machine executes, from its
 * beginning on, as they come; those of several attempts as they are found. Ends when the run has ended or was released,
 * when its process has died, or with the signal; there is nothing to follow of a run that is not claimed.
 */
export async function* followRun({
  stateDir,
  key,
  hostname,
  signal,
  task,
  pollMs = POLL_MS,
}: FollowOptions): AsyncGenerator<string> {
  const store = createRunStore(statePaths(stateDir), undefined);
  const paths = store.paths(key);
  const processes = createProcesses(hostname);
  const readers = new Map<string, { readonly reader: LiveLogReader; readonly lines: ReturnType<typeof createLines> }>();
  let said = false;
  let ended = 0; // when all attempts were seen to have ended
  const isOver = async (look: number): Promise<boolean> => {
    if (!(await exists(paths.claim))) return true;
    const made = await store.attempts(key);
    for (const attempt of made) {
      if (task !== undefined && attempt.task !== task) continue;
      const { folder } = store.attemptPaths(key, attempt);
      if (!readers.has(folder)) readers.set(folder, { reader: createLiveLogReader(folder), lines: createLines() });
    }
    const endings = await Promise.all(made.map((attempt) => exists(store.attemptPaths(key, attempt).ending)));
    if (endings.length === 0 || endings.includes(false)) ended = 0;
    else ended ||= performance.now();
    if (ended > 0 && performance.now() - ended >= FURTHER_MS) return true;
    if (look % LOOKS_PER_CHECK !== 0) return false;
    let holder = (await store.readClaim(paths))?.owner;
    while (holder && processes.state(holder) === 'dead') holder = await store.heirOf(paths, holder);
    return holder === undefined;
  };
  try {
    for (let look = 0; ; look += 1) {
      const over = (await isOver(look)) || signal.aborted; // before reading: what was written by then is read
      for (const { reader, lines } of readers.values())
        for (const bytes of reader.read()) {
          if (reader.skipped() && !said) yield SKIPPED;
          said ||= reader.skipped();
          yield* lines(bytes);
        }
      if (over) return;
      await sleep(pollMs, undefined, { signal }).catch(() => undefined);
    }
  } finally {
    for (const { reader } of readers.values()) reader.close();
  }
}
