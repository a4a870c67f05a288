import { isAbsolute } from 'node:path';
import type { Job } from '../../schemas/index.ts';
import { wantsCheckout } from './checkout.ts';

type Spec = Job['spec'];

const holdsAnything = (value: object | undefined): boolean => value !== undefined && Object.keys(value).length > 0;

/** What a runner was given to work with. */
export interface Means {
  /** Whether there is a store for artifacts. */
  readonly keeps: boolean;
  /** Whether the files of a revision can be had. */
  readonly checksOut: boolean;
}

const ALL_MEANS: Means = { keeps: true, checksOut: true };

/** Fields that local processes can't honour; a job that has one of them is not run here. */
export function refusedFields(spec: Spec, { keeps, checksOut }: Means = ALL_MEANS): readonly string[] {
  const absolute = (spec.files ?? []).flatMap(({ path }, index) =>
    isAbsolute(path) ? [`spec.files[${index}].path (absolute)`] : [],
  );
  const refused: readonly (readonly [string, boolean])[] = [
    ['spec.services', holdsAnything(spec.services)],
    ['spec.runsOn', spec.runsOn !== undefined && (typeof spec.runsOn === 'string' || spec.runsOn.fallback !== 'pod')],
    ['spec.checkout', !checksOut && wantsCheckout({ spec })],
    ['spec.artifacts', !keeps && spec.artifacts !== undefined],
  ];
  return [...refused.flatMap(([field, isRefused]) => (isRefused ? [field] : [])), ...absolute];
}

/** Fields that mean nothing to local processes: they say where and as whom a pod runs. */
export function ignoredFields(spec: Spec): readonly string[] {
  const steps = (['steps', 'finally'] as const).flatMap((list) =>
    (spec[list] ?? []).flatMap((step, index) =>
      (['image', 'user'] as const)
        .filter((field) => step[field] !== undefined)
        .map((field) => `spec.${list}[${index}].${field}`),
    ),
  );
  const fields = (['image', 'user', 'resources', 'pod', 'runsOn'] as const).filter(
    (field) => spec[field] !== undefined,
  );
  return [...fields.map((field) => `spec.${field}`), ...steps];
}
