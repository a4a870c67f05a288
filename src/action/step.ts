import { planOf } from '../cli/plan-text.ts';
import type { StopSignals } from '../cli/signals.ts';
import type { Io } from '../cli/terminal.ts';
import { openWorkshop, type Workshop } from '../cli/workshop.ts';
import { createCatalogBuilder } from '../job/catalog.ts';
import type { Catalog } from '../job/model.ts';
import { allProblems } from '../job/problems.ts';
import { aboutOf, notesOf } from '../pulls/about.ts';
import type { Report, Row } from '../pulls/report.ts';
import { rowOfOutcome, rowsOfPlan } from '../pulls/rows.ts';
import { selectFor } from '../pulls/selection.ts';
import type { Subject } from '../pulls/subject.ts';
import { verdictOf } from '../pulls/verdict.ts';
import type { Observation, ReconcilerEvent, SettleOptions } from '../reconciler/ports.ts';
import type { Outcome, Plan } from '../schemas/index.ts';
import type { Source } from '../sources/port.ts';
import type { ActionEvent } from './event.ts';
import { type ActionInputs, jobMatcher } from './inputs.ts';
import { ledgerBranchOf, type Setting } from './setting.ts';

/** What a step has found out and done. */
export interface StepResult {
  readonly report: Report;
  /** Absent where nothing was planned. */
  readonly plan?: Plan;
  readonly outcomes: readonly Outcome[];
}

export interface StepParts {
  readonly inputs: ActionInputs;
  readonly event: ActionEvent;
  readonly setting: Setting;
  /** The pull request that it is about. */
  readonly subject: Subject | undefined;
  readonly io: Io;
  readonly emit: (event: ReconcilerEvent) => void;
  readonly stop: StopSignals;
}

const catalogOf = async (source: Source, signal: AbortSignal): Promise<Catalog> =>
  createCatalogBuilder().build(await source.fetch(signal), { knownFiles: new Set() });

/** The command `validate`: all manifests that are checked out, and nothing else. */
export async function validate({ setting, event, stop }: StepParts): Promise<StepResult> {
  const catalog = await catalogOf(setting.here, stop.soft);
  const problems = allProblems(catalog);
  const findings = { problems: problems.length, refused: 0, failures: 0, outcomes: [], planned: 0 };
  const verdict = problems.length > 0 ? verdictOf(findings) : 'succeeded';
  const report = { verdict, rows: [], untouched: catalog.jobs.size, problems, failures: [], notes: [] };
  return { report: { ...report, ...pageOf(event) }, outcomes: [] };
}

const pageOf = ({ page }: ActionEvent): Pick<Report, 'page'> => (page === undefined ? {} : { page });

/** The commands `plan` and `run`. */
export async function reconcile(parts: StepParts): Promise<StepResult> {
  const { inputs, setting, subject, io, emit, stop } = parts;
  const isUnapproved = subject?.trust.kind === 'unapproved';
  const source = isUnapproved ? await setting.baseWithFiles(baseOf(subject, inputs)) : setting.here;
  // What nobody has approved writes nothing.
  const branch = isUnapproved ? null : ledgerBranchOf(inputs.outcomes, subject?.pullRequest.number);
  const repository = await setting.open(source, branch);
  const workshop = await openWorkshop(repository, runnerOptions(inputs), io, emit, stop.hard);
  try {
    const seen = await workshop.reconciler.observe(stop.soft);
    const catalog = isUnapproved ? await catalogOf(setting.here, stop.soft) : seen.catalog;
    return await planAndRun(parts, workshop, seen, catalog);
  } finally {
    await workshop.close(stop.hard.aborted);
  }
}

const baseOf = ({ pullRequest }: Subject, { baseRef }: ActionInputs): string => baseRef ?? pullRequest.base.ref;

const runnerOptions = ({ command, runner, kubeconfig, namespace, secrets, serve }: ActionInputs) => ({
  runner,
  dryRun: command === 'plan',
  ...(kubeconfig === undefined ? {} : { kubeconfig }),
  ...(namespace === undefined ? {} : { namespace }),
  ...(secrets === undefined ? {} : { secrets }),
  ...(serve === undefined ? {} : { serve }),
});

interface Order {
  readonly options: SettleOptions;
  readonly refused: readonly Row[];
}

function orderOf({ inputs, event, subject }: StepParts, { catalog }: Observation): Order {
  const isMeant = jobMatcher(inputs.jobs);
  const options: SettleOptions = { triggers: true, requests: [] };
  if (subject) {
    const { runner } = inputs;
    const { order, refused } = selectFor(subject, catalog, isMeant, { runner, isSandboxed: event.isSandboxed });
    return { options: { ...options, pullRequest: order }, refused };
  }
  if (inputs.jobs.length === 0) return { options, refused: [] };
  return { options: { ...options, jobs: new Set([...catalog.jobs.keys()].filter(isMeant)) }, refused: [] };
}

/** `catalog`: what is checked out, whose problems are told; of what runs, the observation tells. */
async function planAndRun(
  parts: StepParts,
  workshop: Workshop,
  seen: Observation,
  catalog: Catalog,
): Promise<StepResult> {
  const { inputs, event, subject, stop } = parts;
  const { options, refused } = orderOf(parts, seen);
  const actions = await workshop.reconciler.plan(seen, options);
  const plan = planOf(actions, seen, workshop);
  const done =
    inputs.command === 'run'
      ? await workshop.reconciler.settle(options, stop.soft, stop.hard)
      : { outcomes: [], failures: [] };
  const isNumbered = workshop.ledgerBranch !== null;
  const planned = rowsOfPlan(actions, isNumbered);
  const ended = done.outcomes.map(rowOfOutcome(isNumbered));
  const rows = inputs.command === 'run' ? [...ended, ...planned.filter(({ state }) => state === 'refused')] : planned;
  const problems = allProblems(catalog);
  const findings = {
    problems: problems.length,
    refused: inputs.command === 'run' ? refused.length + rows.filter(({ state }) => state === 'refused').length : 0,
    failures: done.failures.length,
    outcomes: done.outcomes,
    planned: planned.filter(({ state }) => state === 'run').length,
  };
  const report: Report = {
    verdict: verdictOf(findings),
    rows: [...rows, ...refused],
    untouched: actions.filter(({ action, job }) => action === 'none' && !refused.some((row) => row.job === job)).length,
    problems,
    failures: done.failures.map(({ message, hint }) => (hint === undefined ? message : `${message}; ${hint}`)),
    notes: [...plan.notes, ...notesOf(subject)],
    ...(subject ? { pullRequest: aboutOf(subject, baseOf(subject, inputs), seen.catalog, catalog) } : {}),
    ...pageOf(event),
  };
  return { report, plan, outcomes: done.outcomes };
}
