import type { Command } from 'commander';
import git from 'isomorphic-git';
import fs, { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { schemas } from '../../schemas/index.ts';
import { EXIT } from '../exit.ts';
import { gitDirOf } from '../folder.ts';
import { type LogOptions } from '../logger.ts';
import { withLogOptions } from '../options.ts';
import type { Context } from '../program.ts';

export function initCommand(command: Command, context: Context): Command {
  withLogOptions(command)
    .description('start a repository with a first job, and the schemas that editors complete from')
    .argument('[folder]', 'where; it is created if need be', '.');
  return command.action(async (folder: string, _options: LogOptions) => {
    context.exit(await init(resolve(context.io.cwd, folder), context));
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

/** Writes only files that are not there yet, so that it may be called in a repository that has jobs already. */
async function init(folder: string, { io }: Context): Promise<number> {
  const say = (text: string): void => void io.stdout.write(`${text}\n`);
  await mkdir(folder, { recursive: true });
  if (!(await gitDirOf(folder))) {
    await git.init({ fs, dir: folder, defaultBranch: 'main' });
    say('created  .git (branch main)');
  }
  const files: Readonly<Record<string, string>> = {
    'jobs/hello.yaml': FIRST_JOB,
    [`${SCHEMA_FOLDER}/job.json`]: `${JSON.stringify(schemas.job, null, 2)}\n`,
    [`${SCHEMA_FOLDER}/common.json`]: `${JSON.stringify(schemas.common, null, 2)}\n`,
  };
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    if (existsSync(path)) {
      say(`kept     ${name}`);
      continue;
    }
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content);
    say(`created  ${name}`);
  }
  const where = relative(io.cwd, folder);
  say(
    `\nNext:\n${where ? `  cd ${where}\n` : ''}  runledger reconcile --dry-run   # what would run, and why\n  runledger reconcile             # run it, and commit its outcome`,
  );
  return EXIT.ok;
}
