import type { V1LabelSelector } from '@kubernetes/client-node';
import { canonicalJson } from '../job/canonical.ts';
import type { RunRecord } from '../runner/port.ts';
import type { Trigger } from '../schemas/index.ts';
import { runObjectName, type NameScope } from './names.ts';

/** What an object is for: its `app.kubernetes.io/component`. */
export type Component = 'claim' | 'payload' | 'attempt' | 'token' | 'budget' | 'runner' | 'runner-set';

/**
 * The labels of runledger's objects. They are what objects are listed and selected by; whatever is no valid label value
 * is an annotation.
 *
 * | label | on | value |
 * | --- | --- | --- |
 * | `app.kubernetes.io/name` | run | the job |
 * | `app.kubernetes.io/component` | all | `claim`, `payload`, `attempt` (a pod), `token` (its Secret), `budget`, `runner` (an idle pod) or `runner-set` |
 * | `app.kubernetes.io/part-of` | all | the source of the configuration |
 * | `app.kubernetes.io/managed-by` | all | `runledger` |
 * | `runledger.dev/installation` | all | which runledger owns it |
 * | `runledger.dev/source` | all | the source; `<source>.pr-<number>` for the runs of a pull request |
 * | `runledger.dev/job` | run | the job |
 * | `runledger.dev/run` | run | the number of the run |
 * | `runledger.dev/claim` | run | the name of the run's claim: what has it belongs to this run |
 * | `runledger.dev/task` | pod | the task; `default` without fan-out |
 * | `runledger.dev/attempt` | pod | the number of the attempt |
 * | `runledger.dev/protect` | pod | `true`: the budget keeps it from being evicted while it runs |
 * | `runledger.dev/runner-set` | pod | the set that it is a runner of, at work or not |
 * | `runledger.dev/template` | pod | a digest of what a runner was made from |
 */
export const LABELS = {
  name: 'app.kubernetes.io/name',
  component: 'app.kubernetes.io/component',
  partOf: 'app.kubernetes.io/part-of',
  managedBy: 'app.kubernetes.io/managed-by',
  installation: 'runledger.dev/installation',
  source: 'runledger.dev/source',
  job: 'runledger.dev/job',
  run: 'runledger.dev/run',
  claim: 'runledger.dev/claim',
  task: 'runledger.dev/task',
  attempt: 'runledger.dev/attempt',
  protect: 'runledger.dev/protect',
  runnerSet: 'runledger.dev/runner-set',
  template: 'runledger.dev/template',
} as const;

/**
 * The annotations of a run's objects.
 *
 * | annotation | value |
 * | --- | --- |
 * | `runledger.dev/digest` | the spec digest |
 * | `runledger.dev/revision` | the commit that the run was planned for |
 * | `runledger.dev/trigger` | the trigger as canonical JSON |
 * | `runledger.dev/path` | the manifest's file |
 * | `runledger.dev/chain` | the chain that the run belongs to |
 * | `runledger.dev/queued` | since when the run is queued: RFC 3339, UTC |
 * | `runledger.dev/requested-by` | who asked for the run, where somebody did |
 * | `runledger.dev/request` | of claims: what was asked for, as canonical JSON, where that is more than the run itself |
 * | `runledger.dev/epoch` | the leadership that created the object |
 * | `runledger.dev/claimed` | of a runner: since when it has an attempt: RFC 3339, UTC |
 * | `runledger.dev/slots` | of a runner: the slots that its attempt takes |
 */
export const ANNOTATIONS = {
  digest: 'runledger.dev/digest',
  revision: 'runledger.dev/revision',
  trigger: 'runledger.dev/trigger',
  path: 'runledger.dev/path',
  chain: 'runledger.dev/chain',
  queued: 'runledger.dev/queued',
  requestedBy: 'runledger.dev/requested-by',
  request: 'runledger.dev/request',
  epoch: 'runledger.dev/epoch',
  claimed: 'runledger.dev/claimed',
  slots: 'runledger.dev/slots',
} as const;

export const MANAGER = 'runledger';

/** Keeps a pod's status readable until its outcome is recorded (docs/architecture.md, Exactly once). */
export const OUTCOME_FINALIZER = 'runledger.dev/outcome';

type Texts = Record<string, string>;

/** The labels that everything of a source has. */
export function sourceLabels(scope: NameScope, component: Component): Texts {
  return {
    [LABELS.component]: component,
    [LABELS.partOf]: scope.partOf ?? scope.source,
    [LABELS.managedBy]: MANAGER,
    [LABELS.installation]: scope.installation,
    [LABELS.source]: scope.source,
  };
}

/** The labels of a run's claim or payload. */
export function runLabels(scope: NameScope, component: Component, record: RunRecord): Texts {
  return {
    [LABELS.name]: record.job,
    ...sourceLabels(scope, component),
    [LABELS.job]: record.job,
    [LABELS.run]: String(record.run),
    [LABELS.claim]: runObjectName('claim', scope, record.job, record.run),
  };
}

/** The labels of an attempt's pod: those of the job, and runledger's own over them. */
export function podLabels(scope: NameScope, record: RunRecord, task: string, attempt: number): Texts {
  return {
    ...record.labels,
    ...runLabels(scope, 'attempt', record),
    [LABELS.task]: task,
    [LABELS.attempt]: String(attempt),
    [LABELS.protect]: 'true',
  };
}

/** How the budget of a source finds the pods that it protects: those of its pull requests have one of their own, and no pod has two. */
export function protectedBy({ installation, source, partOf }: NameScope): V1LabelSelector {
  const common = { [LABELS.installation]: installation, [LABELS.protect]: 'true' };
  if (partOf === undefined) return { matchLabels: { ...common, [LABELS.source]: source } };
  return {
    matchLabels: { ...common, [LABELS.partOf]: partOf },
    matchExpressions: [{ key: LABELS.source, operator: 'NotIn', values: [partOf] }],
  };
}

/** The annotations of a run's objects. */
export function runAnnotations(record: RunRecord, epoch: number): Texts {
  return {
    [ANNOTATIONS.digest]: record.digest,
    [ANNOTATIONS.revision]: record.revision,
    [ANNOTATIONS.trigger]: canonicalJson(record.trigger),
    [ANNOTATIONS.path]: record.path,
    [ANNOTATIONS.chain]: record.chain,
    [ANNOTATIONS.queued]: record.queued,
    ...(record.requestedBy === undefined ? {} : { [ANNOTATIONS.requestedBy]: record.requestedBy }),
    [ANNOTATIONS.epoch]: String(epoch),
  };
}

/** What a person asked of a run: a start that was cut off goes on with it, whatever has become of the request by then. */
export type Asked = Pick<RunRecord, 'params' | 'args' | 'rerunOf' | 'tasks'>;

/** The annotation of the claim of a run that was asked for; none for others, which follow from their manifest. */
export function askedAnnotation({ trigger, params, args, rerunOf, tasks }: RunRecord): Texts {
  if (trigger.kind !== 'request') return {};
  const asked = {
    params,
    args,
    ...(rerunOf === undefined ? {} : { rerunOf }),
    ...(tasks === undefined ? {} : { tasks }),
  };
  return { [ANNOTATIONS.request]: canonicalJson(asked) };
}

/** What a claim says that was asked for; undefined where it says nothing that can be read. */
export function askedIn({ metadata }: Labelled): Asked | undefined {
  try {
    const {
      params = {},
      args = [],
      rerunOf,
      tasks,
    } = JSON.parse(metadata?.annotations?.[ANNOTATIONS.request] ?? '') as Partial<Asked>;
    return { params, args, ...(rerunOf === undefined ? {} : { rerunOf }), ...(tasks === undefined ? {} : { tasks }) };
  } catch {
    return undefined;
  }
}

/** Whose an object of a run is, as its labels and annotations say. */
export interface ObjectIdentity extends NameScope {
  readonly component: Component;
  readonly job: string;
  readonly run: number;
  /** Of pods only. */
  readonly task: string | null;
  /** Of pods only. */
  readonly attempt: number | null;
  readonly digest: string;
  /** Canonical JSON: equal texts are equal triggers. */
  readonly trigger: string;
  readonly epoch: number;
}

/** The part of a Kubernetes object that says whose it is. */
export interface Labelled {
  readonly metadata?:
    | {
        readonly labels?: Readonly<Record<string, string>> | undefined;
        readonly annotations?: Readonly<Record<string, string>> | undefined;
      }
    | undefined;
}

const COMPONENTS: ReadonlySet<string> = new Set(['claim', 'payload', 'attempt', 'token']);

/** The identity of an object of a run; null for one that is not runledger's, or whose labels somebody has changed. */
export function identityOf(object: Labelled): ObjectIdentity | null {
  const labels = object.metadata?.labels ?? {};
  const annotations = object.metadata?.annotations ?? {};
  const component = labels[LABELS.component];
  const { [LABELS.installation]: installation, [LABELS.source]: source, [LABELS.job]: job } = labels;
  const run = countIn(labels[LABELS.run], 1);
  if (labels[LABELS.managedBy] !== MANAGER || component === undefined || !COMPONENTS.has(component)) return null;
  if (installation === undefined || source === undefined || job === undefined || run === null) return null;
  const task = labels[LABELS.task] ?? null;
  const attempt = countIn(labels[LABELS.attempt], 1);
  if ((component === 'attempt' || component === 'token') && (task === null || attempt === null)) return null;
  return {
    installation,
    source,
    component: component as Component,
    job,
    run,
    task,
    attempt,
    digest: annotations[ANNOTATIONS.digest] ?? '',
    trigger: annotations[ANNOTATIONS.trigger] ?? '',
    epoch: countIn(annotations[ANNOTATIONS.epoch], 0) ?? 0,
  };
}

/**
 * Whether an object that exists already is this run's: same source, number and trigger (docs/architecture.md, Exactly once). A claim
 * is then adopted; what a run executes is settled by its payload, and so that and its pods have to be of the same digest too.
 */
export function isOfRun(identity: ObjectIdentity, scope: NameScope, record: RunRecord): boolean {
  return (
    identity.installation === scope.installation &&
    identity.source === scope.source &&
    identity.job === record.job &&
    identity.run === record.run &&
    identity.trigger === canonicalJson(record.trigger)
  );
}

/** The trigger that an identity tells of; null when somebody has changed it. */
export function triggerOf(identity: ObjectIdentity): Trigger | null {
  try {
    return JSON.parse(identity.trigger) as Trigger;
  } catch {
    return null;
  }
}

function countIn(text: string | undefined, least: number): number | null {
  if (text === undefined || !/^\d{1,16}$/.test(text)) return null;
  const count = Number(text);
  return Number.isSafeInteger(count) && count >= least ? count : null;
}
