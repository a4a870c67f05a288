import { suggestDuration } from '../job/duration.ts';
import { createDraft, defined, type Draft, nonEmpty } from './draft.ts';
import { createNames, envNameTrouble, isEnvName, jobName, noteRenamed, slug } from './names.ts';
import { failingScript } from './placeholder.ts';
import type { Fields, Reader } from './reader.ts';
import { hidden } from './secrets.ts';
import type { Surroundings } from './system.ts';

/** A jobfile of Alfred (gammadia/alfred), version 1: images that are built for each step, services, tasks. */
export function convertAlfred({ root }: Reader, { fileName }: Surroundings): readonly Draft[] {
  if (root === undefined) return [];
  const name = root.text('name');
  const draft = createDraft(jobName(name, fileName), []);
  noteRenamed(draft, name);
  const version = root.text('version');
  if (version !== '1')
    root.error('version', `${JSON.stringify(version ?? '')} is not known; jobfiles have version "1"`);
  draft.spec['on'] = {};
  draft.todo(
    ['spec', 'on'],
    'jobs were started by `alfred run`; write what starts this one: commit, schedule, or {} for requests alone',
  );
  draft.spec['env'] = nonEmpty({ ...plainEnv(root, 'env'), ...secretEnv(root, draft), ...FOLDERS });
  draft.note(['spec', 'env'], 'ALFRED_SHARED and ALFRED_OUTPUT are folders of the pod here');
  services(root.fields('services'), draft);
  tasks(root, draft);
  steps(root, draft);
  draft.spec['artifacts'] = {};
  draft.note(['spec', 'artifacts'], 'what lay in ALFRED_OUTPUT was kept');
  return [draft];
}

/** Where steps of a task hand files on, and where artifacts are put. */
const FOLDERS = { ALFRED_SHARED: '/runledger/shared', ALFRED_OUTPUT: '/runledger/output' };

/** Why a jobfile can't be read as it is. */
export function refusesTemplates(text: string): { readonly offset: number; readonly message: string } | undefined {
  const offset = text.indexOf('{{');
  return offset < 0
    ? undefined
    : {
        offset,
        message: 'the jobfile is a template; render it first: alfred run --dry-run JOBFILE prints what to convert',
      };
}

function plainEnv(fields: Fields, key: string): Readonly<Record<string, string>> {
  const env = fields.textMap(key) ?? {};
  for (const name of Object.keys(env)) if (!isEnvName(name)) fields.error(key, envNameTrouble(name));
  return env;
}

/** Secrets by the names under which Alfred's server has them. */
function secretEnv(root: Fields, draft: Draft): Readonly<Record<string, unknown>> {
  const secrets = Object.entries(plainEnv(root, 'secrets'));
  if (secrets.length === 0) return {};
  const names = secrets.map(([variable, name]) => `${variable} was ${name}`).join(', ');
  draft.todo(
    ['spec', 'env'],
    `create the Secret ${draft.name}-secrets: ${names}. Alfred gave values in base64; here they are as they are`,
  );
  return Object.fromEntries(secrets.map(([variable, name]) => [variable, { secret: hidden(name, draft) }]));
}

function steps(root: Fields, draft: Draft): void {
  const names = createNames(Object.keys((draft.spec['services'] as object | undefined) ?? {}));
  const type = root.type('steps');
  const images = type === undefined ? imagesOf(root) : stepImages(root);
  if (images.length === 0) root.error('steps', 'is missing or empty; a job has at least one image');
  draft.spec['steps'] = images.map(({ name, image, built }, index) => {
    const path = ['spec', 'steps', index];
    if (built !== undefined)
      draft.todo([...path, 'image'], `it was built from ${built}; build and push it, and write its name`);
    draft.todo(
      [...path, 'run'],
      'the image was started as it is (docker inspect tells: Entrypoint and Cmd); write that as command and args',
    );
    return {
      name: names(name, `step-${index + 1}`),
      image,
      run: failingScript(
        `write the command of step ${index + 1}${built === undefined ? '' : `, and the image that is built from ${built}`}`,
      ),
    };
  });
  draft.todo(
    ['spec', 'steps'],
    'steps run as user 65532 and in an empty workspace, not as the USER and in the WORKDIR of the image',
  );
}

interface Image {
  readonly name: string | undefined;
  readonly image: string;
  /** What it is built from, where it is not pulled. */
  readonly built: string | undefined;
}

const PLACEHOLDER = 'registry.invalid/to-be-built';

const stepImages = (root: Fields): readonly Image[] =>
  root.mixed('steps').map((step) => (typeof step === 'string' ? pulled(step) : imageOf(step)));

const pulled = (image: string): Image => ({ name: undefined, image, built: undefined });

/** Without steps: `image` as a name, or as what to build, or `images`, or `dockerfile` itself. */
function imagesOf(root: Fields): readonly Image[] {
  if (root.type('image') === 'object') {
    const image = root.fields('image');
    return image ? [imageOf(image)] : [];
  }
  if (root.has('images')) return (root.texts('images') ?? []).map(pulled);
  return root.has('image') || root.has('dockerfile') ? [imageOf(root, 'root')] : [];
}

function imageOf(fields: Fields, level: unknown = 'step'): Image {
  const name = level === 'root' ? undefined : fields.text('name');
  const image = fields.text('image');
  const built = fields.has('dockerfile')
    ? [
        fields.text('dockerfile'),
        fields.has('context') ? `in ${fields.text('context')}` : '',
        fields.has('options') ? `with ${(fields.texts('options') ?? []).join(' ')}` : '',
      ]
        .filter(Boolean)
        .join(' ')
    : undefined;
  if (image === undefined && built === undefined)
    fields.error('dockerfile', 'is missing; it says what the image is built from');
  return { name, image: image ?? PLACEHOLDER, built };
}

function services(all: Fields | undefined, draft: Draft): void {
  const made: Record<string, unknown> = {};
  for (const key of all?.keys ?? []) {
    const service = all?.fields(key);
    if (service === undefined) continue;
    const name = slug(key) ?? 'service';
    const path = ['spec', 'services', name];
    if (name !== key) draft.todo(path, `it was called ${key}; steps reach it as ${name}, or on localhost`);
    const tmpfs = service.texts('tmpfs')?.map((folder) => {
      const [place = '', options] = folder.split(':');
      if (options !== undefined) draft.todo([...path, 'tmpfs'], `${place} had the options ${options}`);
      return place;
    });
    if (!service.has('image')) service.error('image', 'is missing; a service has one');
    made[name] = defined({
      image: service.text('image'),
      args: nonEmpty(service.texts('command')),
      env: nonEmpty(plainEnv(service, 'env')),
      tmpfs: nonEmpty(tmpfs),
      health: healthOf(service.fields('health'), draft, path),
    });
  }
  draft.spec['services'] = nonEmpty(made);
}

function healthOf(health: Fields | undefined, draft: Draft, path: readonly string[]): unknown {
  if (health === undefined) {
    draft.todo(path, 'it has no health check, so steps start when it does; write health');
    return undefined;
  }
  const cmd =
    health.type('cmd') === 'array' ? health.texts('cmd') : health.has('cmd') ? [health.text('cmd') ?? ''] : [];
  const command = [...(cmd ?? []), ...(health.texts('args') ?? [])];
  if (command.length === 0) health.error('cmd', 'is missing; it is the command that asks');
  const duration = (key: string, otherwise: string): string => {
    const text = health.text(key) ?? otherwise;
    const suggested = suggestDuration(text);
    if (suggested === undefined) health.error(key, `${JSON.stringify(text)} is no duration`);
    return suggested ?? text;
  };
  const retries = Number(health.text('retries') ?? '3');
  if (!Number.isInteger(retries) || retries < 1) health.error('retries', 'is no number of tries');
  return { command, interval: duration('interval', '10s'), timeout: duration('timeout', '5s'), retries };
}

/** Names of tasks, or mappings with their slots. Each finds its name in ALFRED_TASK. */
function tasks(root: Fields, draft: Draft): void {
  if (!root.has('tasks')) return root.error('tasks', 'is missing; a job has tasks');
  if (root.type('tasks') !== 'array')
    return root.error('tasks', "a script that prints the tasks can't be carried over; write a list of names");
  const unique = createNames();
  draft.spec['tasks'] = root.mixed('tasks').map((task, index) => {
    const name = (typeof task === 'string' ? task : task.text('name')) ?? '';
    const slots = typeof task === 'string' ? undefined : task.integer('slots');
    const called = unique(name, `task-${index + 1}`);
    if (called !== name) draft.todo(['spec', 'tasks', index], `it was called ${name}`);
    return defined({ name: called, slots, env: { ALFRED_TASK: name } });
  });
}
