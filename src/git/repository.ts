import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { terminalError, usageError } from '../errors.ts';
import { openObjectDatabase, type ObjectDatabase } from './object-database.ts';
import { readRef } from './refs.ts';

/** Where a repository keeps its things. For a plain one `gitDir` and `commonDir` are the same. */
export interface GitDir {
  /** Holds HEAD and the index of this work tree. */
  readonly gitDir: string;
  /** Holds refs and objects, shared by all work trees. */
  readonly commonDir: string;
  /** The folder whose files are the work tree; null in a bare repository. */
  readonly workTree: string | null;
}

/** What HEAD stands for; `branch` is null when detached, `commit` null when the branch has no commit yet. */
export interface Head {
  readonly branch: string | null;
  readonly commit: string | null;
}

/** A local repository, open for reading. */
export interface Repository extends ObjectDatabase, GitDir {
  head(): Promise<Head>;
  /** The commit of `HEAD`, a full ref, a branch, a tag or a full id (tags are followed); null when there is none. */
  resolve(name: string): Promise<string | null>;
}

const kindOf = async (file: string): Promise<'file' | 'folder' | null> => {
  try {
    const found = await stat(file);
    return found.isDirectory() ? 'folder' : 'file';
  } catch {
    return null;
  }
};

async function commonDirOf(gitDir: string): Promise<string> {
  const text = await readFile(path.join(gitDir, 'commondir'), 'utf8').catch(() => null);
  return text === null ? gitDir : path.resolve(gitDir, text.trim());
}

/** The same test as git's own: HEAD, and the folders for objects and refs. */
async function isGitDir(directory: string): Promise<boolean> {
  if ((await kindOf(path.join(directory, 'HEAD'))) !== 'file') return false;
  const common = await commonDirOf(directory);
  return (
    (await kindOf(path.join(common, 'objects'))) === 'folder' && (await kindOf(path.join(common, 'refs'))) === 'folder'
  );
}

/** Follows a `.git` file, as work trees and submodules have it. */
async function followGitFile(file: string): Promise<string> {
  const target = /^gitdir: (.+)$/m.exec(await readFile(file, 'utf8'))?.[1]?.trim();
  const directory = target === undefined ? undefined : path.resolve(path.dirname(file), target);
  if (directory !== undefined && (await isGitDir(directory))) return directory;
  throw usageError('NotARepository', `${file} does not lead to a git repository`, {
    hint:
      target === undefined
        ? 'It should hold a line "gitdir: PATH".'
        : `It names ${target}; run \`git worktree repair\`.`,
  });
}

/**
 * The repository that a directory belongs to: its own `.git` folder or file, a bare repository, or that of a folder
 * above it. Throws `NotARepository`.
 */
export async function findGitDir(directory: string): Promise<GitDir> {
  const start = path.resolve(directory);
  for (let at = start; ; at = path.dirname(at)) {
    const dotGit = path.join(at, '.git');
    const kind = await kindOf(dotGit);
    if (kind === 'file' || (kind === 'folder' && (await isGitDir(dotGit)))) {
      const gitDir = kind === 'file' ? await followGitFile(dotGit) : dotGit;
      return { gitDir, commonDir: await commonDirOf(gitDir), workTree: at };
    }
    if (await isGitDir(at)) return { gitDir: at, commonDir: await commonDirOf(at), workTree: null };
    if (path.dirname(at) === at) break;
  }
  throw usageError('NotARepository', `${start} is not in a git repository`, {
    hint: 'Run `git init` there, or go without a ledger with `--ledger none`.',
  });
}

/** Values of a git config by `section.key`, lower case; includes are not followed. Enough for format and bareness. */
export async function readConfig(commonDir: string): Promise<ReadonlyMap<string, string>> {
  const text = await readFile(path.join(commonDir, 'config'), 'utf8').catch(() => '');
  const values = new Map<string, string>();
  let section = '';
  for (const line of text.split('\n')) {
    section = /^\s*\[([\w.-]+)\]/.exec(line)?.[1]?.toLowerCase() ?? (/^\s*\[/.test(line) ? '?' : section);
    const found = /^\s*([\w-]+)\s*=\s*"?([^"#;]*)"?/.exec(line.replace(/^\s*\[[^\]]*\]/, ''));
    if (found) values.set(`${section}.${found[1]!.toLowerCase()}`, found[2]!.trim());
  }
  return values;
}

async function assertSupported(commonDir: string): Promise<void> {
  const config = await readConfig(commonDir);
  const refuse = (what: string, hint: string) => {
    throw terminalError('RepositoryUnsupported', `${commonDir} ${what}, which this version cannot read`, { hint });
  };
  if ((config.get('extensions.objectformat') ?? 'sha1') !== 'sha1') {
    refuse('has SHA-256 object ids', 'Use a repository made with `git init --object-format=sha1`.');
  }
  if ((config.get('extensions.refstorage') ?? 'files') !== 'files') {
    refuse('keeps its refs in reftables', 'Run `git refs migrate --ref-format=files` there.');
  }
}

const MAX_TAGS = 10;

/**
 * Opens a repository by its `.git` folder, the folder of a linked work tree, or a bare repository (see
 * {@link findGitDir}). Throws `NotARepository`, `RepositoryUnsupported` (SHA-256 ids, reftables).
 */
export async function openRepository({ gitdir }: { readonly gitdir: string }): Promise<Repository> {
  const gitDir = path.resolve(gitdir);
  if (!(await isGitDir(gitDir))) {
    throw usageError('NotARepository', `${gitDir} is not a git repository`, {
      hint: 'Run `git init` there, or go without a ledger with `--ledger none`.',
    });
  }
  const commonDir = await commonDirOf(gitDir);
  await assertSupported(commonDir);
  const bare = (await readConfig(commonDir)).get('core.bare') === 'true' && commonDir === gitDir;
  const workTree = bare || path.basename(gitDir) !== '.git' ? null : path.dirname(gitDir);
  const database = openObjectDatabase(path.join(commonDir, 'objects'));

  const refId = async (ref: string): Promise<string | null> => {
    let name = ref;
    for (let hop = 0; hop < MAX_TAGS; hop++) {
      const found = await readRef(name === 'HEAD' ? gitDir : commonDir, name);
      if (!found) return null;
      if ('id' in found) return found.id;
      name = found.symbolic;
    }
    return null;
  };
  const peel = async (id: string): Promise<string | null> => {
    let at = id;
    for (let hop = 0; hop < MAX_TAGS; hop++) {
      const { type, content } = await database.readRaw(at);
      if (type === 'commit') return at;
      const target = /^object ([0-9a-f]{40})$/m.exec(Buffer.from(content).toString('latin1'))?.[1];
      if (type !== 'tag' || target === undefined) return null;
      at = target;
    }
    return null;
  };

  return {
    ...database,
    gitDir,
    commonDir,
    workTree,
    async head() {
      const head = await readRef(gitDir, 'HEAD');
      if (!head) return { branch: null, commit: null };
      if ('id' in head) return { branch: null, commit: head.id };
      return { branch: head.symbolic.replace(/^refs\/heads\//, ''), commit: await refId(head.symbolic) };
    },
    async resolve(name) {
      if (/^[0-9a-f]{40}$/.test(name)) return (await database.has(name)) ? peel(name) : null;
      for (const prefix of name === 'HEAD' || name.startsWith('refs/')
        ? ['']
        : ['refs/heads/', 'refs/tags/', 'refs/remotes/']) {
        const id = await refId(prefix + name);
        if (id) return peel(id);
      }
      return null;
    },
  };
}
