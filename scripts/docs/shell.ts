import { spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
/** No command of a page takes longer. */
const LIMIT_MS = 120_000;

/** What a command printed, on both streams and in their order, and its exit code; -1 when it was stopped. */
export interface Answer {
  readonly output: string;
  readonly code: number;
}

/** The shell of a person without any settings, in an empty home. */
export interface Shell {
  /** Types a command; folder, variables and aliases last from one to the next. */
  type(command: string): Promise<Answer>;
  /** Writes a file below the folder that the shell is in. */
  write(path: string, text: string): Promise<void>;
  /** Goes to the checkout of runledger, or back to the folder before. */
  enterCheckout(): Promise<void>;
  close(): Promise<void>;
}

/** The person whose home it is; pages show this folder. */
const HOME_SHOWN = '/home/ada';

const GIT_CONFIG = `[user]
name = Ada Lovelace
email = ada@example.com
[init]
defaultBranch = main
[advice]
detachedHead = false
[core]
pager = cat
`;

/** Puts up a home with `runledger` on PATH: that of this checkout, or the given command. */
export async function openShell({ command }: { readonly command?: string } = {}): Promise<Shell> {
  const base = await realpath(await mkdtemp(join(tmpdir(), 'runledger-page-')));
  const [home, bin, state] = [join(base, 'ada'), join(base, 'bin'), join(base, 'state')];
  await Promise.all([home, bin].map((path) => mkdir(path)));
  await writeFile(join(home, '.gitconfig'), GIT_CONFIG);
  const own = `exec "${process.execPath}" --disable-warning=ExperimentalWarning "${join(ROOT, 'src/cli/main.ts')}" "$@"`;
  await writeFile(join(bin, 'runledger'), `#!/bin/sh\n${command ?? own}\n`);
  await chmod(join(bin, 'runledger'), 0o755);
  await writeFile(state, `cd "${home}"\n`);
  const env = {
    PATH: `${bin}:${process.env['PATH']}`,
    HOME: home,
    LANG: 'C.UTF-8',
    COLUMNS: '100',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_PAGER: 'cat',
  };
  const keep = `{ echo "cd '$PWD'"; export -p; alias -p; } > "${state}"`;
  const type = async (typed: string): Promise<Answer> => {
    const script = `shopt -s expand_aliases\n. "${state}"\n${typed}\nstatus=$?\n${keep}\nexit $status\n`;
    const child = spawn('bash', ['--noprofile', '--norc', '-c', script], {
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8');
      stream.on('data', (chunk: string) => (output += chunk));
    }
    const stop = setTimeout(() => child.pid && process.kill(-child.pid, 'SIGKILL'), LIMIT_MS);
    const code = await new Promise<number | null>((resolve, reject) => child.on('close', resolve).on('error', reject));
    clearTimeout(stop);
    return { output: output.replaceAll(home, HOME_SHOWN), code: code ?? -1 };
  };
  return {
    type,
    async write(path, text) {
      const { output } = await type('pwd');
      const file = join(output.trim().replace(HOME_SHOWN, home), path);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, text);
    },
    async enterCheckout() {
      await type(`cd "${ROOT}"`);
    },
    close: () => rm(base, { recursive: true, force: true, maxRetries: 5 }),
  };
}
