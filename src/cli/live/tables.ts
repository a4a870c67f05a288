import { duration } from '../../ledger/text.ts';
import type { WatchEvent } from '../../schemas/index.ts';
import { ago, type Cell, type Column, fit, type Paint, RESULT_LOOK, table } from '../terminal.ts';
import type { EndedRun, GoingRun, GoingTask, Picture, SetPicture } from './picture.ts';

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

const SET_COLUMNS: readonly WideColumn[] = [
  { title: 'SET', shrinkTo: 12 },
  { title: 'IDLE' },
  { title: 'BUSY' },
  { title: 'STARTING' },
  { title: 'MIN', from: 50 },
  { title: 'MAX', from: 50 },
  { title: 'READY', shrinkTo: 8, from: 60 },
];

/** The numbers of now where they can be had, else those of the moment that the ledger tells of. */
function setRow({ set, status, now }: SetPicture, at: string): readonly Cell[] {
  const { idle, busy, starting } = now ?? status ?? { idle: 0, busy: 0, starting: 0 };
  const ready = status?.conditions.find(({ type }) => type === 'Ready');
  const isReady = ready?.status !== 'False';
  const asOf = now || !status ? '' : ` (${ago(status.at, new Date(at))})`;
  return [
    { text: set },
    { text: String(idle) },
    { text: String(busy) },
    { text: String(starting) },
    { text: status ? String(Math.max(status.minRunners, status.scheduledMin)) : '' },
    { text: status ? String(status.maxRunners) : '' },
    isReady
      ? { text: `${ready ? '✓ yes' : ''}${asOf}`, style: 'green' }
      : { text: `✗ ${ready.reason}: ${ready.message}${asOf}`, style: 'red' },
  ];
}

/** `top`: every task that goes on, the queue, and the runner sets. Pure. */
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
  const sets = picture.sets.map((set) => setRow(set, picture.at));
  // Each table has a line of titles, an empty line before it, and one for what is left out.
  const rows = height === undefined ? Number.POSITIVE_INFINITY : Math.max(0, height - 7 - (sets.length > 0 ? 3 : 0));
  const forSets = Math.min(sets.length, Math.max(Math.floor(rows / 3), rows - tasks.length - queue.length));
  const lines = rows - forSets;
  const forQueue = Math.min(queue.length, Math.max(Math.floor(lines / 3), lines - tasks.length));
  const forTasks = Math.min(tasks.length, lines - forQueue);
  const shown = (columns: readonly WideColumn[], rows: readonly (readonly Cell[])[], most: number): string =>
    rows.length === 0 ? '' : `\n${fitting(columns, cut(rows, most), room)}${leftOut(rows.length - most, room)}`;
  const tables = [
    shown(TASK_COLUMNS, tasks, forTasks),
    shown(QUEUE_COLUMNS, queue, forQueue),
    shown(SET_COLUMNS, sets, forSets),
  ];
  return `${paint('bold', fit(head, width))}\n${tables.join('')}`;
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
