import { createHash } from 'node:crypto';
import { normalizeSpec } from '../job/defaults.ts';
import { DEFAULT_TASK, tasksOfRun } from '../job/fan-out.ts';
import type { AttemptState, RunRecord, RunTask } from '../runner/port.ts';
import type { ArchiveReference, AttemptOutcome, LogReference, Outcome, TaskOutcome, Times } from '../schemas/index.ts';
import { askedBy, judgeAttempt, type Judgement } from './judge.ts';
import { decidingTask, judgeRun, judgeTask } from './run.ts';

/** Where the log of an attempt lies on the ledger. The task is undefined for a run without fan-out. */
export type LogPath = (job: string, run: number, attempt: number, task: string | undefined) => string;

const STILL_RUNNING: Judgement = {
  result: 'error',
  reason: 'ControllerLost',
  message: 'nobody saw how the attempt ended',
  exitCode: null,
  step: null,
};

const pathOf = (record: RunRecord, { task, number }: AttemptState, logPath: LogPath): string =>
  logPath(record.job, record.run, number, task === DEFAULT_TASK ? undefined : task);

function logReference(record: RunRecord, attempt: AttemptState, logPath: LogPath): LogReference | undefined {
  const { output, started, ending } = attempt;
  if (output === null || started === null) return undefined;
  const left =
    ending?.kind === 'lost'
      ? 'what was printed last was not seen'
      : 'the middle was left out to keep the log within logs.maxBytes';
  const why = output.missing ?? left;
  return {
    path: pathOf(record, attempt, logPath),
    bytes: output.log.length,
    sha256: createHash('sha256').update(output.log).digest('hex'),
    complete: output.complete,
    ...(output.complete ? {} : { reason: why }),
    ...(output.upload ? { upload: output.upload } : {}),
  };
}

const times = (queued: string, started: string | null, finished: string): Times => ({
  queued,
  ...(started === null ? {} : { started }),
  finished,
});

const decided = ({ result, reason, message, exitCode, step }: Judgement) => ({
  result,
  reason,
  message,
  exitCode,
  ...(step === null ? {} : { step }),
});

interface Task {
  readonly judgement: Judgement;
  readonly outcome: TaskOutcome;
  readonly last: AttemptState | undefined;
}

/** What is said of the artifacts of an attempt; of one that ran, and of which nobody could see to them, that they are missing. */
function archiveOf({ spec }: RunRecord, { artifacts, started, ending }: AttemptState): ArchiveReference | undefined {
  if (spec.artifacts === undefined || artifacts) return artifacts?.archive;
  if (started === null || ending === null) return undefined;
  return { complete: false, reason: 'the attempt ended in a way that left no time to keep its artifacts' };
}

function buildTask(parts: OutcomeParts, task: RunTask): Task {
  const { record, attempts: all, unstarted, finished, logPath, cancelledBy } = parts;
  const { name, matrix } = task;
  const attempts = all.filter((attempt) => attempt.task === name).sort((a, b) => a.number - b.number);
  const { exitCodes } = normalizeSpec(record.spec);
  const judgements = attempts.map(({ ending }) =>
    ending ? askedBy(judgeAttempt(ending, exitCodes), cancelledBy) : STILL_RUNNING,
  );
  const judgement = askedBy(unstarted.get(name) ?? judgeTask(judgements), cancelledBy);
  const outcomes = attempts.map((attempt, index): AttemptOutcome => {
    const log = logReference(record, attempt, logPath);
    const archive = archiveOf(record, attempt);
    const queued = attempts[index - 1]?.finished ?? record.queued;
    return {
      number: attempt.number,
      ...decided(judgements[index] ?? STILL_RUNNING),
      ...(attempt.pod === undefined ? {} : { pod: attempt.pod }),
      ...(attempt.node === undefined ? {} : { node: attempt.node }),
      ...(log ? { log } : {}),
      ...(archive ? { archive } : {}),
      times: times(queued, attempt.started, attempt.finished ?? finished),
    };
  });
  const last = attempts.at(-1);
  const started = attempts.find((attempt) => attempt.started !== null)?.started ?? null;
  const vars = last?.output?.vars ?? {};
  const outcome: TaskOutcome = {
    name,
    ...decided(judgement),
    ...(Object.keys(vars).length === 0 ? {} : { vars }),
    ...(Object.keys(matrix).length === 0 ? {} : { matrix }),
    times: times(record.queued, started, last?.finished ?? finished),
    attempts: outcomes,
  };
  return { judgement, outcome, last };
}

export interface OutcomeParts {
  readonly record: RunRecord;
  /** All of the run, those of each task in their order. */
  readonly attempts: readonly AttemptState[];
  /** How tasks ended that their attempts do not tell, by name. */
  readonly unstarted: ReadonlyMap<string, Judgement>;
  readonly by: Outcome['by'];
  /** Who asked for the end of the run, where a person did. */
  readonly cancelledBy?: string | undefined;
  /** RFC 3339, UTC; counts where an attempt does not know its own end. */
  readonly finished: string;
  readonly logPath: LogPath;
}

/** The outcome of a run that has ended, as it goes into the ledger. */
export function buildOutcome(parts: OutcomeParts): Outcome {
  const { record, attempts, by, finished } = parts;
  const tasks = tasksOfRun(record).map((task) => buildTask(parts, task));
  const judgements = tasks.map(({ judgement }) => judgement);
  const deciding = tasks[decidingTask(judgements)];
  const log = deciding?.outcome.attempts.at(-1)?.log;
  const outputs = tasks.flatMap(({ outcome: { name }, last }) => (last?.output ? [{ name, output: last.output }] : []));
  const vars = Object.assign({}, ...outputs.map(({ output }) => output.vars)) as Record<string, string>;
  const annotations = outputs.flatMap(({ name, output }) =>
    output.annotations.map((annotation) => ({ ...annotation, ...(tasks.length > 1 ? { task: name } : {}) })),
  );
  const kept = tasks.flatMap(({ outcome: { name }, last }) =>
    last?.artifacts ? [{ name, artifacts: last.artifacts }] : [],
  );
  const artifacts = kept.flatMap(({ name, artifacts: { files } }) =>
    files.map((file) => ({ ...file, ...(tasks.length > 1 ? { task: name } : {}) })),
  );
  const warnings = [
    ...outputs.flatMap(({ output }) => output.warnings),
    ...kept.flatMap(({ artifacts: { warnings: own } }) => own),
  ];
  const begun = attempts.flatMap((attempt) => attempt.started ?? []).sort()[0] ?? null;
  const ended =
    attempts
      .map((attempt) => attempt.finished ?? finished)
      .sort()
      .at(-1) ?? finished;
  return {
    apiVersion: 'runledger.dev/v1',
    kind: 'Outcome',
    job: record.job,
    run: record.run,
    ...decided(judgeRun(judgements)),
    trigger: record.trigger,
    source: { revision: record.revision, path: record.path, digest: record.digest },
    times: times(record.queued, begun, ended),
    ...(Object.keys(vars).length === 0 ? {} : { vars }),
    ...(annotations.length === 0 ? {} : { annotations }),
    ...(warnings.length === 0 ? {} : { warnings }),
    ...(log ? { log } : {}),
    ...(artifacts.length === 0 ? {} : { artifacts }),
    tasks: tasks.map(({ outcome }) => outcome),
    ...(Object.keys(record.params).length === 0 ? {} : { params: record.params }),
    chain: record.chain,
    ...(record.requestedBy === undefined ? {} : { requestedBy: record.requestedBy }),
    ...(record.rerunOf === undefined ? {} : { rerunOf: record.rerunOf }),
    by,
  };
}

/** The logs that the outcome of these attempts refers to, by their path on the ledger. */
export function logsOf(
  record: RunRecord,
  attempts: readonly AttemptState[],
  logPath: LogPath,
): ReadonlyMap<string, Uint8Array> {
  const logs = attempts.flatMap((attempt): [string, Uint8Array][] =>
    attempt.output === null || attempt.started === null ? [] : [[pathOf(record, attempt, logPath), attempt.output.log]],
  );
  return new Map(logs);
}
