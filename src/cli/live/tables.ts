import { duration } from '../../ledger/text.ts';
import type { WatchEvent } from '../../schemas/index.ts';
import { ago, type Cell, type Column, fit, type Paint, RESULT_LOOK, table } from '../terminal.ts';
import type { EndedRun, GoingRun, GoingTask, Picture } from './picture.ts';

/** Where a table has to fit. */
export interface Room {
  readonly width: number;
  /** Lines; absent: as many as it takes. */
  readonly height?: number;
  readonly paint: Paint;
}

const byTime = (one: string, other: string): number => Date.parse(one) - Date.parse(other);
const since = (then: string | null, now: string): string =>
  then === null ? '' : duration(Math.max(0, Date.parse(now) - Date.parse(then)));

/** The tasks of a run, each by its newest attempt. */
function newestAttempts({ tasks }: GoingRun): readonly GoingTask[] {
  const newest = new Map<string, GoingTask>();
  for (const task of tasks) if ((newest.get(task.task)?.attempt ?? 0) < task.attempt) newest.set(task.task, task);
  return [...newest.values()];
}

const isQueued = ({ tasks }: GoingRun): boolean => tasks.length === 0;
const startOf = (run: GoingRun): string | null =>
  newestAttempts(run)
    .flatMap(({ started }) => started ?? [])
    .toSorted()[0] ?? null;

function phaseOf(run: GoingRun): string {
  if (run.isCancelled) return 'cancelling';
  if (isQueued(run)) return 'queued';
  const tasks = newestAttempts(run);
  if (tasks.every(({ phase }) => phase === 'ended')) return 'recording';
  return tasks.some(({ phase }) => phase === 'running') ? 'running' : 'starting';
}

/** A column that is left out where the terminal has fewer columns than this. */
interface WideColumn extends Column {
  readonly from?: number;
}

/** A table without the columns for which there is no room. */
function fitting(
  columns: readonly WideColumn[],
  rows: readonly (readonly Cell[])[],
  { width, paint }: Pick<Room, 'width' | 'paint'>,
): string {
  const isShown = (index: number): boolean => (columns[index]?.from ?? 0) <= width;
  const shown = <T>(cells: readonly T[]): readonly T[] => cells.filter((_, index) => isShown(index));
  return table(shown(columns), rows.map(shown), width, paint);
}

const RUN_COLUMNS: readonly WideColumn[] = [
  { title: 'JOB', shrinkTo: 12 },
  { title: 'RUN' },
  { title: 'STATE' },
  { title: 'TIME' },
  { title: 'TRIGGER', from: 80 },
  { title: 'MORE', shrinkTo: 6, from: 60 },
];

function goingRow(run: GoingRun, { waits, at }: Picture): readonly Cell[] {
  const tasks = newestAttempts(run);
  const ended = tasks.filter(({ phase }) => phase === 'ended').length;
  const [only] = tasks;
  const more = isQueued(run)
    ? (waits.get(run.job) ?? '')
    : tasks.length > 1
      ? `${ended} of ${tasks.length} tasks ended`
      : (only?.node ?? '');
  return [
    { text: run.job },
    { text: `#${run.run}` },
    { text: phaseOf(run), style: isQueued(run) ? 'gray' : 'cyan' },
    { text: since(isQueued(run) ? run.queued : (startOf(run) ?? run.queued), at) },
    { text: run.trigger.kind },
    { text: more },
  ];
}

function endedRow(run: EndedRun, { at }: Picture): readonly Cell[] {
  const { mark, style } = RESULT_LOOK[run.result];
  const why = run.exitCode === null ? run.reason : `${run.reason} (exit code ${run.exitCode})`;
  return [
    { text: run.job },
    { text: `#${run.run}` },
    { text: `${mark} ${run.result}`, style },
    { text: run.started === undefined ? '' : since(run.started, run.finished) },
    { text: run.trigger.kind },
    { text: `${ago(run.finished, new Date(at))}, ${why}` },
  ];
}

const cut = (rows: readonly (readonly Cell[])[], most: number): readonly (readonly Cell[])[] =>
  rows.length <= most ? rows : rows.slice(0, Math.max(0, most));

const count = (number: number, one: string, many = `${one}s`): string => `${number} ${number === 1 ? one : many}`;

/** What was cut off a table for want of lines. */
const leftOut = (left: number, { width, paint }: Room): string =>
  left > 0 ? `${paint('gray', fit(`and ${count(left, 'more line')}`, width))}\n` : '';

/** `watch`: what goes on, the queue after it, and what ended last. Pure. */
export function watchText(picture: Picture, room: Room): string {
  const going = [...picture.going.values()].sort((a, b) => byTime(a.queued, b.queued));
  const ended = [...picture.ended.values()].sort((a, b) => byTime(b.finished, a.finished));
  const rows = [
    ...going.filter((run) => !isQueued(run)).map((run) => goingRow(run, picture)),
    ...going.filter(isQueued).map((run) => goingRow(run, picture)),
    ...ended.map((run) => endedRow(run, picture)),
  ];
  if (rows.length === 0) return 'nothing runs, and nothing ran yet\n';
  const most = room.height === undefined ? rows.length : room.height - 2;
  return fitting(RUN_COLUMNS, cut(rows, most), room) + leftOut(rows.length - most, room);
}

const TASK_COLUMNS: readonly WideColumn[] = [
  { title: 'JOB', shrinkTo: 12 },
  { title: 'RUN' },
  { title: 'TASK', shrinkTo: 6 },
  { title: 'TRY', from: 60 },
  { title: 'STATE' },
  { title: 'TIME', from: 44 },
  { title: 'NODE', shrinkTo: 4, from: 70 },
];
const QUEUE_COLUMNS: readonly WideColumn[] = [
  { title: 'QUEUED', shrinkTo: 12 },
  { title: 'RUN' },
  { title: 'FOR' },
  { title: 'TRIGGER', from: 70 },
  { title: 'WAITS', shrinkTo: 8, from: 50 },
];

function taskRow(run: GoingRun, task: GoingTask, at: string): readonly Cell[] {
  return [
    { text: run.job },
    { text: `#${run.run}` },
    { text: task.task },
    { text: String(task.attempt) },
    { text: task.phase, style: task.phase === 'running' ? 'cyan' : 'gray' },
    { text: since(task.started ?? run.queued, task.finished ?? at) },
    { text: task.node ?? '' },
  ];
}

/** `top`: every task that goes on, and the queue. Pure. */
export function topText(picture: Picture, room: Room): string {
  const { width, height, paint } = room;
  const going = [...picture.going.values()].sort((a, b) => byTime(a.queued, b.queued));
  const tasks = going.flatMap((run) =>
    newestAttempts(run)
      .filter(({ phase }) => phase !== 'ended')
      .map((task) => taskRow(run, task, picture.at)),
  );
  const queue = going
    .filter(isQueued)
    .map((run): readonly Cell[] => [
      { text: run.job },
      { text: `#${run.run}` },
      { text: since(run.queued, picture.at) },
      { text: run.trigger.kind },
      { text: picture.waits.get(run.job) ?? '' },
    ]);
  const active = going.length - queue.length;
  const hour = [...picture.ended.values()].filter(
    ({ finished }) => Date.parse(picture.at) - Date.parse(finished) < 3_600_000,
  ).length;
  const head = `${count(active, 'run')} active, ${count(tasks.length, 'task')}, ${queue.length} queued, ${hour} ended within an hour`;
  // Both tables have a line of titles, an empty line before them, and one for what is left out.
  const lines = height === undefined ? Number.POSITIVE_INFINITY : Math.max(0, height - 7);
  const forQueue = Math.min(queue.length, Math.max(Math.floor(lines / 3), lines - tasks.length));
  const forTasks = Math.min(tasks.length, lines - forQueue);
  const shown = (columns: readonly WideColumn[], rows: readonly (readonly Cell[])[], most: number): string =>
    rows.length === 0 ? '' : `\n${fitting(columns, cut(rows, most), room)}${leftOut(rows.length - most, room)}`;
  return `${paint('bold', fit(head, width))}\n${shown(TASK_COLUMNS, tasks, forTasks)}${shown(QUEUE_COLUMNS, queue, forQueue)}`;
}

/** A line for one event, for where there is no terminal. */
export function eventLine({
  at,
  type,
  job,
  run,
  task,
  attempt,
  pod,
  result,
  reason,
  exitCode,
  trigger,
}: WatchEvent): string {
  const of = task === undefined || task === 'default' ? '' : ` task ${task}`;
  const which = attempt === undefined || attempt === 1 ? '' : ` attempt ${attempt}`;
  const code = exitCode === undefined || exitCode === null ? '' : ` (exit code ${exitCode})`;
  const told = {
    queued: `queued (${trigger.kind})`,
    started: `started${of}${which}${pod === undefined ? '' : ` as ${pod}`}`,
    ended: `ended${of}${which}`,
    finished: `${result ?? ''}: ${reason ?? ''}${code}`,
  };
  return `${at} ${job} #${run} ${told[type]}`;
}
