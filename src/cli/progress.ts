import { createLogUpdate } from 'log-update';
import type { Logger } from 'pino';
import { duration } from '../ledger/text.ts';
import type { ReconcilerEvent } from '../reconciler/ports.ts';
import type { Outcome } from '../schemas/index.ts';
import { durationOf, fit, paintFor, RESULT_LOOK, widthOf, type Io, type Paint } from './terminal.ts';

/** Shows what happens while runs are executed. */
export interface Progress {
  emit(event: ReconcilerEvent): void;
  close(): void;
}

export interface ProgressOptions {
  readonly io: Io;
  readonly log: Logger;
  /** Events go to the log alone. */
  readonly quiet: boolean;
  /** The output of steps is shown as it comes. */
  readonly output: boolean;
}

/**
 * On a terminal: what is running, in place, and a line for each run that ends. Elsewhere: the lines alone. Everything goes to
 * standard error, so that standard output holds results only. When quiet, the log hears of it instead.
 */
export function createProgress({ io, log, quiet, output }: ProgressOptions): Progress {
  const paint = paintFor(io.stderr, io.env);
  const live = io.stderr.isTTY && !quiet && !output ? createLive(io, paint) : undefined;
  const say = (line: string): void => {
    if (quiet) return;
    live?.pause();
    io.stderr.write(`${line}\n`);
    live?.draw();
  };
  return {
    emit(event) {
      if (quiet) logEvent(log, event);
      if (event.kind === 'started' && event.first) live?.add(`${event.key.job} #${event.key.run}`);
      if (event.kind === 'output') {
        const { key, step, text } = event.line;
        if (output && !quiet) io.stdout.write(`${paint('gray', `${step} |`)} ${text}\n`);
        live?.output(`${key.job} #${key.run}`, text);
      }
      if (event.kind === 'finished') {
        live?.remove(`${event.outcome.job} #${event.outcome.run}`);
        say(outcomeLine(event.outcome, paint));
      }
      if (event.kind === 'notice') say(paint('gray', event.message));
      if (event.kind === 'trouble') say(`${paint('yellow', '!')} ${event.message}`);
    },
    close: () => live?.close(),
  };
}

/** `✓ nightly-report #12 succeeded in 3m12s`, with the message where there is something to tell. */
export function outcomeLine(outcome: Outcome, paint: Paint): string {
  const { mark, style } = RESULT_LOOK[outcome.result];
  const head = `${paint(style, mark)} ${outcome.job} #${outcome.run} ${paint(style, outcome.result)}`;
  const detail = outcome.message && outcome.reason !== 'Completed' ? `: ${outcome.message}` : '';
  return `${head} in ${duration(durationOf(outcome))}${detail}`;
}

/** What happens, as lines of the log. */
export function logEvent(log: Logger, event: ReconcilerEvent): void {
  switch (event.kind) {
    case 'planned':
      log.debug({ revision: event.revision, actions: event.actions.length }, 'planned');
      break;
    case 'claimed': {
      const { job, run, trigger, message } = event.action;
      log.info({ job, run, trigger: trigger?.kind }, message);
      break;
    }
    case 'started':
      for (const { task, number } of event.attempts)
        log.info({ ...event.key, task: task.name, attempt: number }, 'started');
      break;
    case 'output':
      log.trace({ ...event.line.key, step: event.line.step, stream: event.line.stream }, event.line.text);
      break;
    case 'finished': {
      const { job, run, result, reason, exitCode, message } = event.outcome;
      log.info({ job, run, result, reason, exitCode }, message ?? result);
      break;
    }
    case 'recorded':
      log.info({ ...event.key, commit: event.commit }, 'recorded');
      break;
    case 'waiting': // told who asks: it changes with every pass
      break;
    case 'notice':
      log.info({}, event.message);
      break;
    case 'trouble':
      log.error({}, event.message);
      break;
    case 'refused': // told as trouble, too
    case 'passed':
      break;
  }
}

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
const FRAME_MS = 100;
const MOST_SHOWN = 8;

interface Live {
  add(name: string): void;
  remove(name: string): void;
  output(name: string, text: string): void;
  pause(): void;
  draw(): void;
  close(): void;
}

/** The block of running runs at the bottom of a terminal. */
function createLive(io: Io, paint: Paint): Live {
  const update = createLogUpdate(io.stderr, { showCursor: true });
  const running = new Map<string, { readonly since: number; text: string }>();
  let frame = 0;
  const draw = (): void => {
    if (running.size === 0) return update.clear();
    const width = widthOf(io.stderr, io.env);
    const lines = [...running].slice(0, MOST_SHOWN).map(([name, { since, text }]) => {
      const head = `${FRAMES[frame % FRAMES.length]} ${name} ${duration(performance.now() - since)}`;
      return fit(text ? `${head}  ${text}` : head, width - 1);
    });
    const more = running.size > MOST_SHOWN ? [`  and ${running.size - MOST_SHOWN} more`] : [];
    update(paint('gray', [...lines, ...more].join('\n')));
  };
  const timer = setInterval(() => {
    frame += 1;
    draw();
  }, FRAME_MS);
  timer.unref();
  return {
    add: (name) => void running.set(name, { since: performance.now(), text: '' }),
    remove: (name) => void running.delete(name),
    output(name, text) {
      const entry = running.get(name);
      if (entry) entry.text = text;
    },
    pause: () => update.clear(),
    draw,
    close() {
      clearInterval(timer);
      update.clear();
      update.done();
    },
  };
}
