import type { V1Container, V1PodSpec, V1SecurityContext } from '@kubernetes/client-node';
import type { Violation } from './overlay.ts';

/** What a container gets: the restricted Pod Security Standard, but for a user that has to be root. */
export function securityOf(user: number): V1SecurityContext {
  return {
    runAsUser: user,
    runAsNonRoot: user !== 0,
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
  };
}

/**
 * What of the `restricted` Pod Security Standard a pod does not keep
 * (https://kubernetes.io/docs/concepts/security/pod-security-standards/). `allowRoot` lifts its rules on root users.
 */
export function restrictedViolations(spec: V1PodSpec, allowRoot: boolean): readonly Violation[] {
  const found = [...podRules(spec, allowRoot), ...volumeRules(spec)];
  for (const container of [...(spec.initContainers ?? []), ...spec.containers])
    found.push(...containerRules(spec, container, allowRoot));
  return found;
}

const VOLUME_TYPES: ReadonlySet<string> = new Set([
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'persistentVolumeClaim',
  'projected',
  'secret',
]);

const SAFE_SYSCTLS: ReadonlySet<string> = new Set([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ping_group_range',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.tcp_wmem',
]);

const SELINUX_TYPES: ReadonlySet<string> = new Set([
  '',
  'container_engine_t',
  'container_init_t',
  'container_kvm_t',
  'container_t',
]);

const PROFILES: ReadonlySet<string> = new Set(['Localhost', 'RuntimeDefault']);

/** The settings that pods and containers have in common. */
type Shared = Pick<
  V1SecurityContext,
  'appArmorProfile' | 'runAsUser' | 'seLinuxOptions' | 'seccompProfile' | 'windowsOptions'
>;

function* sharedRules(context: Shared, field: string, allowRoot: boolean): Iterable<Violation> {
  if (context.runAsUser === 0 && !allowRoot)
    yield { field: `${field}.runAsUser`, message: 'the policy allows no root; write user: with another number' };
  const { type = '', user = '', role = '' } = context.seLinuxOptions ?? {};
  if (!SELINUX_TYPES.has(type) || user !== '' || role !== '')
    yield { field: `${field}.seLinuxOptions`, message: 'only the types of containers are allowed; leave it out' };
  if (context.seccompProfile !== undefined && !PROFILES.has(context.seccompProfile.type))
    yield { field: `${field}.seccompProfile`, message: 'is switched off; write RuntimeDefault or Localhost' };
  if (context.appArmorProfile !== undefined && !PROFILES.has(context.appArmorProfile.type))
    yield { field: `${field}.appArmorProfile`, message: 'is switched off; write RuntimeDefault or Localhost' };
  if (context.windowsOptions?.hostProcess === true)
    yield { field: `${field}.windowsOptions.hostProcess`, message: 'processes of the host are not allowed' };
}

function* podRules(spec: V1PodSpec, allowRoot: boolean): Iterable<Violation> {
  for (const name of ['hostNetwork', 'hostPID', 'hostIPC'] as const)
    if (spec[name] === true)
      yield { field: `pod.spec.${name}`, message: 'jobs stay apart from their nodes; leave it out' };
  const context = spec.securityContext ?? {};
  yield* sharedRules(context, 'pod.spec.securityContext', allowRoot);
  for (const { name } of context.sysctls ?? [])
    if (!SAFE_SYSCTLS.has(name))
      yield { field: `pod.spec.securityContext.sysctls[${name}]`, message: 'is not among the safe ones; leave it out' };
}

function* volumeRules(spec: V1PodSpec): Iterable<Violation> {
  for (const { name, ...sources } of spec.volumes ?? [])
    for (const source of Object.keys(sources))
      if (!VOLUME_TYPES.has(source)) {
        const message = `volumes of type ${source} are not allowed; use a persistentVolumeClaim or an emptyDir`;
        yield { field: `pod.spec.volumes[${name}]`, message };
      }
}

function* containerRules(spec: V1PodSpec, container: V1Container, allowRoot: boolean): Iterable<Violation> {
  const field = `pod.spec.containers[${container.name}]`;
  const context = container.securityContext ?? {};
  yield* sharedRules(context, `${field}.securityContext`, allowRoot);
  const rule = (name: string, message: string): Violation => ({ field: `${field}.securityContext.${name}`, message });
  if (context.privileged === true) yield rule('privileged', 'is not allowed; leave it out');
  if (context.allowPrivilegeEscalation !== false) yield rule('allowPrivilegeEscalation', 'has to be false');
  if (!(context.capabilities?.drop ?? []).includes('ALL')) yield rule('capabilities.drop', 'has to hold ALL');
  for (const capability of context.capabilities?.add ?? [])
    if (capability !== 'NET_BIND_SERVICE')
      yield rule('capabilities.add', `${capability} is not allowed; only NET_BIND_SERVICE is`);
  if (!['', 'Default'].includes(context.procMount ?? '')) yield rule('procMount', 'has to be Default');
  if ((context.seccompProfile ?? spec.securityContext?.seccompProfile) === undefined)
    yield rule('seccompProfile', 'is missing; write RuntimeDefault');
  if ((context.runAsNonRoot ?? spec.securityContext?.runAsNonRoot) !== true && !allowRoot && context.runAsUser !== 0)
    yield rule('runAsNonRoot', 'has to be true, since the policy allows no root');
  for (const { hostPort = 0, containerPort } of container.ports ?? [])
    if (hostPort !== 0)
      yield { field: `${field}.ports[${containerPort}].hostPort`, message: 'is not allowed; leave it out' };
}
