import { defined, type Draft, nonEmpty } from '../draft.ts';
import { slug } from '../names.ts';
import type { Fields } from '../reader.ts';
import { commandsOf } from './commands.ts';
import { envOf } from './values.ts';

/** The first container is that of the commands, the others are beside it. */
export function machine(root: Fields, draft: Draft, keys: string[]): void {
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
