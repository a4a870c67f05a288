import { createDraft, type Draft, nonEmpty } from '../draft.ts';
import { jobName, noteRenamed } from '../names.ts';
import type { Fields, Reader } from '../reader.ts';
import { noteSecrets } from '../secrets.ts';
import type { Surroundings } from '../system.ts';
import { steps } from './commands.ts';
import { files } from './files.ts';
import { machine } from './machine.ts';
import { envOf } from './values.ts';

/**
 * A job request of the Semaphore agent, YAML or JSON: https://github.com/semaphoreci/agent (pkg/api/job_request.go). The agent
 * runs all commands in one bash session.
 */
export function convertSemaphore({ root }: Reader, { fileName }: Surroundings): readonly Draft[] {
  if (root === undefined) return [];
  const id = root.text('job_id');
  const isNumber = UUID.test(id ?? '');
  const draft = createDraft(jobName(isNumber ? undefined : id, fileName), []);
  if (isNumber) draft.todo(['metadata', 'name'], `the job was ${id}; choose a name`);
  else noteRenamed(draft, id);
  draft.spec['on'] = {};
  draft.todo(
    ['spec', 'on'],
    'jobs came from a pipeline; write what starts this one: commit, schedule, or {} for requests alone',
  );
  const keys: string[] = [];
  draft.spec['env'] = nonEmpty(envOf(root, draft, keys));
  machine(root, draft, keys);
  files(root, draft, keys);
  noteSecrets(draft, keys);
  steps(root, draft);
  leftOut(root, draft);
  return [draft];
}

/** What Semaphore calls its jobs. */
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/i;

/** What is between the agent and its server. Addresses and tokens are not said. */
function leftOut(root: Fields, draft: Draft): void {
  const callbacks = root.fields('callbacks');
  for (const key of ['finished', 'teardown_finished', 'token']) callbacks?.take(key);
  if (callbacks) draft.note([], 'left out: callbacks; outcomes are on the ledger, and nobody is called back');
  const logger = root.fields('logger');
  for (const key of ['url', 'token']) logger?.take(key);
  if (logger) {
    const [method, bytes] = [logger.text('method'), logger.integer('max_size_in_bytes')];
    const limit = bytes === undefined ? '' : ` of at most ${bytes} bytes (logs.maxRunBytes)`;
    draft.note([], `left out: logger (${method}); logs${limit} are on the ledger`);
  }
  if (root.take('ssh_public_keys') !== undefined)
    draft.note([], 'left out: ssh_public_keys; nobody logs in to a run, but kubectl exec does');
}
