import type { NewObject } from '../git/port.ts';
import type { Request } from '../schemas/index.ts';
import { requestIdOf, REQUESTS_FOLDER } from './layout.ts';
import type { RequestNote } from './message.ts';
import type { FoundRequest } from './port.ts';
import type { PreparedChange } from './prepare.ts';
import type { LedgerFiles } from './view.ts';

/** What a commit in the making does to the files below `requests/`, by path; null: the file goes. */
export type StagedRequests = ReadonlyMap<string, { readonly blob: NewObject | null; readonly note: RequestNote }>;

type Requests = ReadonlyMap<string, FoundRequest>;

/** What was asked for, for people: `rerun of nightly-report`, `cancel of nightly-report run 13`. */
function requestTitle({ action, job, run }: Pick<Request, 'action' | 'job' | 'run'>): string {
  const of = `${action} of ${job}`;
  if (run === undefined) return of;
  return action === 'rerun' ? `${of} as in run ${run}` : `${of} run ${run}`;
}

/**
 * The requests in a tree, the oldest first; one that is no request has its problem in the place of it. Files whose name begins
 * with a dot are passed over. What is the same as in `previous` is not read again.
 */
export async function readRequests(
  { branch, readTree }: LedgerFiles,
  tree: string | null,
  previous: Requests | undefined,
): Promise<Requests> {
  const found: FoundRequest[] = [];
  for (const { name, id: version, mode } of tree === null ? [] : await readTree(tree)) {
    if (name.startsWith('.')) continue;
    const path = `${REQUESTS_FOLDER}/${name}`;
    const known = previous?.get(path);
    if (known?.version === version) {
      found.push(known);
      continue;
    }
    const id = requestIdOf(name);
    const isFile = mode === '100644' || mode === '100755';
    if (id === null || !isFile) {
      const problem = isFile
        ? `${path}: is not the name of a request; write ${REQUESTS_FOLDER}/<id>.yaml with letters, digits, dots, hyphens and underscores`
        : `${path}: is not a file`;
      found.push({ id: id ?? name, path, version, problem });
      continue;
    }
    // Loaded here: nearly always there is no request, and then nothing needs to judge one.
    const { judgeRequestFile } = await import('./request-file.ts');
    found.push({ id, path, version, ...judgeRequestFile(path, await branch.readBlob(version)) });
  }
  return new Map(found.sort(byAge).map((request) => [request.path, request]));
}

/** What could not be read goes first: it is answered at once. */
const byAge = (a: FoundRequest, b: FoundRequest): number => ageOf(a) - ageOf(b) || (a.path < b.path ? -1 : 1);
const ageOf = ({ request }: FoundRequest): number => (request ? Date.parse(request.at) : 0);

/** The requests of a stage with those of one more change. An answer to a file that is not there, or is another one by now, is none. */
export function stageRequests(
  found: Requests,
  staged: StagedRequests,
  { asked, answered }: Pick<PreparedChange, 'asked' | 'answered'>,
): StagedRequests {
  const all = new Map(staged);
  for (const { id, path, request, blob } of asked)
    if (found.get(path)?.version !== blob.id)
      all.set(path, { blob, note: { id, what: requestTitle(request), answer: null } });
  for (const { id, path, version, verdict, message } of answered) {
    const there = found.get(path);
    if (there === undefined || (version !== undefined && version !== there.version)) continue;
    const what = there.request ? requestTitle(there.request) : `request ${id}`;
    all.set(path, { blob: null, note: { id, what, answer: { verdict, message } } });
  }
  return all;
}
