import type { V1ConfigMap } from '@kubernetes/client-node';
import type { RunRecord } from '../runner/port.ts';
import type { RenderContext } from './context.ts';
import { askedAnnotation, runAnnotations, runLabels } from './labels.ts';
import { runObjectName } from './names.ts';

/**
 * The claim of a run: a ConfigMap without data. Whoever creates it owns the start, and it owns all other objects of the
 * run (docs/architecture.md, Exactly once). It stays mutable, since the outcome goes onto it while the git remote is down.
 */
export function renderClaim(record: RunRecord, context: RenderContext): V1ConfigMap {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: runObjectName('claim', context, record.job, record.run),
      namespace: context.namespace,
      labels: runLabels(context, 'claim', record),
      annotations: { ...runAnnotations(record, context.epoch), ...askedAnnotation(record) },
    },
  };
}
