import type { Fields } from '../reader.ts';
import type { Scope } from './scope.ts';
import { textOf } from './expressions.ts';

/** What to do instead of well-known actions. */
const INSTEAD: readonly (readonly [RegExp, string])[] = [
  [/^actions\/setup-(\w+)@/, 'choose an image that has it (node:24, python:3.13, golang:1.25 …)'],
  [/^actions\/cache(\/\w+)?@/, 'there is no cache; mount a volume with pod.volumes, or leave it out'],
  [/^actions\/download-artifact@/, 'runs hand on variables (needs.<job>.vars); files go through a store of your own'],
  [/^docker\//, 'pods build no images; use a builder that needs no daemon (kaniko, buildkit) as a step'],
  [/^\.\//, 'write what the action does as a step'],
];

/** A step that uses an action. */
export function convertUse(step: Fields, scope: Scope): void {
  const action = step.text('uses') ?? '';
  if (action.startsWith('actions/checkout@')) return checkout(step, action, scope);
  if (action.startsWith('actions/upload-artifact@')) return artifact(step, action, scope);
  const instead = INSTEAD.find(([pattern]) => pattern.test(action))?.[1] ?? 'write what it does as a step with run';
  takeAll(step);
  step.loss('uses', `actions do not run here: ${action}; ${instead}`);
  if (step.has('with')) scope.draft.note(['spec', 'steps'], `${action} had ${JSON.stringify(step.take('with'))}`);
}

/** Everything else that the step says goes with it; it is said that it went. */
function takeAll(step: Fields): void {
  for (const key of ['id', 'env', 'timeout-minutes', 'continue-on-error', 'if', 'name'])
    if (step.has(key)) step.note(key, `went with the step: ${JSON.stringify(step.take(key))}`);
  step.take('with');
}

/** Options of the checkout that change nothing about what lies in the workspace. */
const POINTLESS: ReadonlySet<string> = new Set(['fetch-depth', 'persist-credentials', 'clean', 'show-progress']);

function checkout(step: Fields, action: string, { draft }: Scope): void {
  draft.spec['checkout'] = true;
  draft.note(['spec', 'checkout'], `was ${action}; the files of the commit, without .git`);
  takeAll(step);
  const options = step.fields('with');
  for (const key of options?.keys ?? []) {
    if (POINTLESS.has(key)) draft.note(['spec', 'checkout'], `left out: ${key} ${JSON.stringify(options?.take(key))}`);
    else options?.loss(key, 'checkout takes the files of the commit, and nothing else');
  }
}

function artifact(step: Fields, action: string, scope: Scope): void {
  const { draft } = scope;
  takeAll(step);
  const options = step.fields('with');
  const written = textOf(options?.text('path') ?? '', step, 'with', scope)
    .split('\n')
    .map((path) => path.trim())
    .filter(Boolean);
  const paths = written.map((path) => (path.endsWith('/') ? `${path}**` : path.replace(/^\.\//, '')));
  for (const path of paths)
    if (/^[!/~]/.test(path))
      options?.loss('path', `artifacts lie in the workspace, and nothing is taken out again: ${path}`);
  const before = (draft.spec['artifacts'] as { paths: string[] } | undefined)?.paths ?? [];
  draft.spec['artifacts'] = { paths: [...before, ...paths.filter((path) => !/^[!/~]/.test(path))] };
  draft.note(['spec', 'artifacts'], `was ${action}`);
  for (const key of options?.keys ?? [])
    if (key !== 'path') draft.note(['spec', 'artifacts'], `left out: ${key} ${JSON.stringify(options?.take(key))}`);
}
