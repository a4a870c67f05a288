import { createDraft, type Draft, nonEmpty } from './draft.ts';
import { envNameTrouble, isEnvName, jobName } from './names.ts';
import type { Fields, Reader } from './reader.ts';
import { hidden, noteSecrets } from './secrets.ts';
import type { Surroundings } from './system.ts';

/** Where OpsLevel Runner mounts the files of a job, all of them executable. */
const FILES = '/opslevel';

/**
 * A job file of OpsLevel Runner (`opslevel-runner run --job-file`, `test -f`): image, commands, variables and files. The runner joins the
 * commands to one script of `sh -e`.
 */
export function convertOpslevel({ root }: Reader, { fileName }: Surroundings): readonly Draft[] {
  if (root === undefined) return [];
  const id = root.text('id');
  const draft = createDraft(jobName(undefined, fileName), []);
  if (id !== undefined) draft.todo(['metadata', 'name'], `the job was ${id} at OpsLevel; choose a name`);
  for (const key of ['outcome', 'status']) if (root.has(key)) draft.note([], `left out: ${key} ${root.text(key)}`);
  if (!root.has('image')) root.error('image', 'is missing; a job has one');
  draft.spec['image'] = root.text('image');
  draft.todo(
    ['spec', 'image'],
    'steps run as user 65532 and in an empty workspace; the runner took the user of its own configuration; write user where that matters',
  );
  draft.spec['on'] = {};
  draft.todo(
    ['spec', 'on'],
    'jobs came from a queue; write what starts this one: commit, schedule, or {} for requests alone',
  );
  noteSecrets(draft, variables(root, draft));
  files(root, draft);
  draft.spec['run'] = scriptOf(root);
  return [draft];
}

function scriptOf(root: Fields): string | undefined {
  const commands = root.texts('commands') ?? [];
  if (commands.length === 0) root.error('commands', 'is missing or empty; there is nothing to run');
  return commands.length === 0 ? undefined : `set -xv\n${commands.map((command) => `${command.trimEnd()}\n`).join('')}`;
}

/** Reads the variables; returns the keys of those that are secret. */
function variables(root: Fields, draft: Draft): readonly string[] {
  const env: Record<string, unknown> = {};
  const keys: string[] = [];
  for (const variable of root.items('variables')) {
    const name = variable.text('key') ?? '';
    const value = variable.text('value') ?? '';
    if (!isEnvName(name)) variable.error('key', envNameTrouble(name));
    const isSecret = variable.flag('sensitive') === true;
    if (isSecret) keys.push(hidden(name, draft).key);
    env[name] = isSecret ? { secret: hidden(name, draft) } : value;
  }
  draft.spec['env'] = nonEmpty(env);
  return keys;
}

function files(root: Fields, draft: Draft): void {
  const made = root.items('files').map((file) => {
    const name = file.text('name') ?? '';
    if (!/^[-._a-zA-Z0-9]+$/.test(name))
      file.error('name', 'is no name of a file; names have letters, digits, -, _ and .');
    return { path: `${FILES}/${name}`, content: file.text('contents') ?? '', mode: '0755' };
  });
  draft.spec['files'] = nonEmpty(made);
  if (made.length > 0)
    draft.todo(
      ['spec', 'files'],
      'no file says whether it is secret; write secret instead of content for those that are',
    );
}
