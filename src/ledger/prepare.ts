import { terminalError } from '../errors.ts';
import { newBlob } from '../git/objects.ts';
import type { NewObject } from '../git/port.ts';
import type { InvalidManifests, Request } from '../schemas/index.ts';
import { encode, encodeSpec } from './format.ts';
import { INVALID_PATH, isLogOf, jobFolder, outcomePath, requestPath } from './layout.ts';
import { prepareRunnerSets, type StagedSets } from './runner-sets.ts';
import type { FinishedRun, JobFacts, LedgerChange, RequestAnswer } from './port.ts';

/** A change with everything that stays the same however often it is re-applied: checked, encoded and hashed once. */
export interface PreparedChange {
  readonly facts: readonly PreparedFacts[];
  readonly invalid?: { readonly items: InvalidManifests['items']; readonly blob: NewObject | null };
  readonly asked: readonly PreparedRequest[];
  readonly answered: readonly RequestAnswer[];
  readonly runnerSets: StagedSets;
}

export interface PreparedRequest {
  readonly id: string;
  readonly path: string;
  readonly request: Request;
  readonly blob: NewObject;
}

export interface PreparedFacts {
  readonly facts: JobFacts;
  readonly spec?: NewObject;
  readonly finished?: {
    readonly run: FinishedRun;
    readonly outcome: NewObject;
    readonly logs: ReadonlyMap<string, NewObject>;
  };
}

/**
 * Throws `LedgerDocumentInvalid`, `BadJobName`, `BadRequestId`, `LedgerFactsMixed` or `LedgerLogMisplaced` (terminal) for a
 * change that must not get into a ledger.
 */
export function prepareChange(change: LedgerChange): PreparedChange {
  const asked = (change.asked ?? []).map(({ id, request }): PreparedRequest => {
    const path = requestPath(id);
    return { id, path, request, blob: newBlob(encode('request', request, path)) };
  });
  const runnerSets = prepareRunnerSets(change);
  const prepared = { facts: change.facts.map(prepareFacts), asked, answered: change.answered ?? [], runnerSets };
  if (change.invalid === undefined) return prepared;
  const items = [...change.invalid];
  const document = { apiVersion: 'runledger.dev/v1', kind: 'InvalidManifests', items } as const;
  const blob = items.length === 0 ? null : newBlob(encode('invalid', document, INVALID_PATH));
  return { ...prepared, invalid: { items, blob } };
}

function prepareFacts(facts: JobFacts): PreparedFacts {
  jobFolder(facts.job);
  const { commit, finished } = facts;
  if (finished && finished.outcome.job !== facts.job) {
    throw terminalError(
      'LedgerFactsMixed',
      `ledger: facts on ${facts.job} hold an outcome of ${finished.outcome.job}`,
      {
        hint: 'this is a fault of runledger, please report it',
      },
    );
  }
  return {
    facts,
    ...(commit ? { spec: newBlob(encodeSpec(commit.spec)) } : {}),
    ...(finished ? { finished: prepareRun(finished) } : {}),
  };
}

function prepareRun(run: FinishedRun): NonNullable<PreparedFacts['finished']> {
  const { outcome } = run;
  const logs = new Map<string, NewObject>();
  for (const [path, bytes] of run.logs) {
    if (!isLogOf(path, outcome.job, outcome.run)) {
      throw terminalError(
        'LedgerLogMisplaced',
        `ledger: ${path} is no place for a log of ${outcome.job} #${outcome.run}`,
        {
          hint: `logs belong beside ${outcomePath(outcome.job, outcome.run)}; this is a fault of runledger, please report it`,
        },
      );
    }
    logs.set(path.slice(path.lastIndexOf('/') + 1), newBlob(bytes));
  }
  return { run, outcome: newBlob(encode('outcome', outcome, outcomePath(outcome.job, outcome.run))), logs };
}
