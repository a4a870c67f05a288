import type { Command } from 'commander';
import { EXIT } from '../exit.ts';
import { changesBetween } from '../live/changes.ts';
import { feed } from '../live/feed.ts';
import { type LookOptions, openLookout, withLookOptions } from '../live/open.ts';
import type { Picture } from '../live/picture.ts';
import { openScreen } from '../live/screen.ts';
import { eventLine, type Room, topText, watchText } from '../live/tables.ts';
import { Option } from 'commander';
import { type Output, withOutput } from '../options.ts';
import { print } from '../print.ts';
import type { Context } from '../program.ts';
import { stopSignals, untilStopped } from '../signals.ts';
import { type Io, paintFor, widthOf } from '../terminal.ts';

interface TopOptions extends LookOptions {
  readonly output: Output;
}

interface WatchOptions extends LookOptions {
  readonly output: 'text' | 'json';
}

export function watchCommand(command: Command, context: Context): Command {
  withLookOptions(command)
    .description('show what runs, waits and ends, as it happens')
    .argument('[job]', 'only this job')
    .addOption(
      new Option('-o, --output <format>', 'text: a table, or lines where there is no terminal; json: an event a line')
        .choices(['text', 'json'])
        .default('text'),
    );
  return command.action(async (job: string | undefined, options: WatchOptions) => {
    context.exit(await look(options, context, job, ({ io }) => watchShow(io, options.output)));
  });
}

export function topCommand(command: Command, context: Context): Command {
  withOutput(withLookOptions(command)).description(
    'show the tasks that run now, the queue and the runner sets; once, where there is no terminal, or with -o json',
  );
  return command.action(async (options: TopOptions) => {
    context.exit(await look(options, context, undefined, ({ io }) => topShow(io, options.output)));
  });
}

/** What is done with pictures as they come. */
interface Show {
  /** False: that is enough. */
  take(picture: Picture): boolean;
  trouble(message: string): void;
  close(): void;
}

async function look(
  options: LookOptions,
  { io }: Context,
  job: string | undefined,
  open: (context: { readonly io: Io }) => Show,
): Promise<number> {
  const stop = stopSignals(io, { first: () => undefined, second: () => undefined });
  try {
    return await untilStopped({ ...stop, hard: stop.soft }, async () => {
      const lookout = await openLookout(options, io, stop.soft);
      const { repository, live } = lookout;
      const { ledger, ledgerEveryMs } = repository;
      let show: Show | undefined;
      try {
        const trouble = (message: string): void => show?.trouble(message);
        for await (const picture of feed({ live, ledger, ledgerEveryMs, job, trouble }, stop.soft)) {
          show ??= open({ io }); // once there is something to show: an error before it is told as any other
          if (!show.take(picture)) return EXIT.ok;
        }
        return EXIT.interrupted;
      } finally {
        show?.close();
        await lookout.close();
      }
    });
  } finally {
    stop.close();
  }
}

const tell = (io: Io, message: string): void =>
  void io.stderr.write(`${paintFor(io.stderr, io.env)('yellow', '!')} ${message}; tried again\n`);

/** Events as lines. */
function lines(io: Io, lineOf: (event: ReturnType<typeof changesBetween>[number]) => string): Show {
  let before: Picture | null = null;
  return {
    take(picture) {
      for (const event of changesBetween(before, picture)) io.stdout.write(`${lineOf(event)}\n`);
      before = picture;
      return true;
    },
    trouble: (message) => tell(io, message),
    close: () => undefined,
  };
}

/** A table on a screen of its own, and once more on the usual one at the end. */
function screenShow(io: Io, text: (picture: Picture, room: Room) => string, title: string): Show {
  const screen = openScreen(io);
  const paint = paintFor(io.stdout, io.env);
  let last: Picture | undefined;
  let fault = '';
  const draw = (): void => {
    const picture = last;
    if (!picture) return;
    screen.show((width, height) => {
      const state =
        fault === '' ? `${title}  ${picture.at.slice(11, 19)} UTC  Ctrl-C ends it` : `! ${fault}; tried again`;
      const head = paint(fault === '' ? 'gray' : 'yellow', state.slice(0, width));
      return `${head}\n${text(picture, { width, height: height - 1, paint })}`;
    });
  };
  return {
    take(picture) {
      last = picture;
      fault = '';
      draw();
      return true;
    },
    trouble(message) {
      fault = message;
      draw();
    },
    close() {
      screen.close();
      if (last) io.stdout.write(text(last, { width: widthOf(io.stdout, io.env), height: io.stdout.rows, paint }));
    },
  };
}

function watchShow(io: Io, output: WatchOptions['output']): Show {
  if (output === 'json') return lines(io, (event) => JSON.stringify(event));
  return io.stdout.isTTY ? screenShow(io, watchText, 'runledger watch') : lines(io, eventLine);
}

function topShow(io: Io, output: Output): Show {
  if (output === 'text' && io.stdout.isTTY) return screenShow(io, topText, 'runledger top');
  return {
    take(picture) {
      const room = { width: widthOf(io.stdout, io.env), paint: paintFor(io.stdout, io.env) };
      const { at, going, waits, sets } = picture;
      const machine = { at, runs: [...going.values()], waits: Object.fromEntries(waits), sets };
      print(io, output, machine, () => topText(picture, room));
      return false;
    },
    trouble: (message) => tell(io, message),
    close: () => undefined,
  };
}
