/** A metric by Prometheus' conventions: base units, a name that ends in its unit, counters in `_total`. */
export interface MetricDefinition {
  readonly name: `runledger_${string}`;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  /** Each has few values: sources of the configuration, their runner sets, and words of this program. Never a job, a run or a pod. */
  readonly labels: readonly string[];
  /** Upper bounds of a histogram's buckets. */
  readonly buckets?: readonly number[];
}

const FAST = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];
const WAITS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600];
const RUNS = [1, 5, 15, 60, 300, 900, 3600, 14_400];

/** Every metric of the controller; docs/metrics.md has the same, for people. */
export const METRICS = {
  started: {
    name: 'runledger_runs_started_total',
    type: 'counter',
    help: 'Runs of which a first attempt was made.',
    labels: ['source', 'trigger'],
  },
  finished: {
    name: 'runledger_runs_finished_total',
    type: 'counter',
    help: 'Runs that ended.',
    labels: ['source', 'result', 'reason'],
  },
  active: {
    name: 'runledger_runs_active',
    type: 'gauge',
    help: 'Runs that have begun and are not let go of yet.',
    labels: ['source'],
  },
  queued: { name: 'runledger_runs_queued', type: 'gauge', help: 'Runs that wait for their turn.', labels: ['source'] },
  queueDuration: {
    name: 'runledger_run_queue_duration_seconds',
    type: 'histogram',
    help: 'From the claim of a run to its first attempt.',
    labels: ['source'],
    buckets: WAITS,
  },
  startDuration: {
    name: 'runledger_run_start_duration_seconds',
    type: 'histogram',
    help: 'From the first attempt of a run to its first step: scheduling, images, volumes.',
    labels: ['source'],
    buckets: WAITS,
  },
  runDuration: {
    name: 'runledger_run_duration_seconds',
    type: 'histogram',
    help: 'From the first step to the end of a run.',
    labels: ['source'],
    buckets: RUNS,
  },
  recordDuration: {
    name: 'runledger_run_record_duration_seconds',
    type: 'histogram',
    help: "Write-back: from a run's end to its outcome being in the ledger.",
    labels: ['source'],
    buckets: WAITS,
  },
  lag: {
    name: 'runledger_ledger_lag_seconds',
    type: 'gauge',
    help: 'For how long the run has ended that has waited longest for its outcome to be in the ledger; 0: none waits.',
    labels: ['source'],
  },
  calls: {
    name: 'runledger_kubernetes_requests_total',
    type: 'counter',
    help: 'Requests to the API server, each try, by the HTTP status of the answer.',
    labels: ['verb', 'resource', 'code'],
  },
  callDuration: {
    name: 'runledger_kubernetes_request_duration_seconds',
    type: 'histogram',
    help: 'From a request to the API server to the beginning of its answer.',
    labels: ['verb'],
    buckets: FAST,
  },
  events: {
    name: 'runledger_kubernetes_events_total',
    type: 'counter',
    help: 'Kubernetes Events of runs, by what became of them.',
    labels: ['source', 'result'],
  },
  git: {
    name: 'runledger_git_operations_total',
    type: 'counter',
    help: 'What was asked of git servers, by how it ended.',
    labels: ['source', 'operation', 'result'],
  },
  gitDuration: {
    name: 'runledger_git_operation_duration_seconds',
    type: 'histogram',
    help: 'How long operations of git took that went well.',
    labels: ['source', 'operation'],
    buckets: FAST,
  },
  logBytes: {
    name: 'runledger_log_read_bytes_total',
    type: 'counter',
    help: 'Output of steps that was read.',
    labels: ['source'],
  },
  redactions: {
    name: 'runledger_log_redactions_total',
    type: 'counter',
    help: 'Secrets that were masked in output of steps.',
    labels: ['source'],
  },
  passes: {
    name: 'runledger_reconcile_passes_total',
    type: 'counter',
    help: 'Passes of the reconciler.',
    labels: ['source', 'result'],
  },
  passDuration: {
    name: 'runledger_reconcile_pass_duration_seconds',
    type: 'histogram',
    help: 'How long passes of the reconciler took.',
    labels: ['source'],
    buckets: FAST,
  },
  errors: {
    name: 'runledger_errors_total',
    type: 'counter',
    help: 'Errors of passes, starts and records; what is tried again counts each time.',
    labels: ['source'],
  },
  workDepth: {
    name: 'runledger_work_queue_depth',
    type: 'gauge',
    help: 'Jobs that are marked to be looked at.',
    labels: ['source'],
  },
  workAge: {
    name: 'runledger_work_queue_age_seconds',
    type: 'gauge',
    help: 'For how long the job is marked that waits longest to be looked at; 0: none waits.',
    labels: ['source'],
  },
  leader: {
    name: 'runledger_leader',
    type: 'gauge',
    help: '1 where this process leads the source.',
    labels: ['source'],
  },
  hooks: {
    name: 'runledger_webhooks_total',
    type: 'counter',
    help: 'Webhooks by what became of them.',
    labels: ['source', 'verdict'],
  },
  deliveries: {
    name: 'runledger_deliveries_total',
    type: 'counter',
    help: 'Commit statuses, notifications and comments in pull requests, by what became of each try.',
    labels: ['kind', 'result'],
  },
  deliveriesWaiting: {
    name: 'runledger_deliveries_waiting',
    type: 'gauge',
    help: 'Commit statuses, notifications and comments that are not sent yet.',
    labels: ['kind'],
  },
  build: {
    name: 'runledger_build_info',
    type: 'gauge',
    help: '1, with the versions of this process.',
    labels: ['version', 'node_version'],
  },
  runnersIdle: {
    name: 'runledger_runners_idle',
    type: 'gauge',
    help: 'Runners that wait for an attempt.',
    labels: ['source', 'set'],
  },
  runnersBusy: {
    name: 'runledger_runners_busy',
    type: 'gauge',
    help: 'Runners that have an attempt.',
    labels: ['source', 'set'],
  },
  runnersStarting: {
    name: 'runledger_runners_starting',
    type: 'gauge',
    help: 'Runners that are not ready yet.',
    labels: ['source', 'set'],
  },
  runnersDesired: {
    name: 'runledger_runners_desired',
    type: 'gauge',
    help: 'How many runners there should be.',
    labels: ['source', 'set'],
  },
  runnersMin: {
    name: 'runledger_runners_min',
    type: 'gauge',
    help: 'Runners that are kept warm.',
    labels: ['source', 'set'],
  },
  runnersMax: {
    name: 'runledger_runners_max',
    type: 'gauge',
    help: 'The most runners that there may be.',
    labels: ['source', 'set'],
  },
  runnersAssigned: {
    name: 'runledger_runners_assigned',
    type: 'gauge',
    help: 'Attempts that have a runner of the set, or wait for one.',
    labels: ['source', 'set'],
  },
  runnerStart: {
    name: 'runledger_runner_start_duration_seconds',
    type: 'histogram',
    help: 'From the creation of a runner to its being ready.',
    labels: ['source', 'set'],
    buckets: WAITS,
  },
  runnerHandover: {
    name: 'runledger_runner_handover_duration_seconds',
    type: 'histogram',
    help: 'From the claim of a runner to its having taken the attempt.',
    labels: ['source', 'set'],
    buckets: FAST,
  },
  runnerOutput: {
    name: 'runledger_runner_startup_duration_seconds',
    type: 'histogram',
    help: 'From the claim of a runner to the first output of the attempt.',
    labels: ['source', 'set'],
    buckets: FAST,
  },
  runnerFailures: {
    name: 'runledger_runner_failures_total',
    type: 'counter',
    help: 'Runners that did not start, or ended without an attempt.',
    labels: ['source', 'set', 'reason'],
  },
} as const satisfies Readonly<Record<string, MetricDefinition>>;
