import { defined, type Draft, nonEmpty } from '../draft.ts';
import { createNames } from '../names.ts';
import { IMAGE_TODO } from '../placeholder.ts';
import type { Fields } from '../reader.ts';
import { type Container, convertContainer } from './container.ts';
import { mergeResources } from './resources.ts';
import { takeUser } from './security.ts';
import { convertSidecar } from './sidecar.ts';

/** Fields of a PodSpec that a job may write under `pod:`, as they are. */
const OVERLAY = [
  'affinity',
  'automountServiceAccountToken',
  'dnsConfig',
  'hostAliases',
  'hostname',
  'hostUsers',
  'imagePullSecrets',
  'nodeSelector',
  'resourceClaims',
  'runtimeClassName',
  'subdomain',
  'tolerations',
  'topologySpreadConstraints',
  'volumes',
] as const;

/** Fields that mean nothing with these values: they are Kubernetes' defaults, or what every pod of runledger has. */
const DEFAULTS: Readonly<Record<string, unknown>> = {
  dnsPolicy: 'ClusterFirst',
  schedulerName: 'default-scheduler',
  hostNetwork: false,
  hostPID: false,
  hostIPC: false,
  shareProcessNamespace: false,
  setHostnameAsFQDN: false,
  enableServiceLinks: false,
};

/** What is said of what a job may not set. */
const INSTEAD: Readonly<Record<string, string>> = {
  schedulerName: 'the scheduler is chosen by the cluster of runledger',
  hostNetwork: 'jobs stay apart from their nodes',
  hostPID: 'jobs stay apart from their nodes',
  hostIPC: 'jobs stay apart from their nodes',
  shareProcessNamespace: 'each step has processes of its own',
  nodeName: 'the scheduler places the pod; write pod.nodeSelector or affinity',
  ephemeralContainers: 'use kubectl debug on the running pod',
  readinessGates: 'nothing asks whether a job is ready',
  schedulingGates: 'nothing lifts them here',
  setHostnameAsFQDN: 'a job may not set it',
};

/** Set by the administrators of a cluster, not by a job. */
const OF_THE_CONFIGURATION = ['priorityClassName', 'priority', 'preemptionPolicy', 'overhead'] as const;

/** https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#PodSpec */
export function convertPod(pod: Fields, draft: Draft): void {
  const overlay: Record<string, unknown> = {};
  for (const key of OVERLAY) if (pod.has(key)) overlay[key] = pod.take(key);
  otherFields(pod, overlay, draft);
  const security = { ...(pod.take('securityContext') as Record<string, unknown> | undefined) };
  const user = takeUser(security);
  if (user !== undefined) draft.spec['user'] = user;
  if (nonEmpty(security)) overlay['securityContext'] = security;
  convertContainers(pod, draft, overlay, user !== undefined);
  draft.spec['pod'] = nonEmpty(overlay);
}

function otherFields(pod: Fields, overlay: Record<string, unknown>, draft: Draft): void {
  const account = pod.text('serviceAccountName') ?? pod.text('serviceAccount');
  if (pod.has('serviceAccount') && pod.text('serviceAccount') !== account)
    pod.error('serviceAccount', `differs from serviceAccountName, ${account}; keep one of them`);
  if (account !== undefined && account !== 'default') {
    overlay['serviceAccountName'] = account;
    draft.todo(['spec', 'pod', 'serviceAccountName'], "the source's policy has to allow this service account");
  }
  const restart = pod.text('restartPolicy');
  if (restart !== 'OnFailure' && restart !== 'Never')
    pod.error('restartPolicy', `${JSON.stringify(restart)} is not for a Job; write Never or OnFailure`);
  if (restart === 'OnFailure')
    draft.note(
      ['spec', 'retry'],
      'restartPolicy was OnFailure: the container was restarted; here each retry is a new pod',
    );
  for (const [key, instead] of Object.entries(INSTEAD)) {
    if (!pod.has(key) || (Object.hasOwn(DEFAULTS, key) && pod.take(key) === DEFAULTS[key])) continue;
    pod.loss(key, `this can't be set; ${instead}`);
  }
  for (const key of ['dnsPolicy', 'enableServiceLinks']) {
    const value = pod.take(key);
    if (value === undefined || value === DEFAULTS[key]) continue;
    if (key === 'dnsPolicy' || value !== true) overlay[key] = value;
    else draft.note(['spec', 'pod'], 'enableServiceLinks was on; no pod of runledger has these variables');
  }
  for (const key of OF_THE_CONFIGURATION)
    if (pod.has(key))
      draft.todo(['spec', 'pod'], `${key} was ${JSON.stringify(pod.take(key))}; that is the cluster's to set`);
  const os = pod.fields('os');
  if (os && os.text('name') !== 'linux') os.error('name', 'runledger runs Linux containers only');
}

/** Init containers become the first steps, those that go on become services, and the container becomes the last step. */
function convertContainers(pod: Fields, draft: Draft, overlay: Record<string, unknown>, userKnown: boolean): void {
  const names = createNames();
  const before = pod.items('initContainers');
  const [main, ...beside] = pod.items('containers');
  if (main === undefined) return pod.error('containers', 'there is none; a job has one');
  const isSidecar = (container: Fields): boolean => container.text('restartPolicy') === 'Always';
  const steps = [...before.filter((container) => !isSidecar(container)), main].map((container, index) =>
    convertContainer(container, draft, names, ['spec', 'steps', index]),
  );
  const sidecars = [...before.filter(isSidecar), ...beside];
  const services = sidecars.map((container) => convertSidecar(container, draft, names));
  for (const container of beside)
    container.loss(
      'name',
      'containers side by side have no counterpart: steps run one after the other; as a service it would have to outlive them',
    );
  const image = steps.at(-1)?.image;
  draft.spec['image'] = image;
  draft.spec['steps'] = steps.map((step) => stepOf(step, image));
  if (services.length > 0) draft.spec['services'] = Object.fromEntries(services);
  draft.spec['resources'] = mergeResources(steps, draft);
  const containers = steps.flatMap(({ name, overlay: own }) => (nonEmpty(own) ? [{ name, ...own }] : []));
  if (containers.length > 0) overlay['containers'] = containers;
  const known = steps.every(({ step }) => (userKnown || 'user' in step) && 'workingDirectory' in step);
  if (!known) draft.todo(['spec', 'image'], IMAGE_TODO);
}

const stepOf = ({ name, image, step }: Container, common: string | undefined): unknown =>
  defined({ name, image: image === common ? undefined : image, ...step });
