import { Cron } from 'croner';
import { validateDetailed } from 'node-cron';
import { quote } from './words.ts';

const FIELD_WORDS: Readonly<Record<string, string>> = {
  minute: 'minute, 0 to 59',
  hour: 'hour, 0 to 23',
  dayOfMonth: 'day of the month, 1 to 31',
  month: 'month, 1 to 12 or JAN to DEC',
  dayOfWeek: 'day of the week, 0 to 7 or SUN to SAT',
};

const LONGEST_EXPRESSION = 200;

/** What is wrong with a cron expression of five fields or a short form, as a sentence; undefined when it has instants. */
export function cronTrouble(expression: string): string | undefined {
  if (expression.length > LONGEST_EXPRESSION) return `${quote(expression)} is too long for a cron expression`;
  const { valid, errors } = validateDetailed(expression);
  const [first] = errors;
  if (!valid && first && first.field !== 'expression') {
    // node-cron knows days that no month has (31 2) as well as values out of range.
    const impossible = first.message.includes('impossible');
    if (impossible) return `${quote(expression)} never comes: no such month has a day ${first.value ?? ''}`;
    return `${quote(expression)}: ${quote(first.value ?? '')} is no ${FIELD_WORDS[first.field] ?? first.field}`;
  }
  try {
    // croner computes the instants, so it has to agree. Any moment does as a start: this is no question of now.
    const next = new Cron(expression, { mode: '5-part', paused: true, timezone: 'UTC' }).nextRun(new Date(0));
    if (!next) return `${quote(expression)} never comes`;
    if (valid) return undefined;
  } catch {
    // said below
  }
  return `${quote(expression)} is not a cron expression; write five fields such as "30 2 * * 1-5", or @daily`;
}

/** Whether the name is one of the IANA time zone database, as far as this Node knows it. */
export function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

/** The time zone that was probably meant. */
export function timeZones(): readonly string[] {
  return Intl.supportedValuesOf('timeZone');
}
