/* A clock by brute force, which shares nothing with the code: it looks at every minute through Intl, and compares fields. */

export interface Fields {
  readonly minute: readonly number[] | '*';
  readonly hour: readonly number[] | '*';
  readonly day: readonly number[] | '*';
  readonly month: readonly number[] | '*';
  readonly weekday: readonly number[] | '*';
}

export const cronOf = ({ minute, hour, day, month, weekday }: Fields): string =>
  [minute, hour, day, month, weekday].map(String).join(' ');

export function fieldsOf(cron: string): Fields {
  const [minute = '*', hour = '*', day = '*', month = '*', weekday = '*'] = cron
    .split(' ')
    .map((field) => (field === '*' ? ('*' as const) : field.split(',').map(Number)));
  return { minute, hour, day, month, weekday };
}

export interface Minute {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** What the clock shows, counted in minutes as if it were UTC. */
  readonly wall: number;
}

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;

/** What a zone's clock shows at each step from one moment to another, both included. */
export function watch(timeZone: string, from: number, to: number, step = MINUTE): readonly Minute[] {
  const shown = wallClock(timeZone);
  const minutes: Minute[] = [];
  for (let at = from; at <= to; at += step) minutes.push({ at, wall: shown(at) });
  return minutes;
}

export function wallClock(timeZone: string): (at: number) => number {
  const format = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
  });
  return (at) => {
    const match = /^(\d\d)\/(\d\d)\/(\d{4}), (\d\d):(\d\d)$/.exec(format.format(at));
    if (!match) throw new Error(`cannot read the clock of ${timeZone}`);
    const [day = 0, month = 0, year = 0, hour = 0, minute = 0] = match.slice(1).map(Number);
    return Date.UTC(year, month - 1, day, hour, minute) / MINUTE;
  };
}

/** The instants among the watched minutes but the first: a time that was left out comes at the next minute that exists. */
export function instantsAmong(minutes: readonly Minute[], fields: Fields): readonly number[] {
  const step = ((minutes[1]?.at ?? 0) - (minutes[0]?.at ?? 0)) / MINUTE;
  const found: number[] = [];
  let latest = minutes[0]?.wall ?? 0;
  for (const { at, wall } of minutes.slice(1)) {
    let comes = wall <= latest && fields.hour === '*' && matches(wall, fields);
    for (let passed = latest + step; passed <= wall && !comes; passed += step) comes = matches(passed, fields);
    if (comes) found.push(at);
    latest = Math.max(latest, wall);
  }
  return found;
}

function matches(wall: number, { minute, hour, day, month, weekday }: Fields): boolean {
  const shown = new Date(wall * MINUTE);
  const has = (field: readonly number[] | '*', value: number): boolean => field === '*' || field.includes(value);
  if (!has(minute, shown.getUTCMinutes()) || !has(hour, shown.getUTCHours())) return false;
  if (!has(month, shown.getUTCMonth() + 1)) return false;
  const [onDay, onWeekday] = [has(day, shown.getUTCDate()), has(weekday, shown.getUTCDay())];
  return day !== '*' && weekday !== '*' ? onDay || onWeekday : onDay && onWeekday;
}

/** When the clock of a zone is set between two moments, to the minute. */
export function settings(timeZone: string, from: number, to: number): readonly number[] {
  const shown = wallClock(timeZone);
  const offset = (at: number): number => shown(at) - at / MINUTE;
  const found: number[] = [];
  for (let at = from; at < to; at += 12 * HOUR) {
    if (offset(at) === offset(at + 12 * HOUR)) continue;
    let minute = at;
    while (offset(minute) === offset(at)) minute += MINUTE;
    found.push(minute);
  }
  return found;
}
