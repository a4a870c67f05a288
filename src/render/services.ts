import type { V1Container, V1EnvVar, V1Probe, V1Volume, V1VolumeMount } from '@kubernetes/client-node';
import { DEFAULT_USER } from '../job/defaults.ts';
import { durationMs } from '../job/duration.ts';
import type { HealthCheck, Job, Service } from '../schemas/index.ts';
import { environmentVariable } from './environment.ts';
import { OWN_PREFIX, PATHS, VOLUMES } from './layout.ts';
import { literal } from './literal.ts';
import { resourcesOf } from './resources.ts';
import { securityOf } from './restricted.ts';

/** A service with all defaults in place. Times are milliseconds. */
export interface PodService extends Pick<Service, 'image' | 'command' | 'args'> {
  /** Of its container, too. */
  readonly name: string;
  readonly user: number;
  readonly env: NonNullable<Service['env']>;
  readonly resources: NonNullable<Service['resources']>;
  readonly tmpfs: readonly string[];
  /** Null: it is ready once it runs. */
  readonly health: PodHealth | null;
}

export interface PodHealth extends Pick<HealthCheck, 'command' | 'tcp' | 'http'> {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly retries: number;
}

/** How soon a service whose tries have all failed gets KILL, for the controller to see it. */
const FAILED_GRACE_S = 1;

/** The services of a spec, in the order in which they are written. */
export function servicesOf({ services = {}, user = DEFAULT_USER }: Job['spec']): readonly PodService[] {
  return Object.entries(services).map(([name, { health, ...service }]) =>
    Object.assign({ user, env: {}, resources: {}, tmpfs: [] }, service, {
      name,
      health: health ? healthOf(health) : null,
    }),
  );
}

const healthOf = ({ interval = '10s', timeout = '5s', retries = 3, ...check }: HealthCheck): PodHealth => ({
  ...check,
  intervalMs: durationMs(interval),
  timeoutMs: durationMs(timeout),
  retries,
});

/** The volumes that services write to; nothing of the steps is among them. */
export function serviceVolumes(services: readonly PodService[]): readonly V1Volume[] {
  if (services.length === 0) return [];
  const inMemory = services.flatMap(({ tmpfs }, index) =>
    tmpfs.length === 0 ? [] : [{ name: tmpfsName(index), emptyDir: { medium: 'Memory' } }],
  );
  return [{ name: VOLUMES.serviceHomes, emptyDir: {} }, ...inMemory];
}

const tmpfsName = (index: number): string => `${OWN_PREFIX}tmpfs-${index + 1}`;

/**
 * The services as native sidecars: init containers that the kubelet starts one after the other, each once the one before it is
 * healthy, and ends after the steps (https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/).
 */
export function serviceContainers(services: readonly PodService[]): readonly V1Container[] {
  return services.map((service, index) => {
    const { name, image, command, args, user, tmpfs, health } = service;
    const resources = resourcesOf(service.resources, true);
    const folders = tmpfs.map((mountPath, at) => ({ name: tmpfsName(index), mountPath, subPath: String(at) }));
    return {
      name,
      image,
      ...(command ? { command: command.map(literal) } : {}),
      ...(args ? { args: args.map(literal) } : {}),
      restartPolicy: 'Always',
      env: variablesOf(service),
      ...(Object.keys(resources).length > 0 ? { resources } : {}),
      securityContext: securityOf(user),
      volumeMounts: [{ name: VOLUMES.serviceHomes, mountPath: PATHS.home, subPath: name }, ...folders],
      ...(health ? { startupProbe: probeOf(health) } : {}),
    };
  });
}

function variablesOf({ env }: PodService): V1EnvVar[] {
  const own = Object.entries(env).map(([name, value]) => environmentVariable(name, value));
  return env['HOME'] === undefined ? [{ name: 'HOME', value: PATHS.home }, ...own] : own;
}

/** Kubernetes counts whole seconds, and so do durations. */
function probeOf({ command, tcp, http, intervalMs, timeoutMs, retries }: PodHealth): V1Probe {
  return {
    ...(command ? { exec: { command: command.map(literal) } } : {}),
    ...(tcp === undefined ? {} : { tcpSocket: { port: tcp } }),
    ...(http ? { httpGet: { port: http.port, path: http.path ?? '/' } } : {}),
    periodSeconds: intervalMs / 1000,
    timeoutSeconds: timeoutMs / 1000,
    failureThreshold: retries,
    terminationGracePeriodSeconds: FAILED_GRACE_S,
  };
}

/** Makes a container of runledger's own image: its name, what its busybox does, where it writes, and as whom. */
export type OwnContainer = (
  name: string,
  command: readonly string[],
  mount: V1VolumeMount,
  user: number,
) => V1Container;

/**
 * Init containers that make the folders in memory as the user of each service: it owns them, as programs that set their
 * modes need (initdb for one).
 */
export function tmpfsContainers(services: readonly PodService[], container: OwnContainer): readonly V1Container[] {
  return services.flatMap(({ tmpfs, user }, index) => {
    if (tmpfs.length === 0) return [];
    const name = tmpfsName(index);
    const folders = tmpfs.map((_path, at) => `${PATHS.tmpfs}/${at}`);
    return [container(name, ['mkdir', ...folders], { name, mountPath: PATHS.tmpfs }, user)];
  });
}
