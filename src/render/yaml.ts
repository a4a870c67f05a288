import type { KubernetesObject } from '@kubernetes/client-node';
import { dump } from 'js-yaml';

/** Objects as one YAML stream, in their order: what `kubectl` reads, and what a person does. */
export function toYaml(objects: readonly KubernetesObject[]): string {
  return objects.map((object) => `---\n${dump(object, { noRefs: true, lineWidth: 120 })}`).join('');
}
