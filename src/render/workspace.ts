import type { V1Container, V1EnvVar, V1Secret, V1Volume, V1VolumeMount } from '@kubernetes/client-node';
import { terminalError } from '../errors.ts';
import { checkoutOfSpec } from '../job/defaults.ts';
import { parseQuantity } from '../job/quantity.ts';
import type { RunRecord } from '../runner/port.ts';
import type { Quantities } from '../schemas/index.ts';
import { ownedBy, type PodContext, type RenderContext, type Owner } from './context.ts';
import { gateArguments } from './gate-arguments.ts';
import { podLabels, runAnnotations } from './labels.ts';
import {
  ARTIFACTS_CONTAINER,
  CHECKOUT_CONTAINER,
  GATE_BUSYBOX,
  GATE_SCRIPT,
  OWN_PROGRAM,
  PATHS,
  TOKEN_KEY,
  UPLOAD_S,
  VOLUMES,
} from './layout.ts';
import { literal } from './literal.ts';
import { podName } from './names.ts';
import { resourcesOf } from './resources.ts';
import { securityOf } from './restricted.ts';
import type { PodPlan } from './steps.ts';

/** Which attempt, and what of it a token is good for. */
export interface TokenParts {
  /** Of the task. */
  readonly record: RunRecord;
  readonly task: string;
  readonly attempt: number;
  readonly context: RenderContext;
  readonly payload: Owner;
  /** Random; nobody has had it before. */
  readonly token: string;
}

/** What a token allows, as its Secret says. */
export interface Grant {
  readonly revision: string;
  /** The files that may be read; absent: none. */
  readonly checkout?: true | readonly string[];
  /** Whether artifacts may be sent. */
  readonly artifacts: boolean;
}

/** Whether pods of this plan talk to the controller. */
export const needsToken = ({ checkout, artifacts }: Pick<PodPlan, 'checkout' | 'artifacts'>): boolean =>
  checkout || artifacts;

/**
 * The Secret with the token by which runledger's own containers of one attempt, and they alone, get its files and send its
 * artifacts. It has the name of the pod, and goes with the payload.
 */
export function renderToken({ record, task, attempt, context, payload, token }: TokenParts): V1Secret {
  const { artifacts } = record.spec;
  const checkout = checkoutOfSpec(record.spec);
  const grant: Grant = {
    revision: filesRevision(record),
    ...(checkout === false ? {} : { checkout }),
    artifacts: artifacts !== undefined,
  };
  const { 'runledger.dev/protect': _ofPods, ...labels } = podLabels(context, record, task, attempt);
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: podName(context, { job: record.job, run: record.run, task, attempt }),
      namespace: context.namespace,
      labels: { ...labels, 'app.kubernetes.io/component': 'token' },
      annotations: runAnnotations(record, context.epoch),
      ownerReferences: [ownedBy(payload)],
    },
    type: 'Opaque',
    immutable: true,
    data: { [TOKEN_KEY]: base64(token), grant: base64(JSON.stringify(grant)) },
  };
}

/**
 * The commit whose files a run has: of a pull request always its head, also where the job itself is that of the base. It is in the
 * token's Secret, so that no later head takes the place of the one that was judged.
 */
const filesRevision = ({ revision, trigger }: RunRecord): string =>
  trigger.kind === 'pullRequest' ? trigger.revision : revision;

const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** The volume with the token of a pod of this name. */
export const tokenVolume = (pod: string): V1Volume => ({
  name: VOLUMES.token,
  secret: { secretName: pod, items: [{ key: TOKEN_KEY, path: TOKEN_KEY, mode: 0o440 }] },
});

/** What both containers are made of. */
export interface OwnContainerParts {
  readonly plan: PodPlan;
  readonly context: PodContext;
  readonly pod: string;
  /** What the policy leaves for the steps. */
  readonly ceiling: Quantities;
}

/** Before everything else: the files of the revision into the workspace. */
export function checkoutContainer(parts: OwnContainerParts): V1Container {
  return {
    ...ownContainer(parts, CHECKOUT_CONTAINER, []),
    command: [...OWN_PROGRAM, 'fetch-workspace'],
    volumeMounts: [payloadMount, { name: VOLUMES.workspace, mountPath: PATHS.workspace }, tokenMount],
  };
}

/** After everything else, behind the last gate: what is to be kept, sent to the controller. `paths` are globs. */
export function artifactsContainer(parts: OwnContainerParts, paths: readonly string[]): V1Container {
  const { plan } = parts;
  const { timeouts } = plan.spec;
  const seconds = (milliseconds: number): number => Math.ceil(milliseconds / 1000);
  const parameters = gateArguments({
    step: 'artifacts',
    position: plan.steps.length + 1,
    gates: plan.steps.length + 1,
    when: 'always',
    timeoutS: UPLOAD_S,
    runTimeoutS: seconds(timeouts.runMs),
    // It counts from the first step of `finally`, whose time must not end this one.
    finallyTimeoutS: seconds(timeouts.finallyMs + 2 * timeouts.graceMs) + 2 * UPLOAD_S,
    graceS: UPLOAD_GRACE_S,
    notFailures: [],
    directory: PATHS.workspace,
    state: PATHS.state,
    busybox: GATE_BUSYBOX,
    // The program says itself what became of it.
    report: '/dev/null',
  });
  const variables = [
    { name: 'RUNLEDGER_ARTIFACT_PATHS', value: literal(JSON.stringify(paths)) },
    { name: 'RUNLEDGER_UPLOAD_SECONDS', value: String(UPLOAD_S - UPLOAD_GRACE_S) },
  ];
  return {
    ...ownContainer(parts, ARTIFACTS_CONTAINER, variables),
    command: [GATE_BUSYBOX, 'sh', GATE_SCRIPT],
    args: [...parameters, ...OWN_PROGRAM, 'upload-artifacts'],
    workingDir: PATHS.workspace,
    volumeMounts: [
      payloadMount,
      { name: VOLUMES.workspace, mountPath: PATHS.workspace, readOnly: true },
      { name: VOLUMES.output, mountPath: PATHS.output, readOnly: true },
      { name: VOLUMES.gate, mountPath: PATHS.gate, readOnly: true },
      { name: VOLUMES.state, mountPath: PATHS.state },
      tokenMount,
    ],
  };
}

/** What the program has left to say why it gave up. */
const UPLOAD_GRACE_S = 5;

const payloadMount: V1VolumeMount = { name: VOLUMES.payload, mountPath: PATHS.payload, readOnly: true };
const tokenMount: V1VolumeMount = { name: VOLUMES.token, mountPath: PATHS.token, readOnly: true };

type OwnBase = Pick<
  V1Container,
  'name' | 'image' | 'env' | 'resources' | 'securityContext' | 'terminationMessagePolicy'
>;

function ownContainer(parts: OwnContainerParts, name: string, variables: readonly V1EnvVar[]): OwnBase {
  const { plan, context, pod, ceiling } = parts;
  if (context.address === undefined)
    throw terminalError('AddressMissing', 'checkout and artifacts need an address at which pods reach runledger', {
      hint: 'set RUNLEDGER_ADDRESS or --address of the controller; --serve of a command',
    });
  const resources = withRoom(resourcesOf(plan.spec.resources, false, ceiling), ceiling);
  const url = `${context.address}/attempts/${context.source}/${pod}`;
  return {
    name,
    image: context.image,
    env: [
      { name: 'RUNLEDGER_ATTEMPT_URL', value: literal(url) },
      { name: 'RUNLEDGER_TOKEN_FILE', value: `${PATHS.token}/${TOKEN_KEY}` },
      ...variables,
    ],
    ...(Object.keys(resources).length > 0 ? { resources } : {}),
    // What it says on its way out tells why.
    terminationMessagePolicy: 'FallbackToLogsOnError',
    // As the user of the steps: what they make can be read, and what lies there is theirs.
    securityContext: securityOf(plan.steps[0]?.user ?? 0),
  };
}

/** What the program needs, whatever the limits of the steps, in bytes. */
const OWN_MEMORY = 256 * 1024 ** 2;

type Resources = Pick<ReturnType<typeof resourcesOf>, 'limits' | 'requests'>;

function withRoom({ limits, requests }: Resources, ceiling: Quantities): Resources {
  const resources: Resources = { ...(requests ? { requests } : {}), ...(limits ? { limits } : {}) };
  const limit = limits?.['memory'];
  if (limit === undefined || (parseQuantity(limit) ?? 0) >= OWN_MEMORY) return resources;
  const most = ceiling['memory'];
  const memory = most === undefined || (parseQuantity(most) ?? 0) >= OWN_MEMORY ? '256Mi' : String(most);
  return { ...resources, limits: { ...limits, memory } };
}
