import type { Repository } from '../support/git-server.ts';

/** The branch of the ledger. */
export const LEDGER = 'runledger/status';

/** What an outcome says, as far as it is judged here. */
export interface Recorded {
  readonly result: string;
  readonly exitCode: string;
}

const OUTCOME = /^jobs\/[0-9a-f]{2}\/([^/]+)\/(\d+)\.yaml$/;

const runOf = (file: string): string | undefined => {
  const [, job, run] = OUTCOME.exec(file) ?? [];
  return job === undefined ? undefined : `${job}/${run}`;
};

/** The runs that are in the ledger, as `job/number`. */
export async function recordedRuns(repository: Repository): Promise<ReadonlySet<string>> {
  const files = await repository.git('ls-tree', '-r', '--name-only', LEDGER).catch(() => '');
  return new Set(files.split('\n').flatMap((file) => runOf(file) ?? []));
}

/** What the ledger says of each run. */
export async function readOutcomes(repository: Repository): Promise<ReadonlyMap<string, Recorded>> {
  const found = new Map<string, { result: string; exitCode: string }>();
  const lines = await repository
    .git('grep', '--null', '-E', '^(result|exitCode):', LEDGER, '--', 'jobs')
    .catch(() => '');
  for (const line of lines.split('\n')) {
    const [file = '', text = ''] = line.split('\0');
    const run = runOf(file.slice(LEDGER.length + 1));
    const [field, value = ''] = text.split(': ');
    if (run === undefined || (field !== 'result' && field !== 'exitCode')) continue;
    const outcome = found.get(run) ?? { result: '', exitCode: '' };
    outcome[field] = value;
    found.set(run, outcome);
  }
  return found;
}

/** What is wrong with the history of a ledger: an outcome is added by one commit, and never changed or removed. */
export async function historyProblems(repository: Repository): Promise<readonly string[]> {
  await repository.git('fsck', '--strict');
  const added = new Set<string>();
  const problems: string[] = [];
  const changes = await repository.git('log', '--format=', '--name-status', '--no-renames', LEDGER, '--', 'jobs');
  for (const line of changes.split('\n')) {
    const [kind = '', file = ''] = line.split('\t');
    const run = runOf(file);
    if (run === undefined) continue;
    if (kind !== 'A') problems.push(`the ledger's history changes the outcome of ${run} (${kind})`);
    else if (added.has(run)) problems.push(`the ledger's history adds the outcome of ${run} twice`);
    added.add(run);
  }
  return problems;
}
