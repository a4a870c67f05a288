import { eachOf } from '../../../each-of.ts';
import { asCoded, isCoded, messageOf, transientError } from '../../../errors.ts';
import type { Forge, PullRequest } from '../../../forge/port.ts';
import { aimOf, attended, type Attention, readingOf } from '../../../pulls/attention.ts';
import { readSubject, readTrust } from '../../../pulls/subject.ts';
import { createWake } from '../../../reconciler/wake.ts';
import { pullRequestOf } from '../../../render/names.ts';
import { backOffMs } from '../../../sources/poll.ts';
import { createLeftovers } from './leftovers.ts';
import { createLine, type Line } from './line.ts';
import { pass, type PassParts } from './pass.ts';
import { claimsOf, removeClaims } from './scopes.ts';

/** Follows the open pull requests of a source while it is led. */
export interface Pulls {
  /** The forge may have something new. */
  poke(): void;
  /** Until the signal aborts; then what runs goes on in the cluster. Never rejects: what fails is said and tried again. */
  run(signal: AbortSignal): Promise<void>;
}

export interface PullsOptions extends Omit<PassParts, 'released'> {
  readonly forge: Forge;
  /** How long a claim stays after its run is recorded. */
  readonly keepClaimsMs?: number | undefined;
}

/** Passes at a time: each has two watches of the cluster. */
const MOST_PASSES = 4;
const MOST_LOOKS = 4;
/** Webhooks come in bursts: between two looks at the forge there is that long at least. */
const REST_MS = 1_000;
/** As long as those of the source itself. */
const KEEP_CLAIMS_MS = 3_600_000;

export function createPulls(options: PullsOptions): Pulls {
  const { charge, remote, forge, keepClaimsMs = KEEP_CLAIMS_MS } = options;
  const { log, shared, source } = charge;
  const wake = createWake();
  const known = new Map<number, Attention>();
  /** What each was last asked to come to. */
  const aims = new Map<number, string>();
  /** Those of which something may be in the cluster. */
  const inUse = new Set<number>();
  /** Those whose end is on its way. */
  const closed = new Set<number>();
  const told = new Set<number>();
  const leftovers = createLeftovers({
    remove: (scope, keys, signal) => removeClaims(charge, scope, keys, signal),
    keepMs: keepClaimsMs,
    now: Date.now,
    log,
  });
  const parts: PassParts = { ...options, released: (scope, keys) => leftovers.add(scope, keys) };

  const work = async (number: number, stop: AbortSignal): Promise<void> => {
    const subject = known.get(number)?.subject ?? null;
    if (!subject && !inUse.has(number)) {
      closed.delete(number);
      return;
    }
    const hints = { isInUse: inUse.has(number), isFirst: !told.has(number) };
    // Until it is known to be over, there may be something.
    inUse.add(number);
    try {
      await pass(parts, { number, subject }, hints, stop);
    } catch (error) {
      // Another try brings no other commit: the next push does.
      if (!subject || !isCoded(error, 'CommitTooLarge')) throw error;
      log.warn({ pullRequest: number }, error.message);
      parts.voiceOf(number).cannot(subject, error);
      await pass(parts, { number, subject: null, why: 'Superseded' }, hints, stop);
    }
    if (stop.aborted) return;
    inUse.delete(number);
    told.add(number);
    if (!subject) closed.delete(number);
  };

  /** A list may lack what moved from page to page while it was read: what would be ended is asked for by itself. */
  const isGone = async (number: number, signal: AbortSignal): Promise<boolean> => {
    try {
      const { isOpen, base } = await forge.pullRequest(number, signal);
      return !isOpen || base.ref !== remote.source.branch();
    } catch (error) {
      if (isCoded(error, 'ForgeNotFound')) return true;
      throw error;
    }
  };

  /** Has what is left of pull requests ended that are not open any more. */
  const endGone = async (open: ReadonlySet<number>, line: Line, signal: AbortSignal): Promise<void> => {
    for (const number of new Set([...known.keys(), ...inUse])) {
      if (open.has(number) || closed.has(number)) continue;
      const matters = inUse.has(number) || line.isAtWork(number);
      if (matters && !(await isGone(number, signal))) continue;
      known.delete(number);
      aims.delete(number);
      told.delete(number);
      if (!matters) continue;
      closed.add(number);
      line.ask(number);
    }
  };

  /** Reads what is new of one, and has it worked on where that comes to something else. Throws like the forge where it is limited. */
  const look = async (now: PullRequest, line: Line, signal: AbortSignal): Promise<void> => {
    const { number } = now;
    closed.delete(number);
    try {
      known.set(number, await attend(forge, now, known.get(number), signal));
    } catch (error) {
      // One that the forge can't tell of keeps no other up; the next round asks again.
      if (signal.aborted || isCoded(error, 'ForgeLimited')) throw error;
      log.warn({ pullRequest: number, error: messageOf(error) }, 'a pull request can not be looked at');
      return;
    }
    const attention = known.get(number);
    const aim = attention && aimOf(attention.subject);
    if (aim === undefined || aims.get(number) === aim) return;
    aims.set(number, aim);
    line.ask(number);
  };

  let isFirst = true;
  const round = async (line: Line, signal: AbortSignal): Promise<void> => {
    if (remote.source.branch() === null) await remote.source.tip(signal);
    const branch = remote.source.branch();
    if (isFirst)
      for (const scope of await claimsOf(charge, signal)) {
        const found = pullRequestOf(scope);
        if (found) inUse.add(found.number);
      }
    isFirst = false;
    const listed = (await forge.openPullRequests(signal)).filter(({ base }) => base.ref === branch);
    await endGone(new Set(listed.map(({ number }) => number)), line, signal);
    await eachOf(listed, MOST_LOOKS, (now) => look(now, line, signal));
  };

  /** How long to wait after a failure, which is said. */
  const trouble = (error: unknown, failures: number): number => {
    const coded = asCoded(error, (message) => transientError('LookFailed', message));
    const wait = backOffMs(coded, failures, remote.intervalMs);
    shared.metrics.source(source.name).trouble();
    const why = coded.hint === undefined ? coded.message : `${coded.message}; ${coded.hint}`;
    log.warn({ retryInMs: Math.round(wait) }, `pull requests are not looked at: ${why}`);
    return wait;
  };

  return {
    poke: () => wake.ring(),
    async run(signal) {
      const line = createLine({
        most: MOST_PASSES,
        work,
        failed(number, error, retryInMs) {
          shared.metrics.source(source.name).trouble();
          log.error({ pullRequest: number, retryInMs }, messageOf(error));
        },
        signal,
      });
      let failures = 0;
      while (!signal.aborted) {
        let wait = remote.intervalMs;
        try {
          await round(line, signal);
          failures = 0;
        } catch (error) {
          if (signal.aborted) break;
          failures += 1;
          wait = trouble(error, failures);
        }
        await leftovers.sweep(signal);
        await createWake().wait(REST_MS, signal);
        // A webhook does not open a limit that the forge has set.
        await (failures > 0 ? createWake() : wake).wait(Math.max(0, wait - REST_MS), signal);
      }
      await line.close();
    },
  };
}

/** Reads of the forge what has to be read. */
async function attend(
  forge: Forge,
  now: PullRequest,
  known: Attention | undefined,
  signal: AbortSignal,
): Promise<Attention> {
  switch (readingOf(now, known)) {
    case 'all':
      return attended(now, await readSubject(forge, now, {}, signal), known);
    case 'trust': {
      const { subject } = known as Attention;
      return attended(now, { ...subject, trust: await readTrust(forge, now, {}, signal) }, known);
    }
    case 'nothing': {
      const attention = known as Attention;
      return { ...attention, subject: { ...attention.subject, pullRequest: now } };
    }
  }
}
