import { messageOf } from '../errors.ts';
import type { Forge } from '../forge/port.ts';
import { markerOf, reportText } from '../pulls/report.ts';
import { statusOf } from '../pulls/rows.ts';
import type { Subject } from '../pulls/subject.ts';
import type { Outcome } from '../schemas/index.ts';
import type { ActionInputs } from './inputs.ts';
import type { StepResult } from './step.ts';
import { outcomeAnnotations, problemAnnotation } from './telling.ts';
import { type Annotation, annotationLine, outputEntry } from './workflow.ts';

/** Where a step's results go. */
export interface Desk {
  /** A line of the step's log. */
  print(line: string): void;
  /** Adds to the file that a variable of the environment names; does nothing where it names none. */
  append(variable: 'GITHUB_OUTPUT' | 'GITHUB_STEP_SUMMARY', text: string): Promise<void>;
  /** A word that nobody can know. */
  secretWord(): string;
}

/** GitHub shows no more of a step; more would only hide what others say. */
const MOST_ANNOTATIONS = 50;
/** An output may have 1 MiB (https://docs.github.com/actions/reference/limits). */
const MOST_OUTPUT = 900_000;

/** Annotations in the log, the summary of the step, and its outputs. */
export async function tell({ report, plan, outcomes }: StepResult, desk: Desk): Promise<void> {
  const annotations: readonly Annotation[] = [
    ...report.problems.map(problemAnnotation),
    ...report.rows
      .filter(({ state }) => state === 'refused')
      .map(({ job, message }): Annotation => ({ level: 'warning', title: `${job} was refused`, message })),
    ...report.failures.map((message): Annotation => ({ level: 'error', title: 'runledger', message })),
    ...outcomes.flatMap(outcomeAnnotations),
  ];
  for (const annotation of annotations.slice(0, MOST_ANNOTATIONS)) desk.print(annotationLine(annotation));
  if (annotations.length > MOST_ANNOTATIONS)
    desk.print(`and ${annotations.length - MOST_ANNOTATIONS} more, all of them in the summary or in the outcomes`);
  await desk.append('GITHUB_STEP_SUMMARY', reportText(report));
  const runs = outcomes.map(({ job, run, result, reason }) => ({ job, run, result, reason }));
  const outputs = {
    result: report.verdict,
    plan: plan === undefined ? '' : JSON.stringify(plan),
    runs: JSON.stringify(runs),
    'outcome-json': outcomeJson(outcomes),
  };
  for (const [name, value] of Object.entries(outputs))
    await desk.append('GITHUB_OUTPUT', outputEntry(name, value.length > MOST_OUTPUT ? '' : value, desk.secretWord()));
}

/** All outcomes as a JSON list; where that is too long, without what each task and attempt came to. */
function outcomeJson(outcomes: readonly Outcome[]): string {
  const whole = JSON.stringify(outcomes);
  return whole.length <= MOST_OUTPUT ? whole : JSON.stringify(outcomes.map(({ tasks: _tasks, ...rest }) => rest));
}

/**
 * The comment, and statuses beside the head where they are wanted. A token that may not write them, as that of a fork's pull request,
 * fails no step: the summary says the same.
 */
export async function post(
  { report, outcomes }: StepResult,
  { pullRequest: { number }, head, isStale }: Subject,
  inputs: ActionInputs,
  forge: Forge,
  desk: Desk,
  signal: AbortSignal,
): Promise<void> {
  const attempt = async (what: string, right: string, work: () => Promise<unknown>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      const message = `${what}: ${messageOf(error)}; the token needs permissions: ${right}: write`;
      desk.print(annotationLine({ level: 'warning', title: 'runledger', message }));
    }
  };
  if (isStale) return;
  if (inputs.comment) {
    const marker = markerOf(inputs.path);
    const body = `${marker}\n${reportText(report)}`;
    await attempt('no comment could be written', 'pull-requests', () =>
      forge.upsertComment(number, marker, body, signal),
    );
  }
  if (!inputs.statuses) return;
  const ran = new Set(outcomes.map(({ job }) => job));
  await attempt('not all statuses could be set', 'statuses', async () => {
    for (const row of report.rows)
      if (ran.has(row.job) || row.state === 'refused')
        await forge.setStatus(statusOf(head, `runledger/${row.job}`, row, report.page), signal);
  });
}
