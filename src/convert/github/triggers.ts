import { cronTrouble } from '../../job/cron.ts';
import { defined, type Draft, nonEmpty } from '../draft.ts';
import type { Fields } from '../reader.ts';

/** What starts the jobs of a workflow. */
export interface Triggers {
  readonly on: Readonly<Record<string, unknown>>;
  readonly parameters: Readonly<Record<string, unknown>>;
  /** Names of inputs, and of the parameters that they are. */
  readonly inputs: ReadonlyMap<string, string>;
  /** Remarks for each job that the triggers start. */
  readonly remarks: readonly ((draft: Draft) => void)[];
}

const ALL_FILES = ['**'];

/** https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax#on */
export function readTriggers(workflow: Fields): Triggers {
  const on: Record<string, unknown> = {};
  const parameters: Record<string, unknown> = {};
  const inputs = new Map<string, string>();
  const remarks: ((draft: Draft) => void)[] = [];
  const type = workflow.type('on');
  if (type === undefined) workflow.error('on', 'is missing; it says what starts the workflow');
  const plain = type === 'string' ? [workflow.text('on') ?? ''] : type === 'array' ? (workflow.texts('on') ?? []) : [];
  const events = type === 'object' ? workflow.fields('on') : undefined;
  const names = new Set([
    ...plain,
    ...(events ? [...events.keys, ...EMPTY.filter((name) => isEmpty(events, name))] : []),
  ]);
  for (const name of names) {
    const lose = (message: string): void => (events ? events.loss(name, message) : workflow.loss('on', message));
    const filter = events?.type(name) === 'object' ? events.fields(name) : undefined;
    if (name === 'push') on['commit'] = { paths: pathsOf(filter, remarks) };
    else if (name === 'pull_request') on['pullRequest'] = { paths: pathsOf(filter, remarks) };
    else if (name === 'schedule' && events) on['schedule'] = schedulesOf(events);
    else if (name === 'workflow_dispatch') readInputs(filter, parameters, inputs);
    else lose(`${name} starts no job here; on.commit, on.schedule and on.pullRequest do, or a request`);
  }
  return { on, parameters, inputs, remarks };
}

/** Events that may be written without anything: `push:`. */
const EMPTY = ['push', 'pull_request', 'workflow_dispatch'];

const isEmpty = (events: Fields, name: string): boolean => !events.has(name) && events.isWritten(name);

function pathsOf(filter: Fields | undefined, remarks: ((draft: Draft) => void)[]): readonly string[] {
  if (filter === undefined) return ALL_FILES;
  for (const key of ['branches', 'branches-ignore', 'types']) {
    const value = filter.take(key);
    if (value === undefined) continue;
    const said = JSON.stringify(value);
    remarks.push((draft) =>
      draft.todo(
        ['spec', 'on'],
        `${key} ${said}: the source's configuration says which branch and pull requests count`,
      ),
    );
  }
  for (const key of ['tags', 'tags-ignore', 'paths-ignore'])
    if (filter.has(key)) filter.loss(key, 'commits count by the paths of on.commit alone; write those');
  const paths = filter.texts('paths');
  if (paths?.some((path) => path.startsWith('!'))) {
    filter.loss('paths', "a path can't be taken out again with !; write those that count");
    return paths.filter((path) => !path.startsWith('!'));
  }
  return paths ?? ALL_FILES;
}

function schedulesOf(events: Fields): unknown {
  const schedules = events.items('schedule').map((entry) => {
    const cron = entry.text('cron') ?? '';
    const trouble = cronTrouble(cron);
    if (trouble !== undefined) entry.error('cron', trouble);
    return defined({ cron, timeZone: entry.text('timezone') });
  });
  return schedules.length === 1 ? schedules[0] : schedules;
}

function readInputs(
  dispatch: Fields | undefined,
  parameters: Record<string, unknown>,
  inputs: Map<string, string>,
): void {
  const all = dispatch?.fields('inputs');
  for (const key of all?.keys ?? []) {
    const input = all?.fields(key);
    if (input === undefined) continue;
    const name = key.toUpperCase().replaceAll(/[^A-Z0-9_]/g, '_');
    inputs.set(key, name);
    const type = input.text('type') ?? 'string';
    const options = type === 'boolean' ? ['true', 'false'] : input.texts('options');
    const first = type === 'choice' ? options?.[0] : type === 'boolean' ? 'false' : undefined;
    if (input.flag('required') === true && !input.has('default') && first === undefined)
      input.note('required', `${name} has to be given with each request; there is no default`);
    parameters[name] = defined({
      default: input.text('default') ?? first,
      enum: options,
      pattern: type === 'number' ? '^-?[0-9.]+$' : input.flag('required') === true && !options ? '.' : undefined,
      message: input.text('description'),
    });
    if (!['string', 'boolean', 'choice', 'number'].includes(type))
      input.loss('type', `${type} is a text here; write an enum or a pattern`);
  }
}

/** The triggers of a job: those that wait for others are started by these. */
export function applyTriggers({ on, parameters, remarks }: Triggers, draft: Draft, hasNeeds: boolean): void {
  draft.spec['parameters'] = nonEmpty(parameters);
  if (hasNeeds && nonEmpty(parameters))
    draft.todo(
      ['spec', 'parameters'],
      'a request gives values to the job that it is for; those that need it take their defaults',
    );
  if (hasNeeds) return;
  draft.spec['on'] = on;
  for (const remark of remarks) remark(draft);
}
