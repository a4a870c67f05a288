import { spawn } from 'node:child_process';
import { transientError, usageError } from '../errors.ts';
import type { Io } from './terminal.ts';

/** What opens an address in the user's browser, by platform. */
const OPENERS: Readonly<Partial<Record<NodeJS.Platform, string>>> = { darwin: 'open', linux: 'xdg-open' };
/** An opener that has not ended by then has become the browser, or waits for it. */
const LIMIT_MS = 5_000;

/**
 * Opens a web page in the user's browser, by the program that the desktop has for it; no shell takes part. Throws `NoBrowser`
 * (usage) where there is no such program, and `BrowserFailed` where it says that it failed.
 */
export async function openBrowser(address: string, { env }: Io, platform: NodeJS.Platform): Promise<void> {
  const program = OPENERS[platform] ?? 'xdg-open';
  const child = spawn(program, [address], { stdio: 'ignore', detached: true, env: { ...env } });
  const timer = new AbortController();
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', resolve);
    const limit = setTimeout(() => resolve(0), LIMIT_MS);
    timer.signal.addEventListener('abort', () => clearTimeout(limit), { once: true });
  });
  try {
    const code = await ended;
    if (code !== 0) throw transientError('BrowserFailed', `${program} could not open it (exit code ${code ?? 'none'})`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw usageError('NoBrowser', `there is no ${program} here that could open a browser`, {
      hint: '--print prints the address and opens nothing',
    });
  } finally {
    timer.abort();
    child.unref();
  }
}
