// Generated from schemas/*.json by `npm run generate`. Change the schemas, not this file.

/** The version of the format. Documents with another group than runledger.dev are left alone. */
export type ApiVersion = 'runledger.dev/v1';

/**
 * A DNS label of at most 40 characters: lower-case letters, digits and inner hyphens. The names of Kubernetes objects
 * are built from it.
 */
export type JobName = string;

/** Lower-case letters, digits and inner hyphens, at most 63 characters. */
export type DnsLabel = string;

/** The name of a Secret, a service account or another Kubernetes object, as kubectl shows it. */
export type ObjectName = string;

/** The entry of the Secret to read. */
export type SecretKey = string;

/** A length of time: days, hours, minutes and seconds in this order, each at most once, at least one of them. */
export type Duration = string;

/** An amount as Kubernetes writes it: a number, or a number with a suffix such as m, k, M, Ki, Mi or Gi. */
export type Quantity = string | number;

/** A number of bytes, plain or with a suffix: k, M, G count in thousands, Ki, Mi, Gi in steps of 1024. */
export type ByteSize = string | number;

/** A moment in UTC, written as RFC 3339 with a closing Z. */
export type Instant = string;

/**
 * The commit of the source by its full SHA. "+dirty" follows it when uncommitted changes were read as well; "none"
 * stands for a folder without a repository.
 */
export type Revision = string;

/**
 * SHA-256 over what a job executes, after the version of the way it is computed. Comments, key order and layout do not
 * change it.
 */
export type Digest = string;

/** The SHA-256 of the bytes in hexadecimal digits. */
export type Sha256 = string;

/** The exit code that was seen, or null where none was: without it nothing is called a success. */
export type ExitCode = number | null;

/** Counts the runs of one job from 1 upwards; a number is never used twice. */
export type RunNumber = number;

/** A name of the IANA time zone database, or UTC. */
export type TimeZone = string;

/**
 * A short form (@hourly, @daily, @weekly, @monthly or @yearly), or five fields: minute, hour, day of the month, month,
 * day of the week.
 */
export type Cron = string;

/** A CEL expression that yields true or false. It sees params, matrix, job, run, trigger and needs.<job>.vars. */
export type Expression = string;

/** File patterns with / between folders: * stays within a folder, ** crosses folders. */
export type Globs = readonly string[];

/** Letters, digits and underscores, not starting with a digit. Names that begin with RUNLEDGER_ are taken. */
export type EnvName = string;

/** Upper-case letters, digits and underscores, not starting with a digit. */
export type ParameterName = string;

/**
 * Points at one entry of a Kubernetes Secret in the namespace of the job. The value itself stays in the cluster and is
 * redacted wherever it would show up.
 */
export interface SecretReference {
  /** The Secret that holds the value. The policy of the source has to allow it. */
  readonly name: ObjectName;
  /** The entry within the Secret. */
  readonly key: SecretKey;
}

/** Takes the value of the variable from a Kubernetes Secret. */
export interface SecretEnvValue {
  /** Where the value lies. It never appears in a log, a message or a commit. */
  readonly secret: SecretReference;
}

/** A text, or a reference to a Kubernetes Secret. Numbers and true or false need quotes. */
export type EnvValue = string | SecretEnvValue;

/** Names and values of environment variables. */
export interface Env {
  readonly [k: string]: EnvValue;
}

/** Kubernetes labels: short names and values by which objects are found and grouped. */
export interface Labels {
  readonly [k: string]: string;
}

/** Free notes for people and tools, by key. */
export interface Annotations {
  readonly [k: string]: string;
}

/** What the manifest is called, and what else is noted about it. */
export interface Metadata {
  /**
   * A DNS label of at most 40 characters, unique among the manifests of this kind within the source. Renaming makes it
   * another one, with a history of its own.
   */
  readonly name: JobName;
  /** Copied to the pods, to the status and to the information series of the metrics. Changing them starts no run. */
  readonly labels?: Labels;
  /** Notes for people and tools. They stay in the manifest and start no run. */
  readonly annotations?: Annotations;
}

/** An amount for each resource: cpu, memory, ephemeral-storage, or an extended one such as nvidia.com/gpu. */
export interface Quantities {
  readonly [k: string]: Quantity;
}

/** What a container asks for and may use at most, in Kubernetes' own words. */
export interface Resources {
  /** What the scheduler sets aside on a node. */
  readonly requests?: Quantities;
  /** The most that may be used. A container above its memory limit ends with OOMKilled. */
  readonly limits?: Quantities;
}

/** Lets the pod onto nodes that have a matching taint. */
export interface Toleration {
  /** The key of the taint. Leave it out, with the operator Exists, to match every taint. */
  readonly key?: string;
  /** Equal (the default) compares the value too; Exists only looks for the key. */
  readonly operator?: string;
  /** The value of the taint, for the operator Equal. */
  readonly value?: string;
  /** NoSchedule, PreferNoSchedule or NoExecute; without it all effects match. */
  readonly effect?: string;
  /** How many seconds the pod stays on a node that got a NoExecute taint. */
  readonly tolerationSeconds?: number;
  readonly [k: string]: unknown;
}

/**
 * Fields of a Kubernetes PodSpec under their own names, merged strategically into the pod that runledger builds: lists
 * with a merge key are merged item by item. The controller's policy decides which fields may be set; restartPolicy,
 * nodeName, deadlines, priority and scheduler never may.
 */
export interface PodSpec {
  /** The service account of the pod. The policy has to list it. */
  readonly serviceAccountName?: ObjectName;
  /** Whether the service account's token is mounted. It is not, unless this asks for it. */
  readonly automountServiceAccountToken?: boolean;
  /** Labels that a node needs for the pod to be placed there. */
  readonly nodeSelector?: {
    readonly [k: string]: string;
  };
  /** Taints of nodes that do not keep the pod away. */
  readonly tolerations?: readonly Toleration[];
  /** Rules about which nodes, and which other pods, the pod likes or avoids. */
  readonly affinity?: {
    readonly [k: string]: unknown;
  };
  /** How evenly pods spread over zones or nodes. */
  readonly topologySpreadConstraints?: {
    readonly [k: string]: unknown;
  }[];
  /** Security settings of the whole pod. The restricted Pod Security Standard holds unless the policy allows more. */
  readonly securityContext?: {
    readonly [k: string]: unknown;
  };
  /** Further volumes; containers mount them by name. */
  readonly volumes?: {
    readonly [k: string]: unknown;
  }[];
  /** Additions to the containers that runledger makes, found by their name. */
  readonly containers?: {
    readonly [k: string]: unknown;
  }[];
  /** The RuntimeClass that runs the containers, for instance a sandboxed one. */
  readonly runtimeClassName?: string;
  /** Further lines for /etc/hosts. */
  readonly hostAliases?: {
    readonly [k: string]: unknown;
  }[];
  /** Name servers, search domains and options of the resolver. */
  readonly dnsConfig?: {
    readonly [k: string]: unknown;
  };
  /** Secrets with credentials for private registries, besides those of the source. */
  readonly imagePullSecrets?: {
    readonly [k: string]: unknown;
  }[];
  readonly [k: string]: unknown;
}

/** How long each phase may take. What is left out keeps its default. */
export interface Timeouts {
  /** From being queued to the first pod. After that the run ends with QueueTimeout. */
  readonly queue?: Duration;
  /**
   * From the pod to its first step: scheduling, pulling images, starting services. The message of a StartTimeout names
   * the last known cause.
   */
  readonly start?: Duration;
  /** From the first step of an attempt to its last. After that the attempt is stopped and ends as timed-out. */
  readonly run?: Duration;
  /** From the request to stop (TERM) until a command is killed. */
  readonly grace?: Duration;
  /** What the containers under finally may take together, also after a cancel or a time-out. */
  readonly finally?: Duration;
}

/**
 * How it ended. "error" means that the infrastructure failed, "failed" that the job did; "warning" and "skipped" come
 * from the exit codes that the job maps to them, or from runs that were never due.
 */
export type Result = 'succeeded' | 'warning' | 'skipped' | 'failed' | 'timed-out' | 'cancelled' | 'error';

/** Why it ended with this result, as one word. The message beside it says the same as a sentence. */
export type Reason =
  | 'ExitCode'
  | 'StartTimeout'
  | 'DeadlineExceeded'
  | 'ImagePullFailed'
  | 'InvalidPod'
  | 'Unschedulable'
  | 'NodeRejected'
  | 'StartError'
  | 'OOMKilled'
  | 'Evicted'
  | 'Preempted'
  | 'NodeLost'
  | 'PodDeleted'
  | 'ServiceUnhealthy'
  | 'UpstreamFailed'
  | 'UpstreamSkipped'
  | 'ConditionFalse'
  | 'Superseded'
  | 'JobRemoved'
  | 'PullRequestClosed'
  | 'CancelRequested'
  | 'Completed'
  | 'QueueTimeout'
  | 'StepTimeout'
  | 'TaskFailed'
  | 'Aborted'
  | 'ConcurrencySkipped'
  | 'InstantMissed'
  | 'Refused'
  | 'SecretMissing'
  | 'ControllerLost';

/** kubernetes starts a pod for each attempt; process starts local processes, for a machine of your own. */
export type RunnerKind = 'kubernetes' | 'process';

/** The spec digest changed at this revision. */
export interface CommitTrigger {
  /** The run was caused by a commit. */
  readonly kind: 'commit';
  /** The revision that brought the change. */
  readonly revision: Revision;
}

/** An instant of the cron schedule came. */
export interface ScheduleTrigger {
  /** The run was caused by the schedule. */
  readonly kind: 'schedule';
  /** The planned instant, which is the identity of the run: it happens at most once. */
  readonly at: Instant;
}

/** The jobs that this one needs have finished. */
export interface NeedsTrigger {
  /** The run was caused by the end of upstream runs. */
  readonly kind: 'needs';
  /** The upstream job that finished last. */
  readonly job: JobName;
  /** The number of its run. */
  readonly run: RunNumber;
}

/** Somebody asked for the run: with a request on the ledger, or on the command line. */
export interface RequestTrigger {
  /** The run was caused by a request. */
  readonly kind: 'request';
  /** The name of the request file on the ledger without .yaml, or a UUID where the command line ran the job itself. */
  readonly id: RequestId;
}

/** A pull request was opened or got new commits. */
export interface PullRequestTrigger {
  /** The run was caused by a pull request. */
  readonly kind: 'pullRequest';
  /** The number of the pull request in its repository. */
  readonly number: number;
  /** The head of the pull request: the revision that ran. */
  readonly revision: Revision;
  /** The revision of the target branch that the head was compared with. */
  readonly base?: Revision;
  /**
   * Where the job came from: base, for a head from a fork that nobody had approved. Its files were those of the head.
   * Absent: the head.
   */
  readonly definitions?: 'base';
}

/** Letters, digits, dots, hyphens and underscores; usually a UUID. */
export type RequestId = string;

/** Why the run exists. Together with the job it identifies the run: one trigger gives one run. */
export type Trigger = CommitTrigger | ScheduleTrigger | NeedsTrigger | RequestTrigger | PullRequestTrigger;

/** One thing that is wrong with a manifest, and where. */
export interface ManifestProblem {
  /** The path of the file from the repository's root. */
  readonly file: string;
  /** Counted from 1. */
  readonly line: number;
  /** Counted from 1. */
  readonly column: number;
  /** The path of the field within the document. Absent where the file as a whole is meant. */
  readonly field?: string;
  /** What is wrong, and what would be right. */
  readonly message: string;
}

/** Values of parameters by their names. */
export interface ParameterValues {
  readonly [k: string]: string;
}

/** One value of a matrix key. Numbers and true or false become text where the value is used. */
export type MatrixValue = string | number | boolean;

/** One value for each key of a matrix. */
export interface MatrixCombination {
  readonly [k: string]: MatrixValue;
}

/** Letters, digits and underscores, not starting with a digit. */
export type MatrixKey = string;

/**
 * What to run on Kubernetes, and when. runledger reads it from git and commits the outcome of every run back to git.
 */
export interface Job {
  /** The version of the format of this manifest. */
  readonly apiVersion: ApiVersion;
  /** Says that the document is a job. */
  readonly kind: 'Job';
  /** The name of the job, with labels and annotations. */
  readonly metadata: Metadata;
  /** What the job runs, when, and within which limits. */
  readonly spec: JobSpec;
}

/** What the job runs, when, and within which limits. */
export interface JobSpec {
  /** What the job is for, in a sentence. It is shown in lists and starts no run when it changes. */
  readonly description?: string;
  /** true stops new runs; those that are running go on. Scheduled instants that pass meanwhile are not made up for. */
  readonly suspend?: boolean;
  /**
   * When the job runs. What is written here replaces the default as a whole. The default is { commit: true }; for a job
   * with needs it is {}, and the end of the needed jobs starts it.
   */
  readonly on?: JobTriggers;
  /**
   * Jobs that have to finish first. The job runs once for each chain (a commit, an instant, a request, a pull request),
   * after those needed jobs that take part in it; the others count by their last result.
   */
  readonly needs?: readonly (JobName | Need)[];
  /**
   * The run is skipped when this CEL expression gives false. It sees params, matrix, job, run, trigger and
   * needs.<job>.vars.
   */
  readonly if?: Expression;
  /**
   * Puts the files of the revision into the workspace: all of them, or those that match the globs. Default: false, but
   * true when the job runs for pull requests.
   */
  readonly checkout?: boolean | Globs;
  /** Keeps runs from overlapping, those of one job or of all jobs that name the same group. */
  readonly concurrency?: Concurrency;
  /** Where capacity is short, the run with the higher number starts first. */
  readonly priority?: number;
  /**
   * Values that a request or a matrix key may set, by name. Scripts read $RUNLEDGER_PARAM_<NAME>; other strings write
   * ${{ params.NAME }}.
   */
  readonly parameters?: {
    readonly [k: string]: Parameter;
  };
  /** Variables of all steps. They win over the controller's defaults; those of a task or a step win over them. */
  readonly env?: Env;
  /**
   * Files that the steps find, mounted read-only: under /runledger/files, or at an absolute path. $RUNLEDGER_FILES
   * holds the folder.
   */
  readonly files?: readonly JobFile[];
  /** The container image of every step that names none. */
  readonly image?: string;
  /** The uid that the steps run as. Running as 0 needs a policy that allows root. */
  readonly user?: number;
  /**
   * A job of one step in short: a shell script that runs in the image above. Not together with steps. Parameters and
   * matrix values are environment variables here; ${{ }} is an error.
   */
  readonly run?: string;
  /** What the job executes, one after the other; the first one that fails ends the sequence. Not together with run. */
  readonly steps?: readonly Step[];
  /** Steps that run at the end, also after a failure or a time-out. Together they have timeouts.finally. */
  readonly finally?: readonly FinallyStep[];
  /**
   * Containers that are started before the steps and stopped after them, by name. The steps reach them on localhost and
   * by that name.
   */
  readonly services?: {
    readonly [k: string]: Service;
  };
  /** Shell scripts around the steps. */
  readonly hooks?: Hooks;
  /** The parts of a run that are executed side by side, named one by one. Not together with matrix. */
  readonly tasks?: readonly (DnsLabel | TaskSettings)[];
  /**
   * Makes a task of every combination of the values of its keys, at most 256. Each value is ${{ matrix.key }} and
   * $RUNLEDGER_MATRIX_KEY. Not together with tasks.
   */
  readonly matrix?: Matrix;
  /** How many tasks of one run may be executed at once. Default: all of them. */
  readonly maxParallel?: number;
  /** How many units of its runner set a task takes. A task may say it for itself. */
  readonly slots?: number;
  /**
   * When the remaining tasks of a run are cancelled: never, onFailure (after failed, timed-out or error), or onWarning
   * (after a warning too).
   */
  readonly abort?: 'never' | 'onFailure' | 'onWarning';
  /** The RunnerSet whose warm pods take the attempts. Without it every attempt gets a pod of its own. */
  readonly runsOn?: JobName | RunsOn;
  /**
   * What the steps ask for and may use. Only one step runs at a time, so the requests count once per pod and the limits
   * hold for each step.
   */
  readonly resources?: Resources;
  /**
   * How long each phase may take. What is left out comes from the controller's defaults, else from the defaults named
   * here.
   */
  readonly timeouts?: Timeouts;
  /**
   * When commands that have been started are started again. An attempt that ended before its first step is tried again
   * anyway, up to 3 times, at no charge.
   */
  readonly retry?: Retry;
  /** Exit codes other than 0 that do not mean failure. */
  readonly exitCodes?: ExitCodes;
  /**
   * Keeps files of the workspace, and everything in $RUNLEDGER_OUTPUT, in the artifact store. Without it, nothing is
   * kept.
   */
  readonly artifacts?: JobArtifacts;
  /** How much of the output is kept on the ledger. What does not fit is cut from the middle: head and tail stay. */
  readonly logs?: LogSettings;
  /**
   * Further fields of the pod under Kubernetes' own names, as far as the controller's policy allows them. They are
   * merged strategically into the pod that runledger builds.
   */
  readonly pod?: PodSpec;
  /**
   * How much history stays visible. The last run always stays, and older ones remain in the history of the ledger
   * branch.
   */
  readonly keep?: Keep;
}

/** What starts a run. A trigger that is not named here is off. */
export interface JobTriggers {
  /**
   * Runs the job when its spec digest changed, or, with paths, also when one of those files did. Going back to an older
   * spec runs it again.
   */
  readonly commit?: boolean | PathFilter;
  /**
   * Runs the job at the instants of a cron expression, or of several. Each instant gives one run at most, whatever is
   * restarted meanwhile.
   */
  readonly schedule?: Schedule | readonly Schedule[];
  /**
   * Runs the job for pull requests that touch its manifest, the files it takes from the repository, or the given paths;
   * true counts the paths under commit. A newer push replaces the run of an older one. The source has to allow pull
   * requests.
   */
  readonly pullRequest?: boolean | PathFilter;
}

/** Widens a trigger to files of the repository. */
export interface PathFilter {
  /** Globs of files of the repository, from its root. A change of one of them counts like a change of the manifest. */
  readonly paths: Globs;
}

/** A cron expression and what happens when an instant was missed. */
export interface Schedule {
  /**
   * Five fields (minute, hour, day of the month, month, day of the week), or a short form such as @daily. Where both
   * the day of the month and the day of the week are given, either is enough.
   */
  readonly cron: Cron;
  /**
   * The time zone in which the fields are read. A time that a clock change leaves out comes right after it; one that
   * comes twice counts the first time only, unless the hour field is * and so every hour is meant.
   */
  readonly timeZone?: TimeZone;
  /**
   * What happens to instants that passed while nothing could run: none drops them, latest runs the newest one, all runs
   * them one by one, oldest first, as far as maxCatchUp goes.
   */
  readonly catchUp?: 'none' | 'latest' | 'all';
  /** How many missed instants catchUp: all makes up for; the newest ones count. */
  readonly maxCatchUp?: number;
  /**
   * How late a run may still be started; after that the instant counts as missed. With catchUp: none it is 1m unless
   * written here, else there is no limit.
   */
  readonly deadline?: Duration;
}

/** A job that has to finish first, and the results that will do. */
export interface Need {
  /** The name of a job of the same source. */
  readonly job: JobName;
  /**
   * The results after which this job may run. After a skipped job this one is skipped too; after another result it is
   * skipped with UpstreamFailed.
   */
  readonly results?: readonly Result[];
}

/** Which runs may not overlap, and what happens to a run that arrives too early. */
export interface Concurrency {
  /**
   * Runs with the same group do not overlap. Default: the name of the job. Pull requests get a group each,
   * <group>/pr-<number>.
   */
  readonly group?: string;
  /**
   * What the arriving run does while another one of its group is active: queue waits, replace cancels the other one,
   * skip ends as skipped, allow runs beside it.
   */
  readonly policy?: 'queue' | 'replace' | 'skip' | 'allow';
}

/** The default value of a parameter and the values that are allowed. */
export interface Parameter {
  /**
   * The value when nobody sets another one. Numbers and true or false need quotes. Only the default counts into the
   * digest.
   */
  readonly default?: string;
  /** The values to choose from. Not together with pattern. */
  readonly enum?: readonly string[];
  /** A regular expression for the value; ^ and $ make it cover all of it. Not together with enum. */
  readonly pattern?: string;
  /** What a person reads who gave a value that is not allowed. */
  readonly message?: string;
}

/** A file that the steps find: written here, taken from the repository, or from a Secret. */
export interface JobFile {
  /** Where the file appears: relative to /runledger/files, or absolute. It may not contain "..". */
  readonly path: string;
  /** The permission bits, as four octal digits in quotes. */
  readonly mode?: string;
  /** The text of the file, written here. */
  readonly content?: string;
  /**
   * A file of the repository, relative to the folder of this manifest. It has to stay within the repository, and it
   * counts into the digest.
   */
  readonly from?: string;
  /** An entry of a Kubernetes Secret. Its content is redacted wherever it would show up. */
  readonly secret?: SecretReference;
}

/** One command: either a script in a shell (run) or a program (command). */
export interface Step {
  /**
   * A DNS label, unique among all steps of the job, those under finally included. Logs and outcomes name the step by
   * it.
   */
  readonly name: DnsLabel;
  /** The step is left out when this CEL expression gives false. It sees params, matrix, job, run, trigger and needs. */
  readonly if?: Expression;
  /** The container image of the step. Default: the job's image. */
  readonly image?: string;
  /**
   * A shell script. Parameters and matrix values are environment variables here; ${{ }} is an error. Not together with
   * command.
   */
  readonly run?: string;
  /** The program, with its arguments, that gets the script as its last argument. Only with run. */
  readonly shell?: readonly string[];
  /**
   * A program and its first arguments, started without a shell, so that images without one work too. Not together with
   * run.
   */
  readonly command?: readonly string[];
  /** Further arguments of command. */
  readonly args?: readonly string[];
  /** Variables of this step. They win over those of the task, the job and the controller's defaults. */
  readonly env?: Env;
  /** The uid that the step runs as. Default: the job's user. Running as 0 needs a policy that allows root. */
  readonly user?: number;
  /** Where the command starts: relative to the workspace, or absolute. */
  readonly workingDirectory?: string;
  /** What the step may take on its own, within timeouts.run. A step that takes longer ends with StepTimeout. */
  readonly timeout?: Duration;
}

/** One command that runs after the steps, whatever became of them. */
export interface FinallyStep {
  /**
   * A DNS label, unique among all steps of the job, those under finally included. Logs and outcomes name the step by
   * it.
   */
  readonly name: DnsLabel;
  /** The step is left out when this CEL expression gives false. It sees params, matrix, job, run, trigger and needs. */
  readonly if?: Expression;
  /** The container image of the step. Default: the job's image. */
  readonly image?: string;
  /**
   * A shell script. Parameters and matrix values are environment variables here; ${{ }} is an error. Not together with
   * command.
   */
  readonly run?: string;
  /** The program, with its arguments, that gets the script as its last argument. Only with run. */
  readonly shell?: readonly string[];
  /**
   * A program and its first arguments, started without a shell, so that images without one work too. Not together with
   * run.
   */
  readonly command?: readonly string[];
  /** Further arguments of command. */
  readonly args?: readonly string[];
  /** Variables of this step. They win over those of the task, the job and the controller's defaults. */
  readonly env?: Env;
  /** The uid that the step runs as. Default: the job's user. Running as 0 needs a policy that allows root. */
  readonly user?: number;
  /** Where the command starts: relative to the workspace, or absolute. */
  readonly workingDirectory?: string;
  /** What the step may take on its own, within timeouts.run. A step that takes longer ends with StepTimeout. */
  readonly timeout?: Duration;
  /**
   * always runs it in any case, onSuccess only after success, onFailure only after failed, timed-out or error. After a
   * cancel only steps with always run.
   */
  readonly when?: 'always' | 'onSuccess' | 'onFailure';
}

/** A container that runs beside the steps, for instance a database. */
export interface Service {
  /** The container image of the service. */
  readonly image: string;
  /** Replaces the entry point of the image. */
  readonly command?: readonly string[];
  /** Arguments of the entry point or of command. */
  readonly args?: readonly string[];
  /** Variables of the service. It gets none of those of the job. */
  readonly env?: Env;
  /** The uid that the service runs as. Default: the job's user. */
  readonly user?: number;
  /** What the service asks for and may use, besides the steps. */
  readonly resources?: Resources;
  /** Absolute paths that are empty, writable and kept in memory; they count into the memory of the service. */
  readonly tmpfs?: readonly string[];
  /**
   * How to find out that the service is ready. The steps wait for it; one that does not become ready, or dies, ends the
   * attempt with ServiceUnhealthy.
   */
  readonly health?: HealthCheck;
}

/** One way to ask the service whether it is ready, and how often. */
export interface HealthCheck {
  /** A program within the container of the service; exit code 0 means ready. */
  readonly command?: readonly string[];
  /** Ready as soon as the port accepts a connection. */
  readonly tcp?: number;
  /** Ready as soon as a GET is answered with a status from 200 to 399. */
  readonly http?: HttpCheck;
  /** The time between two tries. */
  readonly interval?: Duration;
  /** How long one try may take. */
  readonly timeout?: Duration;
  /** How many tries may fail in a row before the service counts as unhealthy. */
  readonly retries?: number;
}

/** Where to send the GET. */
export interface HttpCheck {
  /** The port of the service. */
  readonly port: number;
  /** The path of the address. */
  readonly path?: string;
}

/** Shell scripts before and after the steps. One that fails makes the run fail. */
export interface Hooks {
  /** Runs before the first step, once the services are ready. */
  readonly before?: string;
  /** Runs after the steps and finally, in any case. */
  readonly after?: string;
}

/** A task with settings of its own. */
export interface TaskSettings {
  /** A DNS label, unique among the tasks of the job. Scripts read it as $RUNLEDGER_TASK. */
  readonly name: DnsLabel;
  /** How many units of its runner set this task takes. Default: the job's slots. */
  readonly slots?: number;
  /** Variables of this task. They win over those of the job; those of a step win over them. */
  readonly env?: Env;
}

/** Keys and the values that each takes. A key with the name of a parameter sets that parameter. */
export interface Matrix {
  /** Combinations to add to those that the keys give. */
  readonly include?: readonly MatrixCombination[];
  /** Combinations to leave out: every one that has all the values of an entry. */
  readonly exclude?: readonly MatrixCombination[];
  readonly [k: string]: readonly MatrixValue[] | readonly MatrixCombination[] | undefined;
}

/** A RunnerSet, and what to do while it has no room. */
export interface RunsOn {
  /** The name of a RunnerSet of the same source. */
  readonly set: JobName;
  /** pod starts a pod of its own when the set has no free runner. Without it the attempt waits for one. */
  readonly fallback?: 'pod';
}

/** Which endings are followed by another attempt, how often, and after which pause. */
export interface Retry {
  /** How many further attempts a task gets after failures of its own. */
  readonly limit?: number;
  /**
   * The failures that count: exit (an exit code that means failure, or OOMKilled), timeout, or particular exit codes.
   */
  readonly on?: (('exit' | 'timeout') | RetryExitCodes)[];
  /** The pause before the next attempt. It doubles each time, with some jitter. */
  readonly backoff?: Duration;
  /** The pause does not grow beyond this. */
  readonly maxBackoff?: Duration;
  /**
   * How many further attempts a task gets after an eviction, a preemption, a lost node or a deleted pod, once a step
   * had started.
   */
  readonly infrastructure?: number;
}

/** Only these exit codes are followed by another attempt. */
export interface RetryExitCodes {
  /** Numbers from 1 to 255. */
  readonly exitCodes: readonly number[];
}

/** Which exit codes mean something else than failure. Numbers from 1 to 255; an empty list turns the meaning off. */
export interface ExitCodes {
  /** The step did its work, but a person should look: the result is warning. */
  readonly warning?: readonly number[];
  /** There was nothing to do: the result is skipped. */
  readonly skipped?: readonly number[];
}

/** Which files to keep. Without paths (`artifacts: {}`), what is in $RUNLEDGER_OUTPUT. */
export interface JobArtifacts {
  /** Globs within the workspace; what is in $RUNLEDGER_OUTPUT is kept besides. */
  readonly paths?: Globs;
}

/** Bounds for the logs on the ledger. */
export interface LogSettings {
  /** The most that the log of one attempt takes on the ledger. */
  readonly maxBytes?: ByteSize;
  /** The most that all logs of one run take together. */
  readonly maxRunBytes?: ByteSize;
  /** Longer lines are cut. */
  readonly maxLine?: ByteSize;
  /**
   * Whether the whole log goes to the artifact store: never, always, or only when the one on the ledger was trimmed.
   */
  readonly upload?: 'never' | 'always' | 'whenTrimmed';
}

/** How much stays in the tree of the ledger, and for how long. */
export interface Keep {
  /** How many of the newest runs stay. */
  readonly runs?: number;
  /** Runs that ended longer ago go, except for the last one. */
  readonly for?: Duration;
  /** How long artifacts stay in the store. */
  readonly artifacts?: Duration;
}

/**
 * A pool of warm runner pods. Jobs name it with runsOn and then start within a fraction of a second. A runner serves
 * one attempt and is replaced.
 */
export interface RunnerSet {
  /** The version of the format of this manifest. */
  readonly apiVersion: ApiVersion;
  /** Says that the document is a runner set. */
  readonly kind: 'RunnerSet';
  /** The name of the set, with labels and annotations. Jobs refer to the set by this name. */
  readonly metadata: Metadata;
  /** How many runners there are, and what they are made of. */
  readonly spec: RunnerSetSpec;
}

/** How many runners there are, and what they are made of. */
export interface RunnerSetSpec {
  /** How many idle runners are kept ready. At most maxRunners. */
  readonly minRunners?: number;
  /** The most runners that exist at once, idle and working ones together. */
  readonly maxRunners: number;
  /** Times at which another number of runners is kept ready. Where several overlap, the highest number holds. */
  readonly schedule?: readonly RunnerSetSchedule[];
  /** The capacity of the set in units: a task takes as many as its slots say. Default: maxRunners. */
  readonly slots?: number;
  /** How many pods are created at the same time, so that a large set does not flood the cluster. */
  readonly parallelCreations?: number;
  /** The container image of the runners, in which the commands of the attempt run. */
  readonly image: string;
  /** What each runner asks for and may use. */
  readonly resources?: Resources;
  /** A runner above minRunners that got no work for this long is removed. */
  readonly idleTimeout?: Duration;
  /** An idle runner of this age is replaced by a new one, so that images and nodes do not grow old. */
  readonly maxLifetime?: Duration;
  /** Further fields of the pod under Kubernetes' own names, as far as the controller's policy allows them. */
  readonly pod?: PodSpec;
}

/** Keeps another number of runners ready for some time. */
export interface RunnerSetSchedule {
  /** When it begins: five fields, or a short form such as @daily. */
  readonly cron: Cron;
  /** The time zone in which the fields are read. */
  readonly timeZone?: TimeZone;
  /** How long it lasts. */
  readonly for: Duration;
  /** How many idle runners are kept ready meanwhile. */
  readonly minRunners: number;
}

/**
 * The configuration of a controller: which sources it reads, what they may do, and how it runs jobs. It is never read
 * from a source.
 */
export interface Config {
  /** The version of the format of this file. */
  readonly apiVersion: ApiVersion;
  /** Says that the document is a configuration. */
  readonly kind: 'Config';
  /** Where manifests come from. Names are unique, and so is each pair of address and ledger branch. */
  readonly sources: readonly SourceConfig[];
  /**
   * Settings for every job that does not have its own. They do not count into the digest: changing them starts no runs.
   */
  readonly defaults?: JobDefaults;
  /** Where artifacts and whole logs are stored. */
  readonly artifacts?: ArtifactsConfig;
  /**
   * Regular expressions of texts that are always redacted, whoever prints them, besides the values of the referenced
   * Secrets.
   */
  readonly masks?: readonly string[];
  /** Addresses that hear of finished runs. */
  readonly notifications?: readonly Notification[];
  /** How attempts are executed. */
  readonly runner?: RunnerConfig;
  /** How many attempts may be executed at once, for each source. */
  readonly concurrency?: number;
  /** Whether starts, ends and errors of runs become Kubernetes Events on their claims. */
  readonly events?: boolean;
  /** How long a node may be out of reach before the runs on it end as error with NodeLost. */
  readonly nodeLostAfter?: Duration;
  /**
   * How long a finished pod waits for a git remote that is down. After that its outcome is kept in the cluster and the
   * pod is let go.
   */
  readonly holdPodsFor?: Duration;
}

/** A repository (url) or a folder (dir) with manifests, the ledger that belongs to it, and what its jobs may do. */
export interface SourceConfig {
  /** A DNS label of at most 40 characters. Object names, metrics and the address of the webhook contain it. */
  readonly name: JobName;
  /** The http or https address of the repository, without credentials. Not together with dir. */
  readonly url?: string;
  /** A folder on this machine. If it is a repository, the ledger is a branch of it. Not together with url. */
  readonly dir?: string;
  /** The branch to follow. */
  readonly branch?: string;
  /** The folder within the repository that holds the manifests. */
  readonly path?: string;
  /** How often the remote is asked for new commits. POST /hooks/<name> brings them at once. */
  readonly interval?: Duration;
  /** How runledger logs in to the remote, for reading and for pushing to the ledger. */
  readonly auth?: SourceAuth;
  /** A file with the certificates (PEM) of the authorities to trust for this remote, besides the usual ones. */
  readonly caFile?: string;
  /** The branch on which status and outcomes are committed. */
  readonly ledger?: LedgerConfig;
  /**
   * The Kubernetes namespace of the jobs, which should hold nothing else. Default: the one of the client's
   * configuration.
   */
  readonly namespace?: DnsLabel;
  /** What the jobs of this source may do. It is judged on the pod as it would be created, after all defaults. */
  readonly policy?: Policy;
  /**
   * Whether the open pull requests of this branch are followed: jobs with on.pullRequest run for those that touch them,
   * as pods under the policy of the source. Of a fork that nobody has approved, the jobs are those of the branch.
   * Outcomes go to the branch runledger/pr/<number>, and a comment in the pull request says what became of it. Needs a
   * token for the forge.
   */
  readonly pullRequests?: boolean;
  /**
   * Whether the forge shows beside each commit how the runs that it caused are going: a status per job, with a link to
   * the ledger.
   */
  readonly statuses?: boolean;
  /** The API of the forge that the repository lies on, for commit statuses and pull requests. */
  readonly forge?: ForgeConfig;
  /** Secrets of the namespace with credentials for private registries. Every pod of the source gets them. */
  readonly imagePullSecrets?: readonly ObjectName[];
  /** How deliveries to POST /hooks/<name> prove where they come from. */
  readonly webhook?: WebhookConfig;
}

/** How the API of a forge is reached. */
export interface ForgeConfig {
  /** What kind of forge it is, where the name of its host does not say. Forgejo is gitea. */
  readonly kind?: 'github' | 'gitlab' | 'gitea';
  /**
   * The address of its API, where it is not where it usually is: https://api.github.com, or /api/v3 (GitHub
   * Enterprise), /api/v4 (GitLab), /api/v1 (Gitea) on the repository's host.
   */
  readonly api?: string;
  /** Where a token for the API lies. Default: the token or password of auth. */
  readonly tokenFrom?: ValueFrom;
}

/**
 * Names the place of a secret value, so that the configuration itself holds none: an environment variable of the
 * controller, or a file.
 */
export type ValueFrom = ValueFromEnv | ValueFromFile;

/** Reads the value from a variable of the controller. */
export interface ValueFromEnv {
  /** The name of the variable. */
  readonly env: string;
}

/**
 * Reads the value from a file, without the line break at its end. It is read again each time it is used, so that
 * rotated credentials take effect.
 */
export interface ValueFromFile {
  /** The path of the file, for instance of a mounted Secret. */
  readonly file: string;
}

/** A user name and a password, or a token. */
export interface SourceAuth {
  /** Where the user name lies. Many servers take any name together with a token as the password. */
  readonly usernameFrom?: ValueFrom;
  /** Where the password, or a token in its place, lies. Not together with tokenFrom. */
  readonly passwordFrom?: ValueFrom;
  /** Where an access token lies that is sent by itself. Not together with passwordFrom. */
  readonly tokenFrom?: ValueFrom;
}

/** Where and how outcomes are committed. */
export interface LedgerConfig {
  /**
   * The branch of the ledger. It is best one of its own; the source's own branch works too, then everything lies in
   * .runledger/.
   */
  readonly branch?: string;
  /** Name and address that the commits carry. */
  readonly author?: string;
  /** How much stays in the tree of the branch. Older runs remain in its history. */
  readonly retention?: Retention;
  /** Whether the ledger keeps a picture of each job's last result (badge.svg), for READMEs and dashboards. */
  readonly badges?: boolean;
}

/** Bounds for jobs that say nothing under keep. The last run of a job always stays. */
export interface Retention {
  /** How many of the newest runs of a job stay. */
  readonly runs?: number;
  /** Runs that ended more days ago go. */
  readonly days?: number;
}

/** What the jobs of a source may do. What is not limited here is free within the restricted Pod Security Standard. */
export interface Policy {
  /** Globs of the images that may run, matched against the full reference with registry and tag. Default: all. */
  readonly images?: readonly string[];
  /** Globs of the Secrets that may be referred to. Default: all of the namespace; an empty list allows none. */
  readonly secrets?: readonly string[];
  /** The service accounts that pods may name. */
  readonly serviceAccounts?: readonly ObjectName[];
  /** Whether containers may run as uid 0. */
  readonly allowRoot?: boolean;
  /** The longest time-outs that a job may ask for. */
  readonly maxTimeouts?: TimeoutLimits;
  /** The most that a pod may ask for or be limited to, all its containers together. */
  readonly maxResources?: Quantities;
}

/** The longest value of each time-out. What is left out is not limited. */
export interface TimeoutLimits {
  /** The longest timeouts.queue of a job. */
  readonly queue?: Duration;
  /** The longest timeouts.start of a job. */
  readonly start?: Duration;
  /** The longest timeouts.run of a job. */
  readonly run?: Duration;
  /** The longest timeouts.grace of a job. */
  readonly grace?: Duration;
  /** The longest timeouts.finally of a job. */
  readonly finally?: Duration;
}

/** Checks the signatures of GitHub, GitLab and Gitea. */
export interface WebhookConfig {
  /** Where the secret lies that is entered at the git server too. Deliveries without a valid signature are refused. */
  readonly secretFrom: ValueFrom;
}

/** Settings for every job that does not have its own. */
export interface JobDefaults {
  /** Time-outs of jobs that name none. */
  readonly timeouts?: Timeouts;
  /** Requests and limits of jobs that name none. */
  readonly resources?: Resources;
  /** Variables of every job. Those of a job, a task or a step win over them. */
  readonly env?: Env;
  /** Shell scripts around the steps of every job, outside of its own hooks. */
  readonly hooks?: DefaultHooks;
  /** Fields of every pod under Kubernetes' own names. Those of a job are merged over them. */
  readonly pod?: PodSpec;
}

/** Shell scripts around the steps of every job. */
export interface DefaultHooks {
  /** Runs before the steps, and before the hook of the job. */
  readonly before?: string;
  /** Runs after the steps, and after the hook of the job, in any case. */
  readonly after?: string;
  /**
   * Runs last of all before the pod of an attempt goes, whatever became of the rest: after failures, time-outs and
   * cancellations too, within what is left of timeouts.finally. How it ends changes no outcome.
   */
  readonly shutdown?: string;
}

/** Where artifacts and whole logs are stored. */
export interface ArtifactsConfig {
  /** A directory, or a bucket that speaks S3. */
  readonly store: ArtifactStore;
}

/** A directory, or a bucket that speaks S3. */
export type ArtifactStore = DirectoryStore | S3Store;

/** Keeps artifacts in a folder, for instance on a mounted volume. */
export interface DirectoryStore {
  /** The path of the folder. */
  readonly directory: string;
}

/** Keeps artifacts in a bucket. */
export interface S3Store {
  /** The bucket and how to reach it. */
  readonly s3: S3Bucket;
}

/** A bucket of a store that speaks S3. */
export interface S3Bucket {
  /** The address of the store. */
  readonly endpoint: string;
  /** The name of the bucket. */
  readonly bucket: string;
  /** The region that goes into the signature. */
  readonly region?: string;
  /** The pair of keys that signs the requests. Without it they go out unsigned. */
  readonly auth?: S3Auth;
}

/** The pair of keys that signs the requests. */
export interface S3Auth {
  /** Where the id of the access key lies. */
  readonly accessKeyIdFrom: ValueFrom;
  /** Where the secret access key lies. */
  readonly secretAccessKeyFrom: ValueFrom;
}

/** Sends a message to an address, with POST, when a run is in the ledger. */
export interface Notification {
  /** Where the message is sent. An address that is a secret in itself, such as one of Slack, belongs under urlFrom. */
  readonly url?: string;
  /** Where the address lies, if it is a secret. Not together with url. */
  readonly urlFrom?: ValueFrom;
  /** Headers of the request, by name, and where their values lie. */
  readonly headersFrom?: {
    readonly [k: string]: ValueFrom;
  };
  /** json sends body, slack a text as Slack, Mattermost and others take it. */
  readonly format?: 'json' | 'slack';
  /**
   * The text of format slack, with expressions in ${{ }}. Default: a line with job, run, result, time, message and a
   * link.
   */
  readonly text?: string;
  /**
   * What format json sends, with expressions in ${{ }} in its texts. Default: source, previous, url, and outcome
   * without its tasks.
   */
  readonly body?: {
    readonly [k: string]: unknown;
  };
  /** The names of the sources whose runs are told of. Default: all. */
  readonly sources?: readonly JobName[];
  /**
   * When it is sent: after these results, or with changed whenever the result differs from that of the job's run
   * before. Skipped and cancelled runs change nothing, and of a job's first run only a bad result is a change.
   */
  readonly on?: readonly NotificationEvent[];
}

/** changed, or a result. */
export type NotificationEvent =
  'changed' | 'succeeded' | 'warning' | 'skipped' | 'failed' | 'timed-out' | 'cancelled' | 'error';

/** How attempts are executed. */
export interface RunnerConfig {
  /** kubernetes starts a pod for each attempt; process starts local processes, for a machine of your own. */
  readonly kind?: RunnerKind;
}

/**
 * Where a job stands. The ledger holds one for each job, also for removed ones; it can always be computed again from
 * the outcomes.
 */
export interface JobStatus {
  /** The version of the format of this file. */
  readonly apiVersion: ApiVersion;
  /** Says that the document is the status of a job. */
  readonly kind: 'JobStatus';
  /** The name of the job. */
  readonly job: JobName;
  /** The manifest that the status speaks of; for a removed job, the last one. */
  readonly source: JobStatusSource;
  /**
   * What was found in the manifest when the job was recorded last. A reader that comes upon the same content need not
   * read and check it again. Absent where the manifest shares its file with others, or draws in other files.
   */
  readonly judged?: JudgedManifest;
  /**
   * Idle: nothing to do. Queued: a run waits, for 10 s or longer. Running: a run has been executed for 10 s or longer.
   * Suspended: no new runs by order of the manifest. Invalid: no new runs until the manifest is repaired.
   */
  readonly phase: Phase;
  /** What holds for the job, in Kubernetes' form. */
  readonly conditions: readonly Condition[];
  /** The newest finished runs, at most 10, newest first. */
  readonly lastRuns: readonly RunSummary[];
  /** The coming instants of the schedules. */
  readonly next: readonly Instant[];
  /**
   * What its runs that have not begun wait for; of more than three runs, the first three. Their places in the queue
   * change too often for a commit: runledger get shows them.
   */
  readonly waiting?: string;
  /** The number that the next run gets. */
  readonly nextRun: RunNumber;
  /**
   * The spec digest that the commit trigger ran last. As long as the digest of the manifest is the same, a commit
   * starts nothing.
   */
  readonly lastCommitDigest?: Digest;
  /** Since when the schedules of the job are what they are. Instants before that are not made up for. */
  readonly schedule?: {
    /** The cron expressions with their time zones, as JSON: a change of them starts anew. */
    readonly of: string;
    /** The commit that brought them, or the end of a suspension. */
    readonly since: Instant;
  };
  /** The newest instant of the schedule that is dealt with. Earlier ones are not looked at again. */
  readonly lastInstant?: Instant;
  /** What is wrong with the manifest, while the phase is Invalid. */
  readonly problems?: readonly ManifestProblem[];
}

/** What a reader of the ledger needs to know of a valid manifest as long as nothing is due. */
export interface JudgedManifest {
  /** The git blob id of the file. */
  readonly blob: string;
  /** The version of runledger that judged the manifest. Another version reads it anew. */
  readonly rules: string;
  /** Where the document begins, from 1. */
  readonly line: number;
  /** The column there, from 1. */
  readonly column: number;
  /** What identifies the job as it would be executed. */
  readonly digest: Digest;
  /** What of the spec decides when and where the job runs, as it was written. */
  readonly outline: JobOutline;
}

/** The fields of a spec that decide when and where the job runs. */
export interface JobOutline {
  /** When the job runs. */
  readonly on?: JobTriggers;
  /** Jobs that have to finish first. */
  readonly needs?: readonly (JobName | Need)[];
  /** true stops new runs. */
  readonly suspend?: boolean;
  /** The RunnerSet whose warm pods take the attempts. */
  readonly runsOn?: JobName | RunsOn;
}

/** The file and the revision of a manifest. */
export interface JobStatusSource {
  /** The file of the manifest within the repository. */
  readonly path: string;
  /** The commit that was looked at. */
  readonly revision: Revision;
}

/** What a job is doing, in one word. */
export type Phase = 'Idle' | 'Queued' | 'Running' | 'Suspended' | 'Invalid';

/** One thing that holds for a job or does not, in Kubernetes' form. */
export interface Condition {
  /** Valid: the manifest is. Ready: the job can run. Succeeded: its last run did. */
  readonly type: 'Valid' | 'Ready' | 'Succeeded';
  /** Whether it holds. */
  readonly status: 'True' | 'False' | 'Unknown';
  /** Why, as one word. */
  readonly reason: string;
  /** Why, as a sentence. */
  readonly message: string;
  /** When the status last changed. */
  readonly lastTransitionTime: Instant;
}

/** A finished run in short. All of it stands in the outcome with the same number. */
export interface RunSummary {
  /** The number of the run. */
  readonly run: RunNumber;
  /** How the run ended. */
  readonly result: Result;
  /** Why it ended like this. */
  readonly reason: Reason;
  /** The exit code that decided, or null where none was seen. */
  readonly exitCode: ExitCode;
  /** Why the run existed. */
  readonly trigger: Trigger;
  /** The revision that was executed. */
  readonly revision: Revision;
  /** The chain that the run belongs to. Absent where it is the revision. */
  readonly chain?: string;
  /** The spec digest of a run that a commit caused and that executed nothing: it counts for that revision alone. */
  readonly digest?: string;
  /** When the first step started. Absent where none did. */
  readonly started?: Instant;
  /** When the run had ended. */
  readonly finished: Instant;
}

/**
 * Where a runner set stands: runners/<name>.yaml on the ledger. Written when what its runners can do has changed, not
 * with every runner that comes or goes; the numbers are those of that moment.
 */
export interface RunnerSetStatus {
  /** The version of the format of this file. */
  readonly apiVersion: ApiVersion;
  /** Says that the document is the status of a runner set. */
  readonly kind: 'RunnerSetStatus';
  /** The name of the RunnerSet. */
  readonly set: JobName;
  /** The revision of the source that the set was kept by. */
  readonly revision: string;
  /** When this was so. */
  readonly at: Instant;
  /** minRunners of the set. */
  readonly minRunners: number;
  /** maxRunners of the set. */
  readonly maxRunners: number;
  /** The number that its schedule asks for; 0 outside of all windows. */
  readonly scheduledMin: number;
  /** What the tasks of the set may take together. */
  readonly slots: number;
  /** How many runners there should be. */
  readonly desired: number;
  /** Runners that wait for an attempt. */
  readonly idle: number;
  /** Runners that have one. */
  readonly busy: number;
  /** Runners that are not ready yet. */
  readonly starting: number;
  /** Tries to start a runner that have failed in a row. */
  readonly failing: number;
  /** What holds for the set, in Kubernetes' form. Ready: its runners start. */
  readonly conditions: readonly RunnerSetCondition[];
}

/** One thing that holds for a job or does not, in Kubernetes' form. */
export interface RunnerSetCondition {
  /** Ready: its runners start. */
  readonly type: 'Ready';
  /** Whether it holds. */
  readonly status: 'True' | 'False' | 'Unknown';
  /** Why, as one word. */
  readonly reason: string;
  /** Why, as a sentence. */
  readonly message: string;
  /** When the status last changed. */
  readonly lastTransitionTime: Instant;
}

/** How one run of a job ended. It is written to the ledger once, at the end of the run, and never changed. */
export interface Outcome {
  /** The version of the format of this file. */
  readonly apiVersion: ApiVersion;
  /** Says that the document is an outcome. */
  readonly kind: 'Outcome';
  /** The name of the job. */
  readonly job: JobName;
  /** The number of the run. */
  readonly run: RunNumber;
  /** How the run ended. */
  readonly result: Result;
  /** Why the run ended like this, as one word. */
  readonly reason: Reason;
  /** Why the run ended like this, as a sentence. Secrets in it are redacted. */
  readonly message: string;
  /** The exit code that decided, or null where none was seen. */
  readonly exitCode: ExitCode;
  /** The step that decided. Absent where no step did. */
  readonly step?: string;
  /** Why the run existed. */
  readonly trigger: Trigger;
  /** What was executed, to the letter. */
  readonly source: OutcomeSource;
  /** When the run was queued, started and finished. */
  readonly times: Times;
  /**
   * Outcome variables that the run set in its output, redacted. Jobs that need this one read them as needs.<job>.vars.
   */
  readonly vars?: OutcomeVars;
  /** Warnings and errors that the steps pointed out in their output. They do not change the result. */
  readonly annotations?: readonly Annotation[];
  /** What runledger itself has to remark about the run, for instance that a variable was too large. */
  readonly warnings?: readonly string[];
  /** The log of the attempt that decided; each attempt has one of its own. */
  readonly log?: LogReference;
  /** The files that the run left behind. */
  readonly artifacts?: readonly Artifact[];
  /** The tasks of the run. There is always at least one; without fan-out it is called default. */
  readonly tasks: readonly TaskOutcome[];
  /** The values of the parameters that the run had. */
  readonly params?: ParameterValues;
  /** The keys of the matrix and the values that the run went through. Which of them a task had stands at the task. */
  readonly matrix?: OutcomeMatrix;
  /**
   * What the run belongs to together with the runs before and after it: a commit, an instant of a schedule, a request,
   * or the head of a pull request.
   */
  readonly chain: string;
  /** Who asked for the run, as far as it is known. */
  readonly requestedBy?: string;
  /**
   * The run that this one was asked for as a rerun of: it had the parameters of that run, and the job as it was by now.
   */
  readonly rerunOf?: RunNumber;
  /** What executed the run and wrote this file. */
  readonly by: OutcomeWriter;
}

/** The revision, the manifest and the spec digest of a run. */
export interface OutcomeSource {
  /** The commit whose manifest and files were used. */
  readonly revision: Revision;
  /** The file of the manifest within the repository. */
  readonly path: string;
  /** The digest of what was executed. */
  readonly digest: Digest;
}

/** When something was queued, started and finished, in UTC. */
export interface Times {
  /** When it began to wait for its turn; for an attempt, when its pod was asked for. */
  readonly queued: Instant;
  /** When the first step started. Absent where none did. */
  readonly started?: Instant;
  /** When it had ended. */
  readonly finished: Instant;
}

/** Texts by their keys. */
export interface OutcomeVars {
  readonly [k: string]: string;
}

/** Lists of values by the keys of the matrix. */
export interface OutcomeMatrix {
  readonly [k: string]: readonly MatrixValue[];
}

/** A remark that a step made in its output about a place in a file. */
export interface Annotation {
  /** How much it matters. */
  readonly level: 'warning' | 'error';
  /** The remark, redacted. */
  readonly message: string;
  /** The file that is meant, as the step wrote it. */
  readonly file?: string;
  /** The line in the file, counted from 1. */
  readonly line?: number;
  /** The column in the line, counted from 1. */
  readonly column?: number;
  /** The task that made the remark, in runs with several. */
  readonly task?: string;
  /** The step that made the remark. */
  readonly step?: string;
}

/** Where a log lies on the ledger, and whether it is whole. */
export interface LogReference {
  /** The file, from the ledger's root. */
  readonly path: string;
  /** The size of the file. */
  readonly bytes: number;
  /** The SHA-256 of the file. */
  readonly sha256: Sha256;
  /** true when the file holds everything that was printed. */
  readonly complete: boolean;
  /** Why the file does not hold everything, as a sentence. */
  readonly reason?: string;
  /** The whole log in the artifact store. Absent where it was not to be stored (logs.upload), or there is no store. */
  readonly upload?: LogUpload;
}

/**
 * Where the whole log of an attempt lies in the artifact store, compressed with gzip. Its secrets are redacted. Without
 * a key nothing was stored.
 */
export interface LogUpload {
  /** The name of the log in the store. */
  readonly key?: string;
  /** The size of what is stored. */
  readonly bytes?: number;
  /** The SHA-256 of what is stored. */
  readonly sha256?: Sha256;
  /** The size of the log once it is unpacked. */
  readonly plainBytes?: number;
  /** true when all that was read of the output is stored. */
  readonly complete: boolean;
  /** Why it is not, as a sentence. */
  readonly reason?: string;
}

/** A file that a run left behind. */
export interface Artifact {
  /** The file within the workspace or the output folder. */
  readonly path: string;
  /** The size of the file. */
  readonly bytes: number;
  /** The SHA-256 of the file. */
  readonly sha256: Sha256;
  /** The task that made the file, in runs with several. */
  readonly task?: string;
}

/**
 * Where the artifacts of an attempt lie in the artifact store, as one tar.zst, and whether they are whole. Without a
 * key nothing was stored.
 */
export interface ArchiveReference {
  /** The name of the archive in the store. */
  readonly key?: string;
  /** The size of the archive. */
  readonly bytes?: number;
  /** The SHA-256 of the archive. */
  readonly sha256?: Sha256;
  /** true when the archive holds everything that was to be kept. */
  readonly complete: boolean;
  /** Why something is missing, as a sentence. */
  readonly reason?: string;
}

/** How one task of a run ended: like its last attempt. */
export interface TaskOutcome {
  /** The name of the task. That of a matrix task is made of its values, joined with hyphens. */
  readonly name: string;
  /** How the task ended. */
  readonly result: Result;
  /** Why the task ended like this, as one word. */
  readonly reason: Reason;
  /** Why the task ended like this, as a sentence. Secrets in it are redacted. */
  readonly message: string;
  /** The exit code that decided, or null where none was seen. */
  readonly exitCode: ExitCode;
  /** The step that decided. Absent where no step did. */
  readonly step?: string;
  /** The values of the matrix that the task had. */
  readonly matrix?: MatrixCombination;
  /**
   * Outcome variables that the task set in its output, redacted. Jobs that need this one read them as needs.<job>.vars.
   */
  readonly vars?: OutcomeVars;
  /** When the task was queued, started and finished. */
  readonly times: Times;
  /** The attempts of the task, in order. None where no pod was ever asked for. */
  readonly attempts: readonly AttemptOutcome[];
}

/** How one attempt ended: one pod, or one process. */
export interface AttemptOutcome {
  /** Counts the attempts of the task from 1 upwards. */
  readonly number: number;
  /** How the attempt ended. */
  readonly result: Result;
  /** Why the attempt ended like this, as one word. */
  readonly reason: Reason;
  /** Why the attempt ended like this, as a sentence. Secrets in it are redacted. */
  readonly message: string;
  /** The exit code that decided, or null where none was seen. */
  readonly exitCode: ExitCode;
  /** The step that decided. Absent where no step did. */
  readonly step?: string;
  /** The name of the pod. Absent for a local process. */
  readonly pod?: string;
  /** The node that the pod was placed on. */
  readonly node?: string;
  /** The log of the attempt. Absent where nothing had started. */
  readonly log?: LogReference;
  /** The artifacts of the attempt. Absent where there are none. */
  readonly archive?: ArchiveReference;
  /** When the attempt was asked for, started and finished. */
  readonly times: Times;
}

/** What executed a run and wrote its outcome. */
export interface OutcomeWriter {
  /** How the run was executed. */
  readonly runner: RunnerKind;
  /** The version of runledger. */
  readonly version: string;
  /** The term of the leader that wrote the file; it grows with every change of leader. */
  readonly epoch?: number;
  /** The machine that executed the run, for local processes. */
  readonly host?: string;
}

/**
 * Asks for a run of a job, or for the end of one. It is committed to the ledger as requests/<id>.yaml; whoever runs the
 * jobs carries it out and removes it.
 */
export interface Request {
  /** The version of the format of this file. */
  readonly apiVersion: ApiVersion;
  /** Says that the document is a request. */
  readonly kind: 'Request';
  /** rerun makes a new run; cancel stops what is queued or running. */
  readonly action: RequestAction;
  /** The job that is meant. */
  readonly job: JobName;
  /**
   * The run that is meant: rerun runs the job as it is now with the parameters of that run, and cancel stops it.
   * Without it, rerun takes the defaults, and cancel stops all runs of the job that are queued or running.
   */
  readonly run?: RunNumber;
  /**
   * Values of parameters for the new run. Those that are left out are as in the run that is named, or else keep their
   * defaults.
   */
  readonly params?: ParameterValues;
  /** Only these tasks of the job's fan-out, by name. Without it, all of them. */
  readonly tasks?: readonly string[];
  /** Who asks; the outcome will say so. */
  readonly requestedBy: string;
  /** When the request was made. */
  readonly at: Instant;
}

/** What is asked for. */
export type RequestAction = 'rerun' | 'cancel';

/**
 * What runledger would do now: one list of actions that turns the actual state into the desired one. A dry run prints
 * it, the controller executes the same.
 */
export interface Plan {
  /** The version of the format of this document. */
  readonly apiVersion: ApiVersion;
  /** Says that the document is a plan. */
  readonly kind: 'Plan';
  /** The manifests that the plan was made from. */
  readonly source: PlanSource;
  /** The ledger that the manifests were compared with; null where there is none. */
  readonly ledger: null | PlanLedger;
  /** How the runs would be executed. */
  readonly runner: RunnerKind;
  /** What happens to each job, in the order of execution. */
  readonly actions: readonly PlannedAction[];
  /** What is wrong with manifests that cannot be attributed to a job. */
  readonly problems?: readonly ManifestProblem[];
  /** What else a person should know about the plan. */
  readonly notes: readonly string[];
  /** How many actions there are of each kind. */
  readonly totals: PlanTotals;
}

/** Where the manifests of a plan come from. */
export interface PlanSource {
  /** The name of the source, where the configuration gives it one. */
  readonly name?: JobName;
  /** The address of the repository, or the folder. */
  readonly location: string;
  /** The branch, where there is a repository. */
  readonly branch?: string;
  /** The folder within it that holds the manifests. */
  readonly path: string;
  /** The revision that was read. */
  readonly revision: Revision;
}

/** A ledger branch at one of its commits. */
export interface PlanLedger {
  /** The branch of the ledger. */
  readonly branch: string;
  /** Its commit, or null while the branch does not exist. */
  readonly head: null | string;
}

/**
 * What happens to a job. run: starts a run. none: nothing to do. wait: a run is due but something is in the way.
 * record: an ending is written without a run. cancel: stops a run. suspended, removed, invalid: no new runs, for the
 * reason that the word says.
 */
export type PlanAction = 'run' | 'none' | 'wait' | 'record' | 'cancel' | 'suspended' | 'removed' | 'invalid';

/** What happens to one job, and why. */
export interface PlannedAction {
  /** The name of the job. */
  readonly job: JobName;
  /** What happens. */
  readonly action: PlanAction;
  /**
   * The number of the run that is started, recorded or cancelled; for none and wait, that of the run that the message
   * speaks of.
   */
  readonly run?: RunNumber;
  /** Why there is a run. */
  readonly trigger?: Trigger;
  /**
   * Why, as one word: New, Changed, Unchanged, Requested, Suspended, Removed, Invalid, AlreadyRunning, Interrupted and
   * the like.
   */
  readonly reason: string;
  /** Why, as the sentence that a person reads. */
  readonly message: string;
  /** The fields that differ from what ran last, by their paths. */
  readonly changes?: readonly string[];
  /** The file of the manifest within the repository. */
  readonly path?: string;
  /** What is wrong with the manifest, for the action invalid. */
  readonly problems?: readonly ManifestProblem[];
}

/** How many actions there are of each kind. */
export interface PlanTotals {
  /** Runs that start. */
  readonly run: number;
  /** Jobs with nothing to do. */
  readonly none: number;
  /** Runs that are due but have to wait. */
  readonly wait: number;
  /** Endings that are written without a run. */
  readonly record: number;
  /** Runs that are stopped. */
  readonly cancel: number;
  /** Jobs that are suspended. */
  readonly suspended: number;
  /** Jobs that are gone from the source. */
  readonly removed: number;
  /** Jobs whose manifest is invalid. */
  readonly invalid: number;
}

/**
 * Manifests that cannot be attributed to a job, with what is wrong with them. The ledger holds the list in
 * invalid.yaml.
 */
export interface InvalidManifests {
  /** The version of the format of this file. */
  readonly apiVersion: ApiVersion;
  /** Says that the document is the list of invalid manifests. */
  readonly kind: 'InvalidManifests';
  /** The problems, in the order of files and lines. */
  readonly items: readonly ManifestProblem[];
}

/** One thing that happened to a run, as `runledger watch -o json` prints it, a line each. */
export interface WatchEvent {
  /** The version of the format of this line. */
  readonly apiVersion: ApiVersion;
  /** Says that the document is an event of a watch. */
  readonly kind: 'WatchEvent';
  /** What happened. */
  readonly type: WatchEventType;
  /** When it happened, or was seen where nobody tells when it happened. */
  readonly at: Instant;
  /** The name of the job. */
  readonly job: JobName;
  /** The number of the run. */
  readonly run: RunNumber;
  /** The revision that is executed. */
  readonly revision: Revision;
  /** Why the run exists. */
  readonly trigger: Trigger;
  /** The task that started or ended; default without fan-out. */
  readonly task?: string;
  /** The number of its attempt. */
  readonly attempt?: number;
  /** The pod of the attempt, where it has one. */
  readonly pod?: string;
  /** The node that the pod is on. */
  readonly node?: string;
  /** How the run ended; with finished. */
  readonly result?: Result;
  /** Why it ended like this; with finished. */
  readonly reason?: Reason;
  /** The exit code that decided, or null where none was seen; with finished. */
  readonly exitCode?: ExitCode;
}

/**
 * queued: the run is claimed and waits. started: an attempt of a task runs. ended: it has ended, and the run may go on.
 * finished: the run is in the ledger.
 */
export type WatchEventType = 'queued' | 'started' | 'ended' | 'finished';
