import { Cron } from 'croner';
import { validateDetailed } from 'node-cron';
import { didYouMean, quote } from './words.ts';

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
  const fields = expression.trim().split(/\s+/);
  const { valid, errors } = validateDetailed(fields.join(' '));
  const [first] = errors;
  const impossible = first?.message.includes('impossible') === true;
  if (!valid && first && first.field !== 'expression' && !impossible)
    return `${quote(expression)}: ${notAField(first.value, first.field)}`;
  try {
    // croner computes the instants, so it has to agree. Any moment does as a start: this is no question of now.
    const next = cronOf(fields).nextRun(new Date(0));
    // node-cron knows days that no month has (31 2) as well as values out of range.
    if (impossible) {
      const never = next ? ':' : ' never comes:';
      return `${quote(expression)}${never} no such month has a day ${first.value ?? ''}`;
    }
    if (!next) return `${quote(expression)} never comes`;
    if (valid) return undefined;
  } catch {
    const trouble = fieldTrouble(fields);
    if (trouble !== undefined) return `${quote(expression)}: ${trouble}`;
  }
  return `${quote(expression)} is not a cron expression; write five fields (none for seconds) such as "30 2 * * 1-5", or @daily`;
}

const cronOf = (fields: readonly string[]): Cron =>
  new Cron(fields.join(' '), { mode: '5-part', paused: true, utcOffset: 0 });

const notAField = (value: string | undefined, field: string): string =>
  `${quote(value ?? '')} is no ${FIELD_WORDS[field] ?? field}`;

/** Which field croner does not take: node-cron lets ranges run backwards and names be written out, croner does not. */
function fieldTrouble(fields: readonly string[]): string | undefined {
  for (const [index, name] of Object.keys(FIELD_WORDS).entries()) {
    const value = fields[index];
    try {
      cronOf(fields.map((field, other) => (other === index ? field : '*')));
    } catch (error) {
      const backwards = error instanceof Error && error.message.includes('larger than');
      return `${notAField(value, name)}${backwards ? '; a range goes upwards' : ''}`;
    }
  }
  return undefined;
}

/** Whether the name is one of the IANA time zone database, as far as this Node knows it. */
export function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

/** The time zone that was probably meant, as the end of a sentence: by its city alone, or one that is written much alike. */
export function timeZoneHint(name: string): string {
  const zones = Intl.supportedValuesOf('timeZone');
  const city = zones.find((zone) => zone.split('/').at(-1)?.toLowerCase() === name.toLowerCase());
  return city === undefined ? didYouMean(name, zones) : `; did you mean ${quote(city)}?`;
}
