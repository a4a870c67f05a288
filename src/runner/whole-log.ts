import { randomUUID } from 'node:crypto';
import { closeSync, createReadStream, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { constants, gzipSync } from 'node:zlib';
import { attemptKey, type AttemptKey } from '../artifacts/key.ts';
import type { Store } from '../artifacts/port.ts';
import { isCoded, messageOf } from '../errors.ts';
import type { LogUpload } from '../schemas/index.ts';

/** When a whole log goes to the store: `logs.upload` of the job. */
export type UploadWhen = 'never' | 'always' | 'whenTrimmed';

/** Where whole logs go. */
export interface LogKeeper {
  /** The name of the source. */
  readonly source: string;
  readonly openStore: () => Promise<Store>;
  /** A folder for what waits to be stored. */
  readonly folder: string;
}

/** Everything that an attempt printed, as it is stored, on its way to the store. */
export interface WholeLog {
  /** Takes whole lines; they are copied. Never throws: what the disk refuses is said at the end. */
  push(lines: Buffer): void;
  /** Stores it where that is due. `isTrimmed`: the ledger lacks a part of it. Undefined: it was not due. Does not throw. */
  end(isTrimmed: boolean, signal: AbortSignal): Promise<LogUpload | undefined>;
  /** Forgets it. */
  discard(): void;
}

/** Compressed at once, as a gzip member of its own (RFC 1952, 2.2): nothing waits for a thread, so memory stays what it is. */
const BLOCK = 128 * 1024;
/** A program that never stops printing must not fill the disk; so much compressed is about 10 GB of output. */
const MAX_BYTES = 1024 ** 3;
const TRIES = 3;
const TRY_MS = 60_000;

/** `maxBytes`: compressed, of the disk. */
export function createWholeLog(
  keeper: LogKeeper,
  attempt: Omit<AttemptKey, 'source'>,
  when: UploadWhen,
  maxBytes: number = MAX_BYTES,
): WholeLog {
  const key = `${attemptKey({ ...attempt, source: keeper.source }, 'log')}.gz`;
  const path = join(keeper.folder, `${randomUUID()}.log.gz`);
  let block = Buffer.alloc(0);
  let used = 0;
  let file: number | undefined;
  let bytes = 0;
  let plainBytes = 0;
  let trouble: string | undefined;

  const flush = (): void => {
    if (used === 0 || trouble !== undefined) return;
    try {
      const frame = gzipSync(block.subarray(0, used), { level: constants.Z_BEST_SPEED });
      if (bytes + frame.length > maxBytes) {
        trouble = `the log is larger than the ${maxBytes} bytes that are kept of one; what came later is not in the store`;
        return;
      }
      file ??= openSync(path, 'wx', 0o600);
      for (let at = 0; at < frame.length;) at += writeSync(file, frame, at);
      bytes += frame.length;
      plainBytes += used;
    } catch (error) {
      trouble = `the log could not be kept until it was stored: ${messageOf(error)}`;
    } finally {
      used = 0;
    }
  };
  const put = (lines: Buffer): void => {
    const needed = used + lines.length;
    if (needed > block.length) {
      const next = Buffer.allocUnsafe(Math.max(4096, Math.min(BLOCK, 2 * block.length), needed));
      block.copy(next, 0, 0, used);
      block = next;
    }
    used += lines.copy(block, used);
    if (used >= BLOCK) flush();
  };
  const discard = (): void => {
    if (file !== undefined) closeSync(file);
    file = undefined;
    rmSync(path, { force: true });
  };
  const store = async (signal: AbortSignal): Promise<LogUpload> => {
    for (let tries = 1; ; tries += 1) {
      try {
        const to = await keeper.openStore();
        const limit = AbortSignal.any([signal, AbortSignal.timeout(TRY_MS)]);
        const digest = await to.put(key, createReadStream(path), limit);
        return { key, bytes: digest.bytes, sha256: digest.sha256, plainBytes, complete: trouble === undefined };
      } catch (error) {
        const passes = isCoded(error) && error.errorClass === 'transient';
        if (!passes || tries === TRIES || signal.aborted)
          return { complete: false, reason: `the whole log could not be stored: ${messageOf(error)}` };
      }
    }
  };

  return {
    push: put,
    async end(isTrimmed, signal) {
      try {
        if (when === 'whenTrimmed' && !isTrimmed) return undefined;
        flush();
        if (bytes === 0) return trouble === undefined ? undefined : { complete: false, reason: trouble };
        const stored = await store(signal);
        return trouble === undefined || stored.key === undefined ? stored : { ...stored, reason: trouble };
      } finally {
        discard();
      }
    },
    discard,
  };
}
