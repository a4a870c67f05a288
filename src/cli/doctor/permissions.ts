import { eachOf } from '../../each-of.ts';
import type { Cluster } from '../../runner/kubernetes/client.ts';
import type { Check } from './check.ts';

/** What a shipped Role allows on one resource; a test holds this list to `manifests/`. */
export interface Permission {
  readonly group: string;
  /** `pods`, or `pods/log` for a part of one. */
  readonly resource: string;
  readonly verbs: readonly string[];
  /** What is lost without it; `needed`: nothing works then, else it is a matter of taste. */
  readonly without: string;
  readonly needed: boolean;
}

/** The Role runledger-jobs, in the namespace of the jobs. */
export const JOBS_ROLE: readonly Permission[] = [
  {
    group: '',
    resource: 'pods',
    verbs: ['get', 'list', 'watch', 'create', 'patch', 'delete', 'deletecollection'],
    without: 'no run can start or end',
    needed: true,
  },
  { group: '', resource: 'pods/log', verbs: ['get'], without: 'no log can be read', needed: true },
  {
    group: '',
    resource: 'pods/exec',
    verbs: ['get', 'create'],
    without: 'jobs that name a RunnerSet (runsOn) cannot be handed to its warm pods',
    needed: false,
  },
  {
    group: '',
    resource: 'configmaps',
    verbs: ['get', 'list', 'watch', 'create', 'patch', 'deletecollection'],
    without: 'no run can be claimed or let go',
    needed: true,
  },
  {
    group: '',
    resource: 'configmaps/finalizers',
    verbs: ['update'],
    without: 'no pod can be created where the API server runs OwnerReferencesPermissionEnforcement',
    needed: false,
  },
  {
    group: '',
    resource: 'events',
    verbs: ['list', 'create', 'patch'],
    without: 'why a pod does not start is not told, nor what becomes of runs',
    needed: false,
  },
  {
    group: '',
    resource: 'secrets',
    verbs: ['get', 'create'],
    without:
      'get is for jobs with Secrets (a Role may name theirs alone, by resourceNames), create for those with checkout or artifacts',
    needed: false,
  },
  {
    group: 'policy',
    resource: 'poddisruptionbudgets',
    verbs: ['get', 'create'],
    without: 'runs are not protected from evictions',
    needed: true,
  },
];

/** The Role runledger, in the namespace of the controller. */
export const CONTROLLER_ROLE: readonly Permission[] = [
  {
    group: 'coordination.k8s.io',
    resource: 'leases',
    verbs: ['get', 'list', 'watch', 'create', 'patch'],
    without: 'no controller can be elected; commands do without',
    needed: false,
  },
];

/** The ClusterRole runledger-node-reader, which may be left out. */
export const NODE_ROLE: readonly Permission[] = [
  { group: '', resource: 'nodes', verbs: ['get'], without: 'a lost node is noticed later', needed: false },
];

const AT_ONCE = 8;

/** Asks the API server, by a SelfSubjectAccessReview for each verb. `namespace` null: of the whole cluster. Throws what a call throws. */
export async function permissionChecks(
  cluster: Cluster,
  role: { readonly name: string; readonly permissions: readonly Permission[]; readonly namespace: string | null },
  signal: AbortSignal,
): Promise<readonly Check[]> {
  const asked = role.permissions.flatMap((permission) => permission.verbs.map((verb) => ({ permission, verb })));
  const denied = new Map<Permission, string[]>();
  await eachOf(asked, AT_ONCE, async ({ permission, verb }) => {
    if (await isAllowed(cluster, permission, verb, role.namespace, signal)) return;
    denied.set(permission, [...(denied.get(permission) ?? []), verb]);
  });
  return role.permissions.map((permission) => verdict(permission, denied.get(permission) ?? [], role));
}

function verdict(
  { resource, verbs, without, needed }: Permission,
  denied: readonly string[],
  { name, namespace }: { readonly name: string; readonly namespace: string | null },
): Check {
  const common = { area: 'cluster', name: resource } as const;
  const where = namespace === null ? 'in the cluster' : `in namespace ${namespace}`;
  if (denied.length === 0) return { ...common, state: 'ok', message: `may ${verbs.join(', ')} ${where}` };
  const missing = verbs.filter((verb) => denied.includes(verb));
  return {
    ...common,
    state: needed ? 'fail' : 'warn',
    message: `may not ${missing.join(', ')} ${where}: ${without}`,
    hint: `bind the ${namespace === null ? 'ClusterRole' : 'Role'} ${name} of the manifests to this account (docs/security.md)`,
  };
}

async function isAllowed(
  cluster: Cluster,
  { group, resource: full }: Permission,
  verb: string,
  namespace: string | null,
  signal: AbortSignal,
): Promise<boolean> {
  const [resource = '', subresource] = full.split('/');
  const attributes = {
    group,
    resource,
    verb,
    ...(subresource ? { subresource } : {}),
    ...(namespace ? { namespace } : {}),
  };
  const answer = (await cluster.request({
    method: 'POST',
    path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    body: {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: { resourceAttributes: attributes },
    },
    doing: `asking whether this account may ${verb} ${full}`,
    // A question: asking twice changes nothing.
    repeat: 'safe',
    signal,
  })) as { readonly status?: { readonly allowed?: boolean } };
  return answer.status?.allowed === true;
}
