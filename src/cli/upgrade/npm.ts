import { execFile } from 'node:child_process';
import { isCoded, messageOf, transientError, usageError } from '../../errors.ts';
import type { Io } from '../terminal.ts';

/** Runs npm with the user's own configuration: registry, credentials, proxy, certificates. Resolves to its standard output. */
export type Npm = (...args: readonly string[]) => Promise<string>;

const LIMIT_MS = 300_000;

/** Throws `NpmMissing` (usage) where there is none, and `NpmFailed` (transient) with the line in which npm says why. */
export function openNpm(io: Pick<Io, 'env' | 'cwd'>, signal: AbortSignal): Npm {
  const env = {
    ...io.env,
    npm_config_update_notifier: 'false',
    npm_config_fund: 'false',
    npm_config_audit: 'false',
    // An archive with other bytes than it should have is fetched anew, too: by default for two minutes and more.
    npm_config_fetch_retry_mintimeout: '500',
    npm_config_fetch_retry_maxtimeout: '3000',
  };
  return (...args) =>
    new Promise((resolve, reject) => {
      const options = { env, cwd: io.cwd, signal, timeout: LIMIT_MS, maxBuffer: 64 * 1024 * 1024 };
      execFile('npm', [...args], options, (error, stdout, stderr) => {
        if (!error) return resolve(stdout);
        if (error.code === 'ENOENT')
          return reject(usageError('NpmMissing', 'there is no npm on PATH', { hint: 'install Node.js with npm' }));
        const why = [...stderr.matchAll(/^npm (?:error|ERR!) (?!code )(.+)$/gm)].map(([, line = '']) => line);
        const text = why[0] ?? messageOf(error).split('\n')[0] ?? '';
        reject(
          transientError('NpmFailed', `npm ${args[0]}: ${text}`, {
            hint: `try it: npm ${args.join(' ')}`,
            cause: error,
          }),
        );
      });
    });
}

/** What npm prints with `--json`. Throws `NpmFailed` too where it is no JSON. */
export async function npmJson(npm: Npm, ...args: readonly string[]): Promise<unknown> {
  const text = await npm(...args, '--json');
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw isCoded(error) ? error : transientError('NpmFailed', `npm ${args[0]}: printed no JSON`, { cause: error });
  }
}
