/** The entry of the GitHub Action: reads what the platform hands over, and ends with the step's exit code. */
import { randomUUID } from 'node:crypto';
import { appendFile, readFile } from 'node:fs/promises';
import { stopSignals } from '../cli/signals.ts';
import type { Io } from '../cli/terminal.ts';
import { isCoded, messageOf } from '../errors.ts';
import { runAction } from './action.ts';
import type { Desk } from './publish.ts';
import { annotationLine } from './workflow.ts';

const { stdin, stdout, stderr, env } = process;
const io: Io = { stdin, stdout, stderr, env, cwd: process.cwd() };

const desk: Desk = {
  print: (line) => stdout.write(`${line}\n`),
  async append(variable, text) {
    const file = env[variable];
    if (file) await appendFile(file, text);
  },
  secretWord: () => randomUUID(),
};

async function payload(): Promise<unknown> {
  const file = env['GITHUB_EVENT_PATH'];
  return file ? (JSON.parse(await readFile(file, 'utf8')) as unknown) : undefined;
}

const stop = stopSignals(io, {
  first: () => desk.print('stopping: what runs is ended and recorded'),
  second: () => desk.print('stopped at once'),
});
try {
  process.exitCode = await runAction({ io, payload: await payload(), desk, stop });
} catch (error) {
  const hint = isCoded(error) && error.hint ? `; ${error.hint}` : '';
  desk.print(annotationLine({ level: 'error', title: 'runledger', message: `${messageOf(error)}${hint}` }));
  process.exitCode = 1;
} finally {
  stop.close();
}
