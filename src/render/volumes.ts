import type { V1Volume, V1VolumeMount, V1VolumeProjection } from '@kubernetes/client-node';
import { posix } from 'node:path';
import { DEFAULT_FILE_MODE } from '../job/defaults.ts';
import type { RunRecord } from '../runner/port.ts';
import type { JobFile } from '../schemas/index.ts';
import { fileKey } from './file-keys.ts';
import { KEYS, PATHS, VOLUMES } from './layout.ts';
import type { PodPlan } from './steps.ts';

/** The volumes of a pod, and where its steps mount them. */
export interface PodVolumes {
  readonly volumes: V1Volume[];
  readonly mounts: readonly V1VolumeMount[];
}

const READ_EXECUTE = 0o555;
const READ = 0o444;

/**
 * Everything that the steps of a pod find below /runledger, and the job's files with absolute paths. `record` is that of the
 * run, the plan that of the task.
 */
export function podVolumes(record: RunRecord, plan: PodPlan, payload: string): PodVolumes {
  const files = plan.spec.files.map((file, index) => {
    const key = fileKey(index, record.spec.files?.[index], file);
    return { file, key, index, place: posix.normalize(file.path) };
  });
  const relative = files.filter(({ place }) => !place.startsWith('/'));
  const absolute = files.filter(({ place }) => place.startsWith('/'));
  const volumes: V1Volume[] = [payloadVolume(plan, payload), ...WRITABLE.map(([name]) => ({ name, emptyDir: {} }))];
  const mounts: V1VolumeMount[] = [
    { name: VOLUMES.payload, mountPath: PATHS.payload, readOnly: true },
    ...WRITABLE.map(([name, mountPath]) => ({ name, mountPath })),
  ];
  if (relative.length > 0) {
    const sources = relative.map(({ file, key, place }) => projection(file, key, place, payload));
    volumes.push({ name: VOLUMES.files, projected: { sources } });
    mounts.push({ name: VOLUMES.files, mountPath: PATHS.files, readOnly: true });
  }
  if (absolute.length > 0) {
    const sources = absolute.map(({ file, key, index }) => projection(file, key, String(index), payload));
    volumes.push({ name: VOLUMES.absoluteFiles, projected: { sources } });
    for (const { index, place } of absolute)
      mounts.push({ name: VOLUMES.absoluteFiles, mountPath: place, subPath: String(index), readOnly: true });
  }
  return { volumes, mounts };
}

const WRITABLE: readonly (readonly [name: string, path: string])[] = [
  [VOLUMES.workspace, PATHS.workspace],
  [VOLUMES.home, PATHS.home],
  [VOLUMES.output, PATHS.output],
  [VOLUMES.shared, PATHS.shared],
];

/** Every container mounts it, scripts or not: a pod without its payload must not start (docs/architecture.md, Exactly once). */
function payloadVolume({ steps, gated }: PodPlan, name: string): V1Volume {
  const scripts = steps.filter((step) => step.script !== null).map((step) => step.name);
  const items = [
    { key: KEYS.run, path: 'run', mode: READ },
    ...(gated ? [{ key: KEYS.gate, path: 'gate', mode: READ }] : []),
    ...scripts.map((step) => ({ key: KEYS.script(step), path: `steps/${step}`, mode: READ_EXECUTE })),
  ];
  return { name: VOLUMES.payload, configMap: { name, items } };
}

function projection(file: JobFile, key: string, path: string, payload: string): V1VolumeProjection {
  const mode = Number.parseInt(file.mode ?? DEFAULT_FILE_MODE, 8);
  if (file.secret === undefined) return { configMap: { name: payload, items: [{ key, path, mode }] } };
  return { secret: { name: file.secret.name, items: [{ key: file.secret.key, path, mode }] } };
}
