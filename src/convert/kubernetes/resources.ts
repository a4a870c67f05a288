import { parseQuantity } from '../../job/quantity.ts';
import { type Draft, nonEmpty } from '../draft.ts';
import type { Container } from './container.ts';

type Quantities = Record<string, string | number>;

/** Steps run one after the other and share what the job asks for: of each resource the most that one of them wants. */
export function mergeResources(steps: readonly Container[], draft: Draft): unknown {
  const wanting = steps.filter(({ resources }) => nonEmpty(resources) !== undefined);
  const merged: Record<string, Quantities> = {};
  for (const { resources } of wanting)
    for (const [kind, quantities] of Object.entries(resources))
      for (const [name, quantity] of Object.entries(quantities)) {
        const most = (merged[kind] ??= {});
        if ((parseQuantity(quantity) ?? 0) >= (parseQuantity(most[name] ?? 0) ?? 0)) most[name] = quantity;
      }
  const different = new Set(wanting.map(({ resources }) => JSON.stringify(resources))).size > 1;
  if (different) draft.note(['spec', 'resources'], 'of each resource the most that one of the containers had');
  return nonEmpty(merged);
}
