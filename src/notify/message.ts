import type { Notification, Outcome, Result } from '../schemas/index.ts';
import { fill, fillAll, outcomeValues } from './templates.ts';

/** What there is to say of a run whose outcome is in the ledger. */
export interface Message {
  /** The name of the source. */
  readonly source: string;
  readonly outcome: Outcome;
  readonly previous: Result | null;
  /** The page of the outcome. */
  readonly url: string | undefined;
}

/** Results that say nothing of the job: after them it is what it was before. */
const PASSING: ReadonlySet<Result> = new Set(['skipped', 'cancelled']);
const GOOD: ReadonlySet<Result> = new Set(['succeeded', 'warning']);

/** Whether the run changed how the job is doing. */
export function isChange({
  outcome: { result },
  previous,
}: Pick<Message, 'previous'> & { outcome: { result: Result } }): boolean {
  if (PASSING.has(result)) return false;
  return previous === null ? !GOOD.has(result) : result !== previous;
}

/** Whether somebody wants to hear of it. */
export function isWanted({ on = ['changed'], sources }: Notification, message: Message): boolean {
  if (sources !== undefined && !sources.includes(message.source)) return false;
  return on.some((event) => (event === 'changed' ? isChange(message) : event === message.outcome.result));
}

const DEFAULT_TEXT =
  '${{ outcome.result == "succeeded" ? ":white_check_mark:" : outcome.result in ["warning", "skipped", "cancelled"] ? ":warning:" : ":x:" }}' +
  ' *${{ job.name }}* #${{ run.number }} of ${{ source }} ${{ outcome.result }} in ${{ outcome.duration }}' +
  '${{ outcome.previous == "" || outcome.previous == outcome.result ? "" : " (was " + outcome.previous + ")" }}' +
  '${{ outcome.reason == "Completed" || outcome.message == "" ? "" : ": " + outcome.message }}';

/** What may begin a mention or a link of Slack: https://api.slack.com/reference/surfaces/formatting#escaping */
const escapeSlack = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** The JSON that is sent. Throws `ExpressionFailed` (terminal). Pure. */
export function payloadOf({ format, text, body }: Notification, message: Message): unknown {
  const values = outcomeValues(message);
  if (format === 'slack') {
    const link = text === undefined && message.url !== undefined ? `\n<${message.url}|outcome>` : '';
    return { text: `${fill(text ?? DEFAULT_TEXT, values, 'notifications.text', escapeSlack)}${link}` };
  }
  if (body !== undefined) return fillAll(body, values, 'notifications.body');
  const { tasks, ...outcome } = message.outcome;
  void tasks; // a run may have hundreds
  return { source: message.source, previous: message.previous, url: message.url ?? null, outcome };
}
