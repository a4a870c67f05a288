import type { Command } from 'commander';
import git from 'isomorphic-git';
import fs, { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { schemas } from '../../schemas/index.ts';
import { EXIT } from '../exit.ts';
import { gitDirOf } from '../folder.ts';
import { type CommonOptions, withLogOptions, withOutput } from '../options.ts';
import { print } from '../print.ts';
import type { Context } from '../program.ts';

export function initCommand(command: Command, context: Context): Command {
  withLogOptions(withOutput(command))
    .description('start a repository with a first job, and the schemas that editors complete from')
    .argument('[folder]', 'where; it is created if need be', '.');
  return command.action(async (folder: string, options: CommonOptions) => {
    context.exit(await init(resolve(context.io.cwd, folder), options, context));
  });
}

const SCHEMA_FOLDER = '.runledger/schemas';

const FIRST_JOB = `# yaml-language-server: $schema=../${SCHEMA_FOLDER}/job.json
# A job runs once for each change of what it executes. Try it: change the text, and run \`runledger reconcile\` again.
apiVersion: runledger.dev/v1
kind: Job
metadata:
  name: hello
spec:
  description: Says hello
  image: alpine:3.20
  run: |
    echo "hello from run $RUNLEDGER_RUN"
    echo "::set-outcome-var greeted=world"
`;

/** A file of the repository, from its root, and what became of it. */
interface InitFile {
  readonly path: string;
  readonly state: 'created' | 'kept';
  readonly note?: string;
}

/** Writes only files that are not there yet, so that it may be called in a repository that has jobs already. */
async function init(folder: string, { output }: CommonOptions, { io }: Context): Promise<number> {
  const done: InitFile[] = [];
  await mkdir(folder, { recursive: true });
  if (!(await gitDirOf(folder))) {
    await git.init({ fs, dir: folder, defaultBranch: 'main' });
    done.push({ path: '.git', state: 'created', note: 'branch main' });
  }
  const files: Readonly<Record<string, string>> = {
    'jobs/hello.yaml': FIRST_JOB,
    [`${SCHEMA_FOLDER}/job.json`]: `${JSON.stringify(schemas.job, null, 2)}\n`,
    [`${SCHEMA_FOLDER}/common.json`]: `${JSON.stringify(schemas.common, null, 2)}\n`,
  };
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    if (existsSync(path)) {
      done.push({ path: name, state: 'kept' });
      continue;
    }
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content);
    done.push({ path: name, state: 'created' });
  }
  print(io, output, { folder, files: done }, () => initText(done, relative(io.cwd, folder)));
  return EXIT.ok;
}

function initText(files: readonly InitFile[], where: string): string {
  const lines = files.map(
    ({ path, state, note }) => `${state.padEnd(7)}  ${path}${note === undefined ? '' : ` (${note})`}\n`,
  );
  return `${lines.join('')}
Next:
${where ? `  cd ${where}\n` : ''}  runledger reconcile --dry-run   # what would run, and why
  runledger reconcile             # run it, and commit its outcome
`;
}
