import { PassThrough, Transform, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { asCoded, type CodedError, transientError } from '../errors.ts';
import type { ArchiveContents } from './archive.ts';
import type { Store } from './port.ts';
import { inspectArchive, type ReadOptions } from './read.ts';
import { cancelled } from './streams.ts';

/**
 * Puts an archive that somebody else made into a store while it comes in, and reads it on the way: what is refused is not
 * kept, and what is in it is known from its bytes alone. Throws what `readArchive` and `Store.put` throw.
 */
export async function receiveArchive(
  source: Readable,
  store: Store,
  key: string,
  options: ReadOptions,
): Promise<ArchiveContents> {
  const copy = new PassThrough();
  const inspected = inspectArchive(copy, options);
  const gate = new Transform({
    transform(chunk, _encoding, done) {
      if (copy.write(chunk)) done(null, chunk);
      else copy.once('drain', () => done(null, chunk));
    },
    // Only what was read to its end without a fault has an end for the store.
    flush(done) {
      copy.end();
      void settle(inspected, done);
    },
  });
  // One that is refused halfway takes no more: the gate would wait for ever.
  inspected.catch((error: Error) => gate.destroy(error));
  gate.once('close', () => copy.destroy());
  let cutOff: unknown;
  source.once('close', () => {
    if (!source.readableEnded && !gate.destroyed) cutOff = source.errored ?? new Error('it ended early');
  });
  pipeline(source, gate).catch(() => undefined);
  const [stored, contents] = await Promise.allSettled([store.put(key, gate, options.signal), inspected]);
  if (options.signal.aborted) throw cancelled('receiving artifacts');
  if (cutOff !== undefined) throw asCoded(cutOff, (why) => cutOffError(key, why));
  // When one side fails, the other one does, too: the archive's fault says more than that nothing more came.
  if (contents.status === 'rejected' && gate.errored === contents.reason) throw contents.reason;
  if (stored.status === 'rejected') throw stored.reason;
  if (contents.status === 'rejected') throw contents.reason;
  return contents.value;
}

async function settle(work: Promise<unknown>, done: (error?: Error) => void): Promise<void> {
  try {
    await work;
  } catch (error) {
    done(error as Error);
    return;
  }
  done();
}

const cutOffError = (key: string, why: string): CodedError =>
  transientError('ArtifactsCutOff', `the artifacts for ${key} were cut off on their way in: ${why}`, {
    hint: 'they have to be sent once more',
  });
