import type { Cluster } from '../../runner/kubernetes/client.ts';
import { type ClusterOptions, openUserCluster } from '../cluster-logs.ts';
import type { Io } from '../terminal.ts';
import { type Check, failed } from './check.ts';
import { clockCheck, type ClockReading } from './clock.ts';
import { CONTROLLER_ROLE, JOBS_ROLE, NODE_ROLE, permissionChecks } from './permissions.ts';

export interface ClusterQuestions extends ClusterOptions {
  /** Where a controller's leases are; absent: where the jobs are. */
  readonly leaseNamespace?: string;
}

/** From here on sidecars are there for everybody, and the pods of runledger have them. */
const OLDEST_MINOR = 30;

/** Looks at a cluster: whether it answers, its version and clock, and what this account may do. Changes nothing. */
export async function clusterChecks(options: ClusterQuestions, io: Io, signal: AbortSignal): Promise<readonly Check[]> {
  let cluster: Cluster;
  try {
    cluster = await openUserCluster(options, io, signal);
  } catch (error) {
    return [failed('cluster', 'reachable', error)];
  }
  try {
    const { server, context, version } = cluster;
    const reachable = { area: 'cluster', name: 'reachable', state: 'ok' } as const;
    return [
      { ...reachable, message: `${server} answers (context ${context})` },
      versionCheck(version),
      await clockOf(cluster, signal),
      ...(await permissionsOf(cluster, options, signal)),
    ];
  } finally {
    await cluster.close();
  }
}

export function versionCheck(version: string): Check {
  const [, major = '0', minor = '0'] = /^v?(\d+)\.(\d+)/.exec(version) ?? [];
  const isOld = Number(major) === 1 && Number(minor) < OLDEST_MINOR;
  const common = { area: 'cluster', name: 'version', message: `Kubernetes ${version}` } as const;
  if (!isOld) return { ...common, state: 'ok' };
  return { ...common, state: 'fail', hint: `runledger needs Kubernetes 1.${OLDEST_MINOR} or newer` };
}

async function clockOf(cluster: Cluster, signal: AbortSignal): Promise<Check> {
  let reading: ClockReading | undefined;
  const sent = Date.now();
  const onDate = (date: string): void => void (reading = { date, sent, received: Date.now() });
  const doing = 'asking for the time of the API server';
  try {
    await cluster.request({ method: 'GET', path: '/version', doing, repeat: 'safe', attempts: 1, signal, onDate });
    return clockCheck('cluster', 'the API server', reading);
  } catch (error) {
    return failed('cluster', 'clock', error);
  }
}

async function permissionsOf(
  cluster: Cluster,
  { namespace = cluster.namespace, leaseNamespace = namespace }: ClusterQuestions,
  signal: AbortSignal,
): Promise<readonly Check[]> {
  const roles = [
    { name: 'runledger-jobs', permissions: JOBS_ROLE, namespace },
    { name: 'runledger', permissions: CONTROLLER_ROLE, namespace: leaseNamespace },
    { name: 'runledger-node-reader', permissions: NODE_ROLE, namespace: null },
  ];
  const checks: Check[] = [];
  try {
    for (const role of roles) checks.push(...(await permissionChecks(cluster, role, signal)));
  } catch (error) {
    checks.push(failed('cluster', 'permissions', error));
  }
  return checks;
}
