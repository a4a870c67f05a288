import type { AttemptOutput } from '../runner/port.ts';
import { createBoundedLog } from './bound.ts';
import { createDirectiveParser, type DirectiveParser, type Remark } from './directives.ts';
import { CONTINUED, createLineBuilder, type LineBuilder } from './builder.ts';
import { createLineReader, type LinePiece, type LineReader } from './lines.ts';
import type { MaskPatterns } from './mask-patterns.ts';
import type { LogMeter } from './meter.ts';
import { createRedactor, MASK, type RedactionSink, type RedactionStream, type SecretValue } from './redact.ts';
import { stampLines } from './stamp.ts';
import { createVariables } from './variables.ts';

// Each stream keeps a few small pieces for a while, and each of them holds all of the pool that it was cut from: 64 KiB by default,
// which is 27 MB for 200 streams. A pool of 8 KiB costs nothing that could be measured.
Buffer.poolSize = 8 * 1024;

/** The two streams of a process. */
export type StreamName = 'stdout' | 'stderr';

/** A redacted line as it passes by. */
export interface RecordedLine {
  /** RFC 3339 with milliseconds, UTC. */
  readonly at: string;
  readonly step: string;
  readonly stream: StreamName;
  /** For a terminal: may hold colours (SGR sequences), and then ends with a reset. */
  readonly text: string;
  /** As it is stored, `<time> <step> <stream> <text>` with a line break and without colours. */
  readonly stored: Buffer;
}

export interface RecorderOptions {
  readonly secrets: readonly SecretValue[];
  /** Patterns that are always redacted. */
  readonly masks?: MaskPatterns | undefined;
  /** In bytes: of the log that is kept, and of a line of it. */
  readonly limits: { readonly maxBytes: number; readonly maxLine: number };
  readonly now: () => Date;
  /** For whoever looks on: each line, or its parts marked by CONTINUED where it was slow to come. */
  readonly onLine?: ((line: RecordedLine) => void) | undefined;
  /** All that is stored, as it is stored, before any of it is left out: to be copied by whoever keeps it. */
  readonly onStored?: ((lines: Buffer) => void) | undefined;
  readonly meter?: LogMeter | undefined;
}

/** Makes of the output of an attempt what is shown and kept of it. */
export interface Recorder {
  /** `at`: when it was printed; default: now. */
  write(step: string, stream: StreamName, chunk: Uint8Array, at?: Date): void;
  /** Nothing has come for a while: shows `onLine` what there is of lines that have not ended. */
  peek(): void;
  /** A step has ended: its open lines, values and everything that was kept back are brought to an end. */
  flush(): void;
  /** A text of the runner's own, such as an error message, with all secrets and masks redacted. */
  redact(text: string): string;
  /** Notes something for the person who reads the outcome. */
  warn(warning: string): void;
  /** The log and what the directives set. Nothing can be written after it. */
  end(): AttemptOutput;
}

/** Remarks, and warnings, that are kept. */
const MAX_NOTES = 50;
/** Bytes of whole lines that are collected before they are searched for secrets. */
const BATCH = 64 * 1024;
/** Masks that an attempt may ask for, and the bytes of them: what is searched for has to fit into memory. */
export const MASK_LIMITS = { count: 5_000, bytes: 1024 * 1024 } as const;
const NEWLINE = Buffer.from('\n');
const MASKED_DIRECTIVE = Buffer.from(`::add-mask ${MASK}`);

/** One stream of a step on its way: bytes, lines, directives, redaction, lines again. */
interface Channel {
  readonly reader: LineReader;
  readonly directives: DirectiveParser;
  readonly redaction: RedactionStream;
  readonly builder: LineBuilder;
  batch: Buffer[];
  batchBytes: number;
  /** Bytes handed to the redaction, the batch included. */
  total: number;
  /** What was shown of a line that has not ended. */
  viewed: string;
  /** Shows a line with its line break. */
  readonly view: (line: Buffer, display: string | undefined) => void;
}

/** Up to MAX_NOTES different things, and a last one that says that there were more. */
function createNotes<T>(keyOf: (note: T) => string, overflow: (left: number) => string) {
  const notes = new Map<string, T>();
  const left = new Set<string>();
  return {
    add(note: T): void {
      const key = keyOf(note);
      if (notes.has(key)) return;
      if (notes.size < MAX_NOTES) notes.set(key, note);
      else if (left.size < 10_000) left.add(key);
    },
    list: (): T[] => [...notes.values()],
    overflow: (): string[] => (left.size === 0 ? [] : [overflow(left.size)]),
  };
}

function redactRemark({ level, message, file, line }: Remark, redact: (text: string) => string): Remark {
  return {
    level,
    message: redact(message),
    ...(file === undefined ? {} : { file: redact(file) }),
    ...(line === undefined ? {} : { line }),
  };
}

/** The time of lines and the bytes they begin with: made anew only when the clock has moved on. */
function createStamp(rest: string): (time: number) => { readonly at: string; readonly prefix: Buffer } {
  let last = Number.NaN;
  let stamp = { at: '', prefix: NEWLINE };
  return (time) => {
    if (time !== last) {
      last = time;
      const at = new Date(time).toISOString();
      stamp = { at, prefix: Buffer.from(`${at}${rest}`) };
    }
    return stamp;
  };
}

const countingMasks = (sink: RedactionSink, meter: LogMeter): RedactionSink => ({
  keep: (bytes, offset) => sink.keep(bytes, offset),
  mask(offset) {
    meter.masked();
    sink.mask(offset);
  },
});

/** Memory of the whole process, since each use of it ends within the call: what is allocated for each chunk keeps the collector busy. */
let room = Buffer.alloc(0);

/** Puts parts together. The bytes are overwritten by the next call. */
function gather(parts: readonly Buffer[], bytes: number): Buffer {
  if (bytes > room.length) room = Buffer.allocUnsafe(Math.max(bytes, 2 * BATCH));
  let used = 0;
  for (const part of parts) used += part.copy(room, used);
  return room.subarray(0, used);
}

/** Composes the parts of this folder for one attempt. Needs constant memory, however much is written. */
export function createRecorder({ secrets, masks, limits, now, onLine, onStored, meter }: RecorderOptions): Recorder {
  // A line has to fit into the tail of the log several times over, and everything into maxBytes.
  const maxLine = Math.max(128, Math.min(limits.maxLine, Math.floor(limits.maxBytes / 8)));
  const log = createBoundedLog(limits.maxBytes);
  const redactor = createRedactor([], masks);
  const remarks = createNotes<Remark>(
    (remark) => JSON.stringify(remark),
    (left) => `${left} more annotations were left out; a run keeps ${MAX_NOTES}`,
  );
  const warnings = createNotes<string>(
    (text) => text,
    (left) => `${left} more warnings were left out`,
  );
  const variables = createVariables((warning) => warnings.add(warning));
  const channels = new Map<string, Channel>();
  const addSecret = (secret: SecretValue): void => {
    const refused = redactor.add(secret);
    if (refused !== undefined) warnings.add(refused);
  };
  for (const secret of secrets) addSecret(secret);
  const asked = new Set<string>();
  let askedBytes = 0;
  /** Why nothing more is shown or kept: what is not searched for can't be redacted. */
  let withheld: string | undefined;
  const addMask = (step: string, value: string): void => {
    if (withheld !== undefined || asked.has(value)) return;
    asked.add(value);
    askedBytes += value.length;
    if (asked.size <= MASK_LIMITS.count && askedBytes <= MASK_LIMITS.bytes) {
      addSecret({ label: `a mask of step ${step}`, value });
      return;
    }
    const count = MASK_LIMITS.count.toLocaleString('en');
    withheld = `variables, annotations and the output from here on are withheld: step "${step}" asked for more than ${count} masks, or 1 MiB of them`;
    asked.clear();
  };

  let time = 0;

  const search = (channel: Channel): void => {
    if (channel.batchBytes === 0) return;
    const bytes = channel.batch.length === 1 ? channel.batch[0]! : gather(channel.batch, channel.batchBytes);
    channel.batch = [];
    channel.batchBytes = 0;
    channel.redaction.push(bytes);
  };
  const append = (channel: Channel, bytes: Buffer): void => {
    if (bytes.length === 0) return;
    channel.batch.push(bytes);
    channel.batchBytes += bytes.length;
    channel.total += bytes.length;
    if (channel.batchBytes >= BATCH) search(channel);
  };
  const pass = (channel: Channel, piece: LinePiece): void => {
    const shown = channel.directives.piece(piece);
    if (shown === 'mask') append(channel, MASKED_DIRECTIVE);
    if (shown === 'show') {
      for (const { offset, sequence } of piece.colours) channel.builder.colour(channel.total + offset, sequence);
      append(channel, Buffer.from(piece.bytes));
    }
    if (piece.last) append(channel, NEWLINE);
  };
  const passLines = (channel: Channel, lines: Buffer): void => {
    for (let at = 0; at < lines.length;) {
      const next = channel.directives.next(lines, at);
      append(channel, at === 0 && next === lines.length ? lines : lines.subarray(at, next));
      if (next === lines.length) return;
      const end = lines.indexOf(0x0a, next);
      pass(channel, { bytes: lines.subarray(next, end), colours: [], first: true, last: true });
      at = end + 1;
    }
  };

  const openChannel = (step: string, stream: StreamName): Channel => {
    const stampAt = createStamp(` ${step} ${stream} `);
    const view = (line: Buffer, display: string | undefined): void => {
      const { at, prefix } = stampAt(time);
      onLine?.({
        at,
        step,
        stream,
        text: display ?? line.subarray(0, line.length - 1).toString(),
        stored: Buffer.concat([prefix, line]),
      });
    };
    const builder = createLineBuilder({
      maxLine,
      onLines(lines) {
        if (withheld !== undefined) return;
        const { prefix } = stampAt(time);
        log.push(lines, prefix);
        onStored?.(stampLines(lines, prefix));
      },
      onView:
        onLine &&
        ((lines, display) => {
          if (withheld === undefined) eachLine(lines, (line) => view(...unseen(channel, line, display)));
        }),
    });
    const channel: Channel = {
      builder,
      redaction: redactor.open(meter ? countingMasks(builder, meter) : builder),
      directives: createDirectiveParser({
        variables,
        remark: (remark) => remarks.add(remark),
        warn: (warning) => warnings.add(`step ${step}: ${warning}`),
        mask(value) {
          search(channel); // a mask holds from its line on
          addMask(step, value);
        },
      }),
      reader: createLineReader({
        maxLine,
        onPiece: (piece) => pass(channel, piece),
        onLines: (lines) => passLines(channel, lines),
      }),
      batch: [],
      batchBytes: 0,
      total: 0,
      viewed: '',
      view,
    };
    return channel;
  };
  const flush = (): void => {
    for (const channel of channels.values()) {
      channel.reader.end();
      channel.directives.end();
      search(channel);
      channel.redaction.end();
      channel.builder.end();
    }
    channels.clear();
  };

  return {
    write(step, stream, chunk, at = now()) {
      time = at.getTime();
      const name = `${stream} ${step}`;
      const channel = channels.get(name) ?? openChannel(step, stream);
      channels.set(name, channel);
      meter?.read(chunk.length);
      channel.reader.push(chunk);
      search(channel);
    },
    peek() {
      if (!onLine || withheld !== undefined) return;
      time = now().getTime();
      for (const channel of channels.values()) peekAt(channel);
    },
    flush,
    redact: (text) => redactor.redact(text),
    warn: (warning) => warnings.add(warning),
    end() {
      flush();
      const redact = (text: string): string => redactor.redact(text);
      const notes = [
        ...(withheld === undefined ? [] : [withheld]),
        ...warnings.list(),
        ...warnings.overflow(),
        ...remarks.overflow(),
      ];
      return {
        log: log.content(),
        complete: log.complete() && withheld === undefined,
        ...(withheld === undefined ? {} : { missing: withheld }),
        // A value that is not searched for may be in any of them.
        vars:
          withheld === undefined
            ? Object.fromEntries(Array.from(variables.values, ([key, value]) => [redact(key), redact(value)]))
            : {},
        annotations: withheld === undefined ? remarks.list().map((remark) => redactRemark(remark, redact)) : [],
        warnings: notes.map(redact),
      };
    },
  };
}

function eachLine(lines: Buffer, use: (line: Buffer) => void): void {
  for (let at = 0; at < lines.length;) {
    const end = lines.indexOf(0x0a, at) + 1;
    use(lines.subarray(at, end));
    at = end;
  }
}

/** Shows what is known of a line that has not ended; what may be the beginning of a secret or a directive is not. */
function peekAt(channel: Channel): void {
  const { bytes, first } = channel.reader.held();
  if (channel.directives.hides() || (first && bytes[0] === 0x3a)) return;
  const text = Buffer.concat([channel.builder.open(), channel.redaction.preview(Buffer.from(bytes))]).toString();
  const last = text.slice(text.lastIndexOf('\n') + 1);
  if (last === '' || last === channel.viewed) return;
  const isMore = channel.viewed !== '' && last.startsWith(channel.viewed);
  const shown = isMore ? `${CONTINUED}${last.slice(channel.viewed.length)}` : last;
  channel.viewed = last;
  channel.view(Buffer.from(`${shown}${CONTINUED}\n`), undefined);
}

/** What is left to show of a line that has ended. */
function unseen(channel: Channel, line: Buffer, display: string | undefined): [Buffer, string | undefined] {
  const { viewed } = channel;
  if (viewed === '') return [line, display];
  channel.viewed = '';
  const text = line.toString();
  return text.startsWith(viewed)
    ? [Buffer.from(`${CONTINUED}${text.slice(viewed.length)}`), undefined]
    : [line, display];
}
