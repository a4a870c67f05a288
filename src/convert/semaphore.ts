import { createDraft, defined, type Draft, nonEmpty } from './draft.ts';
import { envNameTrouble, isEnvName, jobName, noteRenamed, slug } from './names.ts';
import type { Fields, Reader } from './reader.ts';
import { hidden, looksSecret, noteSecrets } from './secrets.ts';
import type { Surroundings } from './system.ts';

/**
 * A job request of the Semaphore agent, YAML or JSON: https://github.com/semaphoreci/agent (pkg/api/job_request.go). The agent
 * runs all commands in one bash session.
 */
export function convertSemaphore({ root }: Reader, { fileName }: Surroundings): readonly Draft[] {
  if (root === undefined) return [];
  const id = root.text('job_id');
  const isNumber = UUID.test(id ?? '');
  const draft = createDraft(jobName(isNumber ? undefined : id, fileName), []);
  if (isNumber) draft.todo(['metadata', 'name'], `the job was ${id}; choose a name`);
  else noteRenamed(draft, id);
  draft.spec['on'] = {};
  draft.todo(
    ['spec', 'on'],
    'jobs came from a pipeline; write what starts this one: commit, schedule, or {} for requests alone',
  );
  const keys: string[] = [];
  draft.spec['env'] = nonEmpty(envOf(root, draft, keys));
  machine(root, draft, keys);
  files(root, draft, keys);
  noteSecrets(draft, keys);
  steps(root, draft);
  leftOut(root, draft);
  return [draft];
}

/** What Semaphore calls its jobs. */
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/i;

const SHELL = ['bash', '-e'];

function steps(root: Fields, draft: Draft): void {
  const commands = commandsOf(root, 'commands');
  if (commands === undefined) root.error('commands', 'is missing or empty; there is nothing to run');
  draft.spec['steps'] = [{ name: 'commands', run: commands, shell: SHELL }];
  const epilogues = [
    ['epilogue-always', 'epilogue_always_commands', 'always'],
    ['epilogue-on-pass', 'epilogue_on_pass_commands', 'onSuccess'],
    ['epilogue-on-fail', 'epilogue_on_fail_commands', 'onFailure'],
  ] as const;
  const last = epilogues.flatMap(([name, key, when]) => {
    const run = commandsOf(root, key);
    return run === undefined ? [] : [{ name, when, run, shell: SHELL }];
  });
  draft.spec['finally'] = nonEmpty(last);
  if (last.length > 0)
    draft.todo(
      ['spec', 'finally'],
      'these ran in the session of the commands; variables and folders that were set there are not seen here',
    );
}

/** Commands one after the other as one script; undefined where there are none. */
function commandsOf(root: Fields, key: string): string | undefined {
  const commands = root.items(key).map((command) => {
    const alias = command.text('alias') ?? '';
    const directive = command.text('directive');
    if (directive === undefined) command.error('directive', 'is missing; it is the command');
    const name = alias === '' ? '' : `# ${alias.replaceAll(/[\p{C}\s]+/gu, ' ')}\n`;
    return `${name}${(directive ?? '').trimEnd()}\n`;
  });
  return commands.length === 0 ? undefined : commands.join('');
}

/** The text of a base64 field; reports what is none. */
function decoded(fields: Fields, key: string): string {
  const text = (fields.text(key) ?? '').replaceAll(/\s+/g, '');
  const bytes = Buffer.from(text, 'base64');
  if (bytes.toString('base64').replace(/=+$/, '') !== text.replace(/=+$/, '')) fields.error(key, 'is not base64');
  const value = bytes.toString('utf8');
  if (!Buffer.from(value).equals(bytes))
    fields.error(key, 'holds bytes that are no text; put them into a Secret or an image');
  return value;
}

/** `env_vars`. What looks secret is only named; its key is added to `keys`. */
function envOf(fields: Fields, draft: Draft, keys: string[]): Record<string, unknown> {
  const env: Record<string, unknown> = {};
  for (const variable of fields.items('env_vars')) {
    const name = variable.text('name') ?? '';
    const value = decoded(variable, 'value');
    if (!isEnvName(name)) variable.error('name', envNameTrouble(name));
    const isSecret = looksSecret(name, value);
    if (isSecret) keys.push(hidden(name, draft).key);
    env[name] = isSecret ? { secret: hidden(name, draft) } : value;
  }
  if (Object.keys(env).length > 0)
    draft.todo(
      ['spec', 'env'],
      'job requests do not say which values are secret; those that look like it are references, look at the others',
    );
  return env;
}

/** The first container is that of the commands, the others are beside it. */
function machine(root: Fields, draft: Draft, keys: string[]): void {
  const executor = root.text('executor') ?? 'shell';
  const compose = root.fields('compose');
  const [main, ...beside] = compose?.items('containers') ?? [];
  if (executor !== 'shell' && executor !== 'dockercompose')
    root.error('executor', `${JSON.stringify(executor)} is not known; it is shell or dockercompose`);
  if (main === undefined || executor === 'shell') {
    draft.spec['image'] = 'ubuntu:24.04';
    draft.todo(
      ['spec', 'image'],
      'the commands ran on the machine of the agent; choose an image with bash and what they call',
    );
    if (main) compose?.loss('containers', 'the executor shell starts none of them');
  } else mainContainer(main, draft, keys);
  draft.spec['services'] = nonEmpty(Object.fromEntries(beside.map((container) => serviceOf(container, draft, keys))));
  const setup = compose ? commandsOf(compose, 'host_setup_commands') : undefined;
  if (setup !== undefined)
    compose?.loss(
      'host_setup_commands',
      `jobs stay apart from their nodes; prepare them in another way, or write a step: ${JSON.stringify(setup)}`,
    );
  if (compose) pullCredentials(compose, draft);
}

/** Names only: the values are credentials. */
function pullCredentials(compose: Fields, draft: Draft): void {
  const said = compose.items('image_pull_credentials').flatMap((credentials) => {
    const named = (list: string, name: string, values: readonly string[]): readonly string[] =>
      credentials.items(list).map((item) => {
        for (const value of values) item.take(value);
        return item.text(name) ?? '';
      });
    return named('env_vars', 'name', ['value']).concat(named('files', 'path', ['content', 'mode']));
  });
  if (said.length === 0) return;
  const name = `${draft.name}-registry`;
  draft.spec['pod'] = { imagePullSecrets: [{ name }] };
  draft.todo(
    ['spec', 'pod'],
    `create the pull secret ${name}; the credentials are not written here (they were in ${said.join(', ')})`,
  );
}

function mainContainer(container: Fields, draft: Draft, keys: string[]): void {
  draft.spec['image'] = container.text('image');
  draft.note(['spec', 'image'], `the container ${container.text('name')}; it has to have bash`);
  draft.spec['user'] = userOf(container);
  if (draft.spec['user'] === undefined)
    draft.todo(
      ['spec', 'image'],
      'steps run as user 65532, not as the USER of the image; write user where that matters',
    );
  for (const key of ['command', 'entrypoint'])
    if (container.has(key))
      draft.note(['spec', 'image'], `left out: ${key} ${container.text(key)}; the commands are run instead`);
  draft.spec['env'] = nonEmpty({ ...(draft.spec['env'] as object | undefined), ...envOf(container, draft, keys) });
}

function userOf(container: Fields): number | undefined {
  const user = container.text('user') ?? '';
  if (user === '') return undefined;
  if (user === 'root') return 0;
  if (/^\d+$/.test(user)) return Number(user);
  container.loss('user', `a user is a number here; docker run --rm IMAGE id -u ${user} tells`);
  return undefined;
}

function serviceOf(container: Fields, draft: Draft, keys: string[]): readonly [string, unknown] {
  const name = slug(container.text('name') ?? '') ?? 'service';
  const path = ['spec', 'services', name];
  if (name !== container.text('name')) draft.todo(path, `it was called ${container.text('name')}`);
  draft.todo(path, 'it has no health check, so steps start when it does; write health');
  const words = (key: string): readonly string[] | undefined => {
    const text = container.text(key) ?? '';
    return text === '' ? undefined : text.trim().split(/\s+/);
  };
  const service = defined({
    image: container.text('image'),
    command: words('entrypoint'),
    args: words('command'),
    env: nonEmpty(envOf(container, draft, keys)),
    user: userOf(container),
  });
  return [name, service];
}

/** Files with relative paths lie in the home of the agent's user: a hook puts them there. */
function files(root: Fields, draft: Draft, keys: string[]): void {
  const moves: string[] = [];
  const made = [...root.items('files'), ...(root.has('file') ? root.items('file') : [])].map((file) => {
    const path = file.text('path') ?? '';
    const content = decoded(file, 'content');
    const mode = modeOf(file);
    const isSecret = looksSecret(path, content);
    const key = hidden(path.replaceAll('/', '-').replace(/^[~-]+/, ''), draft);
    if (isSecret) keys.push(key.key);
    const home = path.startsWith('/') ? undefined : path.replace(/^~\//, '');
    if (home !== undefined) moves.push(...moveOf(home, mode));
    return defined({
      path: home === undefined ? path : `home/${home}`,
      mode,
      ...(isSecret ? { secret: key } : { content }),
    });
  });
  draft.spec['files'] = nonEmpty(made);
  if (moves.length > 0) draft.spec['hooks'] = { before: `${moves.join('\n')}\n` };
}

const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;

function moveOf(home: string, mode: string | undefined): readonly string[] {
  const target = `"$HOME"/${quoted(home)}`;
  return [
    ...(home.includes('/') ? [`mkdir -p "$(dirname ${target})"`] : []),
    `cp "$RUNLEDGER_FILES"/${quoted(`home/${home}`)} ${target}`,
    `chmod ${mode ?? '0644'} ${target}`,
  ];
}

function modeOf(file: Fields): string | undefined {
  const mode = file.text('mode');
  if (mode === undefined || mode === '') return undefined;
  if (/^0?[0-7]{3}$/.test(mode)) return mode.padStart(4, '0');
  file.error('mode', `${JSON.stringify(mode)} is no file mode; write 0644`);
  return undefined;
}

/** What is between the agent and its server. Addresses and tokens are not said. */
function leftOut(root: Fields, draft: Draft): void {
  const callbacks = root.fields('callbacks');
  for (const key of ['finished', 'teardown_finished', 'token']) callbacks?.take(key);
  if (callbacks) draft.note([], 'left out: callbacks; outcomes are on the ledger, and nobody is called back');
  const logger = root.fields('logger');
  for (const key of ['url', 'token']) logger?.take(key);
  if (logger) {
    const [method, bytes] = [logger.text('method'), logger.integer('max_size_in_bytes')];
    const limit = bytes === undefined ? '' : ` of at most ${bytes} bytes (logs.maxRunBytes)`;
    draft.note([], `left out: logger (${method}); logs${limit} are on the ledger`);
  }
  if (root.take('ssh_public_keys') !== undefined)
    draft.note([], 'left out: ssh_public_keys; nobody logs in to a run, but kubectl exec does');
}
