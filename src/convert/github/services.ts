import { suggestDuration } from '../../job/duration.ts';
import { defined, type Draft, nonEmpty } from '../draft.ts';
import { slug } from '../names.ts';
import type { Fields } from '../reader.ts';
import { envOf, textOf } from './expressions.ts';
import type { Scope } from './scope.ts';

/** `services` of a job. */
export function convertServices(services: Fields | undefined, scope: Scope): void {
  if (services === undefined) return;
  const made: Record<string, unknown> = {};
  for (const key of services.keys) {
    const service = services.fields(key);
    if (service === undefined) continue;
    const name = slug(key) ?? 'service';
    const path = ['spec', 'services', name];
    if (name !== key) scope.draft.todo(path, `it was called ${key}; steps reach it as ${name}, or on localhost`);
    const options = optionsOf(service);
    const { user, tmpfs, ...health } = options;
    made[name] = defined({
      image: textOf(service.text('image') ?? '', service, 'image', scope),
      env: nonEmpty(envOf(service, scope)),
      user,
      tmpfs,
      health: healthOf(health, scope.draft, path),
    });
    takePorts(service, scope.draft, path);
    takeRest(service, scope.draft, path);
  }
  draftServices(scope.draft, made);
}

function draftServices(draft: Draft, made: Record<string, unknown>): void {
  draft.spec['services'] = nonEmpty(made);
}

/** Steps share the network of services, so there is nothing to publish. */
function takePorts(service: Fields, draft: Draft, path: readonly string[]): void {
  for (const port of service.texts('ports') ?? []) {
    const [outside, inside = outside] = port.replace(/\/\w+$/, '').split(':');
    if (outside === inside) draft.note(path, `port ${port} is open to the steps`);
    else draft.todo(path, `it was reached at port ${outside}; steps reach it at ${inside}`);
  }
}

/** What containers and services have besides. */
export function takeRest(container: Fields, draft: Draft, path: readonly string[]): void {
  const credentials = container.fields('credentials');
  if (credentials) {
    const said = ['username', 'password'].map((key) => `${key} ${shownReference(credentials.text(key))}`).join(', ');
    const name = `${draft.name}-registry`;
    draft.spec['pod'] = { imagePullSecrets: [{ name }] };
    draft.todo(path, `create the pull secret ${name} (kubectl create secret docker-registry): ${said}`);
  }
  if (container.has('volumes')) container.loss('volumes', 'nothing of a node can be mounted; write pod.volumes');
}

/** A reference can be shown, a value can't. */
const shownReference = (text: string | undefined): string =>
  text !== undefined && /^\$\{\{[^}]*\}\}$/.test(text) ? text.replaceAll(/[${}]/g, '').trim() : '(as it was written)';

interface Options {
  user?: number;
  tmpfs?: string[];
  cmd?: string;
  interval?: string;
  timeout?: string;
  retries?: number;
  startPeriod?: string;
}

/** `options`: what docker create takes. Reports each that has no counterpart. */
export function optionsOf(container: Fields): Options {
  const text = container.text('options') ?? '';
  const words = [...text.matchAll(/(?:[^\s"']|"(?:[^"\\]|\\.)*"|'[^']*')+/g)].map(([word]) => unquoted(word));
  const options: Options = {};
  for (let at = 0; at < words.length; at += 1) {
    const [name, inline] = splitOption(words[at] ?? '');
    const value = inline ?? words[(at += 1)] ?? '';
    if (!setOption(options, name, value)) container.loss('options', `${name} ${value} has no counterpart`);
  }
  return options;
}

const unquoted = (word: string): string =>
  word.replaceAll(
    /"((?:[^"\\]|\\.)*)"|'([^']*)'/g,
    (_whole, double: string | undefined, single: string | undefined) =>
      single ?? (double ?? '').replaceAll(/\\(.)/g, '$1'),
  );

function splitOption(word: string): readonly [string, string?] {
  const equals = word.indexOf('=');
  return equals < 0 ? [word] : [word.slice(0, equals), word.slice(equals + 1)];
}

function setOption(options: Options, name: string, value: string): boolean {
  if ((name === '--user' || name === '-u') && /^\d+(:\d+)?$/.test(value)) options.user = Number(value.split(':')[0]);
  else if (name === '--tmpfs') options.tmpfs = [...(options.tmpfs ?? []), value.split(':')[0] ?? ''];
  else if (name === '--health-cmd') options.cmd = value;
  else if (name === '--health-interval') options.interval = value;
  else if (name === '--health-timeout') options.timeout = value;
  else if (name === '--health-start-period') options.startPeriod = value;
  else if (name === '--health-retries' && /^\d+$/.test(value)) options.retries = Number(value);
  else return false;
  return true;
}

/** Docker asks every 30 s, for up to 30 s, 3 times. */
function healthOf(
  { cmd, interval = '30s', timeout = '30s', retries = 3, startPeriod }: Options,
  draft: Draft,
  path: readonly string[],
): unknown {
  if (cmd === undefined) {
    draft.todo(path, 'it has no health check, so steps start when it does; write health');
    return undefined;
  }
  if (startPeriod !== undefined)
    draft.note([...path, 'health'], `--health-start-period ${startPeriod} is left out; retries decide`);
  const command = /["'|&;<>()$`\\*?]/.test(cmd) ? ['sh', '-c', cmd] : cmd.trim().split(/\s+/);
  return {
    command,
    interval: suggestDuration(interval) ?? interval,
    timeout: suggestDuration(timeout) ?? timeout,
    retries,
  };
}
