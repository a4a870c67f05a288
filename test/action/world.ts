import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Forge } from '../support/forge.ts';
import { commitFiles, git, temporaryDirectory } from '../support/git.ts';

export const job = (name: string, spec: string): string =>
  `apiVersion: runledger.dev/v1\nkind: Job\nmetadata: { name: ${name} }\nspec:\n${spec.replace(/^(?=.)/gm, '  ')}\n`;

export interface Comment {
  readonly id: number;
  readonly body: string;
}

/** A repository on a forge with a clone of it, for pull requests. */
export interface PullWorld {
  /** A folder beside the clone. */
  readonly folder: string;
  readonly clone: string;
  readonly name: string;
  /** The repository's path in the API. */
  readonly path: string;
  /** `owner/name` of a fork of it, made now; the clone can push there, too. */
  fork(): Promise<string>;
  /** Commits these files (null removes one) and pushes them to a branch of a repository; returns the commit. */
  push(files: Readonly<Record<string, string | null>>, branch: string, repository?: string): Promise<string>;
  /** Opens a pull request for `main`; returns its number. */
  pull(head: string): Promise<number>;
  /** The payload of an event of the pull request, as a workflow gets it. */
  event(number: number): Promise<unknown>;
  comments(number: number): Promise<readonly Comment[]>;
  comment(number: number, body: string): Promise<void>;
  /** `context state` of the statuses that stand beside a commit. */
  statuses(sha: string): Promise<readonly string[]>;
  branches(): Promise<readonly string[]>;
  close(): Promise<void>;
}

export interface Ran {
  readonly code: number;
  readonly text: string;
  /** What stands in the file of GITHUB_OUTPUT then. */
  readonly outputs: string;
}

/** The step as a workflow for this event executes it: `main` (a program for Node) with these inputs, in the work tree. */
export async function runStep(
  world: PullWorld,
  forge: Forge,
  {
    main,
    event,
    number,
    inputs,
  }: {
    readonly main: string;
    readonly event: string;
    readonly number: number;
    readonly inputs: Readonly<Record<string, string>>;
  },
): Promise<Ran> {
  const folder = mkdtempSync(join(world.folder, 'step-'));
  const payload = join(folder, 'event.json');
  writeFileSync(payload, JSON.stringify(await world.event(number)));
  const given = { command: 'run', path: 'jobs', 'github-token': forge.token, ...inputs };
  const env = {
    PATH: process.env['PATH'],
    GITHUB_EVENT_NAME: event,
    GITHUB_EVENT_PATH: payload,
    GITHUB_REPOSITORY: `${forge.user}/${world.name}`,
    GITHUB_API_URL: `${forge.url}/api/v1`,
    GITHUB_WORKSPACE: world.clone,
    GITHUB_OUTPUT: join(folder, 'output'),
    RUNNER_TEMP: folder,
    ...Object.fromEntries(Object.entries(given).map(([input, value]) => [`INPUT_${input.toUpperCase()}`, value])),
  };
  writeFileSync(env.GITHUB_OUTPUT, '');
  return new Promise((resolve) => {
    execFile(process.execPath, [main], { cwd: world.clone, env, timeout: 120_000 }, (error, stdout, stderr) => {
      const code = typeof error?.code === 'number' ? error.code : error ? -1 : 0;
      resolve({ code, text: stdout + stderr, outputs: readFileSync(env.GITHUB_OUTPUT, 'utf8') });
    });
  });
}

/** Makes one with these files on `main`; the clone is on a branch `change` from there. */
export async function openPullWorld(forge: Forge, files: Readonly<Record<string, string>>): Promise<PullWorld> {
  const { path: folder, remove } = await temporaryDirectory();
  const { name } = await forge.createRepository('runledger-action');
  const path = `/repos/${forge.user}/${name}`;
  const organisation = `${name}-org`;
  let isForked = false;
  const addressOf = (repository: string): string =>
    `${forge.url.replace('://', `://${forge.user}:${forge.token}@`)}/${repository}.git`;
  const own = `${forge.user}/${name}`;
  const clone = join(folder, 'clone');
  await git(folder, 'clone', '--quiet', addressOf(own), clone);
  const push: PullWorld['push'] = async (changes, branch, repository = own) => {
    const sha = await commitFiles(clone, changes);
    await git(clone, 'push', '--quiet', addressOf(repository), `HEAD:${branch}`);
    return sha;
  };
  await push(files, 'main');
  // What is run on this clone knows the forge by the event alone; act takes the repository's name from a remote on github.com.
  await git(clone, 'remote', 'set-url', 'origin', `https://github.com/${own}.git`);
  await git(clone, 'checkout', '--quiet', '-b', 'change');
  return {
    folder,
    clone,
    name,
    path,
    push,
    async fork() {
      await forge.api('POST', '/orgs', { username: organisation });
      isForked = true;
      await forge.api('POST', `${path}/forks`, { organization: organisation });
      return `${organisation}/${name}`;
    },
    async pull(head) {
      const made = await forge.api('POST', `${path}/pulls`, { head, base: 'main', title: 'A change' });
      return (made as { readonly number: number }).number;
    },
    async event(number) {
      const pullRequest = (await forge.api('GET', `${path}/pulls/${number}`)) as { base: { repo: unknown } };
      return { action: 'synchronize', number, pull_request: pullRequest, repository: pullRequest.base.repo };
    },
    comments: async (number) => (await forge.api('GET', `${path}/issues/${number}/comments`)) as readonly Comment[],
    async comment(number, body) {
      await forge.api('POST', `${path}/issues/${number}/comments`, { body });
    },
    async statuses(sha) {
      const { statuses } = (await forge.api('GET', `${path}/commits/${sha}/status`)) as {
        statuses: readonly { context: string; status: string }[] | null;
      };
      return (statuses ?? []).map(({ context, status }) => `${context} ${status}`).sort();
    },
    async branches() {
      const found = (await forge.api('GET', `${path}/branches?limit=50`)) as readonly { name: string }[];
      return found.map((branch) => branch.name).sort();
    },
    async close() {
      if (isForked) {
        await forge.api('DELETE', `/repos/${organisation}/${name}`).catch(() => undefined);
        await forge.api('DELETE', `/orgs/${organisation}`).catch(() => undefined);
      }
      await forge.deleteRepository(name);
      await remove();
    },
  };
}
