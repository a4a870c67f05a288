import type { Fields } from '../reader.ts';
import { envOf, textOf } from './expressions.ts';
import type { Scope } from './scope.ts';
import { optionsOf, takeRest } from './services.ts';

/** Where steps run. */
export interface Machine {
  readonly env: Readonly<Record<string, unknown>>;
  /** They run in a container, whose shell is sh. */
  readonly isContainer: boolean;
}

/** `runs-on` and `container` of a job. */
export function machineOf(job: Fields, scope: Scope): Machine {
  const { draft } = scope;
  const labels = labelsOf(job);
  if (labels.some((label) => /^(windows|macos)/i.test(label)))
    job.error('runs-on', `${labels.join(', ')}: runledger runs Linux containers only`);
  if (!job.has('container')) {
    const version =
      /^ubuntu-(\d\d\.\d\d)/.exec(labels.find((label) => label.startsWith('ubuntu-')) ?? '')?.[1] ?? '24.04';
    draft.spec['image'] = `ubuntu:${version}`;
    draft.todo(
      ['spec', 'image'],
      `runs-on was ${labels.join(', ')}, a machine with many programs and sudo; choose an image that has what the steps call, and the user that they run as (65532 unless user is written)`,
    );
    return { env: {}, isContainer: false };
  }
  draft.note(['spec', 'image'], `runs-on was ${labels.join(', ')}; every pod runs where the cluster puts it`);
  draft.todo(
    ['spec', 'image'],
    'steps run as user 65532, not as root; write user: 0 where that matters, and allow it in the policy',
  );
  return container(job, scope);
}

function container(job: Fields, scope: Scope): Machine {
  const { draft } = scope;
  if (job.type('container') !== 'object') {
    draft.spec['image'] = textOf(job.text('container') ?? '', job, 'container', scope);
    return { env: {}, isContainer: true };
  }
  const fields = job.fields('container');
  if (fields === undefined) return { env: {}, isContainer: true };
  draft.spec['image'] = textOf(fields.text('image') ?? '', fields, 'image', scope);
  const { user, ...rest } = optionsOf(fields);
  if (user !== undefined) draft.spec['user'] = user;
  if (Object.keys(rest).length > 0) fields.loss('options', 'a step has no health check and no tmpfs');
  if (fields.has('ports')) draft.note(['spec', 'image'], `ports ${JSON.stringify(fields.take('ports'))} are left out`);
  takeRest(fields, draft, ['spec', 'image']);
  return { env: envOf(fields, scope), isContainer: true };
}

function labelsOf(job: Fields): readonly string[] {
  if (job.type('runs-on') === 'array') return job.texts('runs-on') ?? [];
  if (job.type('runs-on') !== 'object') return [job.text('runs-on') ?? ''];
  const group = job.fields('runs-on');
  const labels = group?.type('labels') === 'array' ? group.texts('labels') : [group?.text('labels') ?? ''];
  return [...(labels ?? []), group?.text('group') ?? ''].filter(Boolean);
}
