import type { Job, RunnerSet } from '../schemas/index.ts';
import { checkoutOfSpec, DEFAULT_USER } from './defaults.ts';
import type { Finding } from './explain.ts';
import type { FieldPath } from './positions.ts';
import { quote } from './words.ts';

type Spec = Job['spec'];

/** The set that a job names, and whether it may have a pod of its own instead. */
export function runsOnOf({
  runsOn,
}: Pick<Spec, 'runsOn'>): { readonly set: string; readonly mayFallBack: boolean } | null {
  if (runsOn === undefined) return null;
  return typeof runsOn === 'string'
    ? { set: runsOn, mayFallBack: false }
    : { set: runsOn.set, mayFallBack: runsOn.fallback === 'pod' };
}

const isEmpty = (value: object | undefined): boolean => value === undefined || Object.keys(value).length === 0;

/**
 * What of a job no runner can do, since it is there before the job is known: it has one container of one image, one user and
 * the resources of its set. `set`: the set, where it is known. Each message completes a sentence that begins with the field.
 */
export function* runnerObstacles(spec: Spec, set?: RunnerSet): Iterable<Finding> {
  const at = (path: FieldPath, message: string, place: Finding['place'] = 'key'): Finding => ({ path, message, place });
  if (!isEmpty(spec.services)) yield at(['spec', 'services'], 'need containers that a runner does not have');
  if ((spec.steps?.length ?? 1) > 1) yield at(['spec', 'steps'], 'are more than one; a runner has one container');
  if ((spec.finally?.length ?? 0) > 0) yield at(['spec', 'finally'], 'needs containers that a runner does not have');
  if (!isEmpty(spec.hooks)) yield at(['spec', 'hooks'], 'need containers that a runner does not have');
  if (spec.artifacts !== undefined) yield at(['spec', 'artifacts'], 'need a container that a runner does not have');
  if (checkoutOfSpec(spec) !== false)
    yield spec.checkout === undefined
      ? at(
          ['spec', 'on', 'pullRequest'],
          'checks the revision out, for which a runner has no container; say checkout: false',
        )
      : at(['spec', 'checkout'], 'needs a container that a runner does not have');
  if (!isEmpty(spec.pod)) yield at(['spec', 'pod'], "can't change a runner, which is there already");
  if (!isEmpty(spec.resources)) yield at(['spec', 'resources'], "can't change a runner; they are those of its set");
  for (const [index, { path }] of (spec.files ?? []).entries())
    if (path.startsWith('/'))
      yield at(
        ['spec', 'files', index, 'path'],
        `${quote(path)} is absolute; in a runner, files lie in $RUNLEDGER_FILES`,
        'value',
      );
  yield* stepObstacles(spec, set);
}

function* stepObstacles(spec: Spec, set: RunnerSet | undefined): Iterable<Finding> {
  yield* imageObstacles(spec, ['spec'], set);
  for (const [index, step] of (spec.steps ?? []).entries()) yield* imageObstacles(step, ['spec', 'steps', index], set);
}

function* imageObstacles(
  { user, image }: { readonly user?: number; readonly image?: string },
  path: FieldPath,
  set: RunnerSet | undefined,
): Iterable<Finding> {
  if (user !== undefined && user !== DEFAULT_USER)
    yield { path: [...path, 'user'], place: 'value', message: `${user} is not the user of a runner, ${DEFAULT_USER}` };
  if (image === undefined) return;
  const at = { path: [...path, 'image'], place: 'value' } as const;
  if (image.includes('${{')) yield { ...at, message: `${quote(image)} is known only when the run starts` };
  else if (set && image !== set.spec.image)
    yield { ...at, message: `${quote(image)} is not the image of runner set ${set.metadata.name}, ${set.spec.image}` };
}

const WAY_OUT = (set: string): string =>
  `; leave it out, or write runsOn: { set: ${set}, fallback: pod } for a pod of its own`;

/** What keeps a job from running on the set that it names, unless it may have a pod of its own. */
export function runsOnFindings(spec: Spec, set?: RunnerSet): readonly Finding[] {
  const named = runsOnOf(spec);
  if (!named || named.mayFallBack) return [];
  return Array.from(runnerObstacles(spec, set), ({ path, place, message }) => ({
    path,
    place,
    message: message + WAY_OUT(named.set),
  }));
}
