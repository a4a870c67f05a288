import { load } from 'js-yaml';
import { access } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bucketOf } from '../../src/ledger/layout.ts';
import type { Outcome } from '../../src/schemas/index.ts';
import { cli, startCli, type CliResult } from '../support/cli.ts';
import { git, initRepository, temporaryDirectory } from '../support/git.ts';

/** A repository with a ledger, and somebody who asks for things on it. */
export interface AskingWorld {
  readonly root: string;
  readonly folder: string;
  readonly run: (...args: string[]) => Promise<CliResult>;
  /** Starts `reconcile --watch` and returns how to end it. */
  readonly watch: (...args: string[]) => {
    readonly end: () => Promise<CliResult>;
    readonly kill: () => Promise<unknown>;
  };
  readonly outcome: (job: string, run: number) => Promise<Outcome | undefined>;
  readonly requests: () => Promise<readonly string[]>;
  readonly remove: () => Promise<void>;
}

/** Ada, as git knows her. */
export const ADA = { GIT_AUTHOR_NAME: 'Ada Lovelace', GIT_AUTHOR_EMAIL: 'ada@example.com' };

export const job = (name: string, spec: string): string =>
  `apiVersion: runledger.dev/v1\nkind: Job\nmetadata: { name: ${name} }\nspec:\n${spec.replace(/^/gm, '  ')}\n`;

export async function makeWorld(): Promise<AskingWorld> {
  const { path: root, remove } = await temporaryDirectory();
  const folder = await initRepository(path.join(root, 'jobs'));
  const options = { cwd: folder, env: ADA };
  return {
    root,
    folder,
    remove,
    run: (...args) => cli(args, options),
    watch(...args) {
      const { child, ended } = startCli(['reconcile', '--watch', ...args], options);
      const finish = (signal: NodeJS.Signals) => async (): Promise<CliResult> => {
        child.kill(signal);
        return ended;
      };
      return { end: finish('SIGINT'), kill: finish('SIGKILL') };
    },
    async outcome(name, run) {
      const file = `runledger/status:jobs/${bucketOf(name)}/${name}/${run}.yaml`;
      const text = await git(folder, 'show', file).catch(() => undefined);
      return text === undefined ? undefined : (load(text) as Outcome);
    },
    async requests() {
      const files = await git(folder, 'ls-tree', '-r', '--name-only', 'runledger/status', 'requests/');
      return files.split('\n').filter(Boolean);
    },
  };
}

/** Waits until a file is there. */
export const appears = (file: string): Promise<true> =>
  until(() =>
    access(file).then(
      () => true as const,
      () => undefined,
    ),
  );

/** Waits until `look` finds something; the time limit of the test's file ends what never comes. */
export async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    await sleep(100);
  }
}
