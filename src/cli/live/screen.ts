import type { Io } from '../terminal.ts';

/** A terminal's screen that is drawn on over and over, and given back as it was. */
export interface Screen {
  /** `draw` is asked for the text now, and again whenever the terminal changes its size. */
  show(draw: (width: number, height: number) => string): void;
  close(): void;
}

// ECMA-48 and xterm: another screen, no cursor; home, and what is left of a line or of the screen.
const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const REST_OF_LINE = '\u001b[K';
const REST_OF_SCREEN = '\u001b[J';

/** For a standard output that is a terminal. Whatever ends the process gives the screen back. */
export function openScreen({ stdout }: Io): Screen {
  let drawn: ((width: number, height: number) => string) | undefined;
  let isOpen = true;
  const draw = (): void => {
    if (!drawn || !isOpen) return;
    const { columns, rows } = stdout;
    const lines = drawn(columns, rows).replace(/\n$/, '').split('\n').slice(0, rows);
    // No line break after the last line: it would scroll.
    stdout.write(`${HOME}${lines.map((line) => `${line}${REST_OF_LINE}`).join('\r\n')}${REST_OF_SCREEN}`);
  };
  const close = (): void => {
    if (!isOpen) return;
    isOpen = false;
    stdout.off('resize', draw);
    process.off('exit', close);
    stdout.write(LEAVE);
  };
  stdout.write(ENTER);
  stdout.on('resize', draw);
  process.on('exit', close);
  return {
    show(text) {
      drawn = text;
      draw();
    },
    close,
  };
}
