import { readYaml } from '../job/yaml.ts';
import type { System } from './system.ts';

/** What system a file is of, where it says so itself: by a Kubernetes `apiVersion` and `kind`, or GitHub's `on` and `jobs`. */
export function detectSystem(bytes: Uint8Array): System | undefined {
  const { file } = readYaml(bytes);
  const documents = (file?.documents ?? []).filter(
    (document): document is Readonly<Record<string, unknown>> =>
      typeof document === 'object' && document !== null && !Array.isArray(document),
  );
  if (documents.some(({ apiVersion, kind }) => typeof apiVersion === 'string' && typeof kind === 'string'))
    return 'kubernetes';
  const [first] = documents;
  return first !== undefined && 'on' in first && 'jobs' in first ? 'github' : undefined;
}
