import type { WatchEvent } from '../../schemas/index.ts';
import { idOf, type EndedRun, type GoingRun, type GoingTask, type Picture } from './picture.ts';

type Details = Partial<Pick<WatchEvent, 'task' | 'attempt' | 'pod' | 'node' | 'result' | 'reason' | 'exitCode'>>;

const eventOf = (
  type: WatchEvent['type'],
  at: string,
  { job, run, revision, trigger }: GoingRun | EndedRun,
  details: Details = {},
): WatchEvent => ({
  apiVersion: 'runledger.dev/v1',
  kind: 'WatchEvent',
  type,
  at,
  job,
  run,
  revision,
  trigger,
  ...details,
});

const isSame = (one: GoingTask, other: GoingTask): boolean => one.task === other.task && one.attempt === other.attempt;

function taskEvents(run: GoingRun, before: GoingRun | undefined, at: string): readonly WatchEvent[] {
  return run.tasks.flatMap((task): WatchEvent[] => {
    const was = before?.tasks.find((other) => isSame(task, other));
    const details = {
      task: task.task,
      attempt: task.attempt,
      ...(task.pod === undefined ? {} : { pod: task.pod }),
      ...(task.node === undefined ? {} : { node: task.node }),
    };
    const hasStarted = task.phase !== 'starting' && (was === undefined || was.phase === 'starting');
    const hasEnded = task.phase === 'ended' && was?.phase !== 'ended';
    return [
      ...(hasStarted ? [eventOf('started', task.started ?? at, run, details)] : []),
      ...(hasEnded ? [eventOf('ended', task.finished ?? at, run, details)] : []),
    ];
  });
}

const ORDER = ['queued', 'started', 'ended', 'finished'] as const;

/**
 * What has happened between two pictures, by time; before the first there is null, and what has ended by then is no news.
 * A run that came and went in between has its end alone. Pure.
 */
export function changesBetween(before: Picture | null, now: Picture): readonly WatchEvent[] {
  const begun = [...now.going.values()].flatMap((run): readonly WatchEvent[] =>
    taskEvents(run, before?.going.get(idOf(run)), now.at),
  );
  const queued = [...now.going.values()]
    .filter((run) => before?.going.has(idOf(run)) !== true)
    .map((run) => eventOf('queued', run.queued, run));
  const finished = [...now.ended.values()].flatMap((run): WatchEvent[] => {
    if (before === null || before.ended.has(idOf(run))) return [];
    const { result, reason, exitCode } = run;
    return [eventOf('finished', run.finished, run, { result, reason, exitCode })];
  });
  return [...queued, ...begun, ...finished].sort(
    (one, other) => Date.parse(one.at) - Date.parse(other.at) || ORDER.indexOf(one.type) - ORDER.indexOf(other.type),
  );
}
