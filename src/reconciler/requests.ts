import { isCoded, messageOf } from '../errors.ts';
import { tasksOf } from '../job/fan-out.ts';
import type { Catalog, DesiredJob } from '../job/model.ts';
import { formatProblem } from '../job/problems.ts';
import { stillTaken } from '../job/rules-parameters.ts';
import { didYouMean, listOf, quote } from '../job/words.ts';
import type { FoundRequest, LedgerChange, LedgerView, RequestAnswer } from '../ledger/port.ts';
import type { LiveRun } from '../runner/port.ts';
import type { Outcome, Request } from '../schemas/index.ts';
import type { CancelRequest, RunRequest } from './plan.ts';

/** What the requests on the ledger come to. */
export interface Requested {
  readonly reruns: readonly RunRequest[];
  /** Runs that have not been told to end yet. */
  readonly cancels: readonly CancelRequest[];
  /**
   * To be given once the cancels are durable. A rerun is answered with the outcome of its run: until that is recorded its file
   * says that it is asked for, and the trigger of the run, live or recorded, that it has been taken up.
   */
  readonly answers: readonly RequestAnswer[];
}

/** What is known of a run that a request names. */
export interface NamedRun {
  readonly params: Readonly<Record<string, string>>;
}

export interface RequestInput {
  readonly requests: LedgerView['requests'];
  readonly catalog: Catalog;
  readonly view: Pick<LedgerView, 'statuses'>;
  readonly live: readonly LiveRun[];
  /** By `job/run`; a run that is not there has left the ledger, or never was. */
  readonly named: ReadonlyMap<string, NamedRun>;
  /** What the runner can't do of a job. */
  readonly refuses: (job: DesiredJob) => readonly string[];
  /** Throws CodedError (usage) for a parameter that is not allowed. */
  readonly params: (job: DesiredJob, given: Readonly<Record<string, string>>) => unknown;
}

const NOTHING: Requested = { reruns: [], cancels: [], answers: [] };

/** One verdict on one request. */
type Verdict =
  | { readonly kind: 'rerun'; readonly request: RunRequest }
  | { readonly kind: 'cancel'; readonly cancels: readonly CancelRequest[]; readonly message: string }
  | { readonly kind: 'answer'; readonly verdict: RequestAnswer['verdict']; readonly message: string };

const refused = (message: string): Verdict => ({ kind: 'answer', verdict: 'refused', message });

/** Judges every request on the ledger, the oldest first. Pure: what it needs of the runs that are named has been read before. */
export function judgeRequests(input: RequestInput): Requested {
  const { requests } = input;
  if (requests.size === 0) return NOTHING;
  const reruns: RunRequest[] = [];
  const cancels: CancelRequest[] = [];
  const answers: RequestAnswer[] = [];
  for (const found of requests.values()) {
    const verdict = judge(found, input);
    if (verdict.kind === 'rerun') {
      reruns.push(verdict.request);
      continue;
    }
    if (verdict.kind === 'cancel') cancels.push(...verdict.cancels);
    const how = verdict.kind === 'cancel' ? 'accepted' : verdict.verdict;
    answers.push(answerTo(found, how, verdict.message));
  }
  return { reruns, cancels, answers };
}

function answerTo(found: FoundRequest, verdict: RequestAnswer['verdict'], message: string): RequestAnswer {
  const { id, path, version } = found;
  return { id, path, version, verdict, message };
}

function judge(found: FoundRequest, input: RequestInput): Verdict {
  const { id, request } = found;
  if (!request) return refused(found.problem);
  return request.action === 'cancel' ? judgeCancel(request, input) : judgeRerun(id, request, input);
}

function judgeRerun(id: string, request: Request, input: RequestInput): Verdict {
  const { job: name, requestedBy, run, tasks } = request;
  const isOfThis = ({ kind, id: other }: { readonly kind: string; readonly id?: string }): boolean =>
    kind === 'request' && other === id;
  const recorded = input.view.statuses.get(name)?.lastRuns.find(({ trigger }) => isOfThis(trigger));
  if (recorded) return { kind: 'answer', verdict: 'executed', message: `${name}/${recorded.run}: ${recorded.result}` };
  const params = paramsOf(request, input);
  const wish: RunRequest = {
    job: name,
    id,
    args: [],
    requestedBy,
    params: params ?? {},
    ...(run === undefined ? {} : { rerunOf: run }),
    ...(tasks === undefined ? {} : { tasks }),
  };
  // Taken up already: whatever the job says by now, it is answered with its outcome.
  if (input.live.some(({ record }) => isOfThis(record.trigger))) return { kind: 'rerun', request: wish };
  const job = input.catalog.jobs.get(name);
  if (!job) return refused(absent(name, input));
  if (params === undefined) return refused(unknownRun(name, run ?? 0, input));
  const trouble = troubleOf(job, wish, input);
  return trouble === undefined ? { kind: 'rerun', request: wish } : refused(trouble);
}

/** The values that a rerun is given: those of the run that it names, as far as the job still takes them, and over them its own. */
function paramsOf(request: Request, { catalog, named }: RequestInput): Readonly<Record<string, string>> | undefined {
  const { job, run, params = {} } = request;
  if (run === undefined) return params;
  const of = named.get(`${job}/${run}`);
  const spec = catalog.jobs.get(job)?.manifest.spec;
  if (!of || !spec) return of && params;
  return { ...stillTaken(spec, of.params), ...params };
}

/** Why a job can't be run as it is asked for. */
function troubleOf(job: DesiredJob, { params, tasks }: RunRequest, input: RequestInput): string | undefined {
  const cannot = input.refuses(job);
  if (cannot.length > 0) return `this runner can't do ${cannot.join(', ')}`;
  const names = tasks === undefined ? [] : tasksOf(job.manifest.spec).map(({ name }) => name);
  const unknown = tasks?.find((task) => !names.includes(task));
  if (unknown !== undefined) {
    const meant = didYouMean(unknown, names) || `; it has ${listOf(names, 'and')}`;
    return `the job has no task ${quote(unknown)}${meant}`;
  }
  try {
    input.params(job, params);
    return undefined;
  } catch (error) {
    if (!isCoded(error)) throw error;
    return messageOf(error);
  }
}

/** Why there is nothing to run. */
function absent(name: string, { catalog, view }: RequestInput): string {
  const path = view.statuses.get(name)?.source.path;
  const problems =
    catalog.invalidJobs.get(name)?.problems ?? (path === undefined ? undefined : catalog.brokenFiles.get(path));
  if (problems) return `its manifest is invalid: ${problems[0] ? formatProblem(problems[0]) : path}`;
  return `there is no job ${quote(name)}${didYouMean(name, catalog.jobs.keys())}`;
}

function unknownRun(job: string, run: number, { view }: RequestInput): string {
  const next = view.statuses.get(job)?.nextRun ?? 1;
  return run < next
    ? `run ${run} has left the ledger: its parameters are not known; leave the run out, and give them`
    : `${job} has no run ${run}`;
}

function judgeCancel({ job, run, requestedBy }: Request, input: RequestInput): Verdict {
  const ofJob = input.live.filter(({ record, parked }) => record.job === job && parked === undefined);
  const meant = ofJob.filter(({ record }) => run === undefined || record.run === run);
  if (meant.length === 0) return refused(nothingToCancel(job, run, input));
  const open = meant.filter(({ cancelled }) => cancelled === undefined);
  const numbers = meant.map(({ record }) => String(record.run));
  const runs = `${numbers.length === 1 ? 'run' : 'runs'} ${listOf(numbers, 'and')}`;
  const are = numbers.length === 1 ? 'is' : 'are';
  return {
    kind: 'cancel',
    cancels: open.map(({ record }) => ({ job, run: record.run, requestedBy })),
    message: open.length === 0 ? `${runs} ${are} being cancelled already` : `${runs} ${are} cancelled`,
  };
}

function nothingToCancel(job: string, run: number | undefined, input: RequestInput): string {
  const status = input.view.statuses.get(job);
  if (!status && !input.catalog.jobs.has(job) && !input.catalog.invalidJobs.has(job)) return absent(job, input);
  if (run === undefined) return `no run of ${job} is queued or running`;
  const ended = status?.lastRuns.find((known) => known.run === run);
  if (ended) return `run ${run} has ended: ${ended.result}`;
  return run < (status?.nextRun ?? 1) ? `run ${run} has ended` : `${job} has no run ${run}`;
}

/** The answer to the request that a run comes from, which goes with its outcome; nothing for other runs. */
export function answerOf({ trigger, job, run, result }: Outcome): Pick<LedgerChange, 'answered'> {
  if (trigger.kind !== 'request') return {};
  const { id } = trigger;
  return { answered: [{ id, path: `requests/${id}.yaml`, verdict: 'executed', message: `${job}/${run}: ${result}` }] };
}

/** The runs that rerun requests name: of live ones from their claims, of others from their outcomes. */
export async function namedRuns(
  requests: LedgerView['requests'],
  { view, live }: { readonly view: Pick<LedgerView, 'outcome'>; readonly live: readonly LiveRun[] },
): Promise<ReadonlyMap<string, NamedRun>> {
  const named = new Map<string, NamedRun>();
  for (const { request } of requests.values()) {
    if (request?.action !== 'rerun' || request.run === undefined) continue;
    const { job, run } = request;
    const claimed = live.find(({ record }) => record.job === job && record.run === run);
    // An outcome that can't be read is none: it keeps nothing else from going on.
    const known = claimed?.record ?? (await view.outcome(job, run).catch(() => undefined));
    if (known) named.set(`${job}/${run}`, { params: known.params ?? {} });
  }
  return named;
}
