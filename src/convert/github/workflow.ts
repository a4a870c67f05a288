import { createDraft, defined, type Draft, nonEmpty } from '../draft.ts';
import { jobName, noteRenamed } from '../names.ts';
import type { Fields, Reader } from '../reader.ts';
import type { Surroundings } from '../system.ts';
import { conditionOf, envOf, textOf } from './expressions.ts';
import { convertStrategy } from './matrix.ts';
import { machineOf } from './machine.ts';
import type { Scope } from './scope.ts';
import { convertServices } from './services.ts';
import { convertSteps, minutesOf, type StepDefaults } from './steps.ts';
import { applyTriggers, readTriggers, type Triggers } from './triggers.ts';

/** What all jobs of a workflow have. */
interface Workflow {
  readonly fields: Fields;
  readonly title: string;
  readonly triggers: Triggers;
  readonly defaults: StepDefaults;
  readonly surroundings: Surroundings;
}

/** A workflow: https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax */
export function convertWorkflow({ root }: Reader, surroundings: Surroundings): readonly Draft[] {
  if (root === undefined) return [];
  const title = root.text('name') ?? surroundings.fileName;
  if (root.has('run-name')) root.note('run-name', `runs have numbers, and no names: ${root.text('run-name')}`);
  const workflow: Workflow = {
    fields: root,
    title,
    triggers: readTriggers(root),
    defaults: defaultsOf(root, { shell: undefined, workingDirectory: undefined }),
    surroundings,
  };
  const jobs = root.fields('jobs');
  if (jobs === undefined) root.error('jobs', 'is missing; a workflow has some');
  return (jobs?.keys ?? []).flatMap((id) => {
    const job = jobs?.fields(id);
    return job ? [convertJob(id, job, workflow)] : [];
  });
}

function convertJob(id: string, job: Fields, workflow: Workflow): Draft {
  const draft = createDraft(jobName(id, 'job'), job.path);
  noteRenamed(draft, id);
  const { triggers, title, fields } = workflow;
  const scope: Scope = {
    draft,
    workflow: title,
    matrix: new Map(),
    inputs: triggers.inputs,
    hasNeeds: job.has('needs'),
    secret: `${draft.name}-secrets`,
  };
  if (job.has('uses')) {
    job.error('uses', 'reusable workflows do not run here; convert the file that it names');
    for (const key of job.keys) job.take(key);
    return draft;
  }
  convertStrategy(job.fields('strategy'), draft, scope.matrix, workflow.surroundings);
  draft.spec['description'] = [title, job.text('name')].filter(Boolean).join(': ');
  const needs = needsOf(job);
  draft.spec['needs'] = nonEmpty(needs);
  applyTriggers(triggers, draft, needs.length > 0);
  refused(job, fields, draft);
  draft.spec['if'] = jobCondition(job, scope);
  convertConcurrency(job.has('concurrency') ? job : fields, scope, !job.has('concurrency'));
  if (job.has('concurrency') && fields.has('concurrency'))
    draft.todo(['spec', 'concurrency'], `the workflow had one too: ${JSON.stringify(fields.take('concurrency'))}`);
  const machine = machineOf(job, scope);
  draft.spec['env'] = nonEmpty({ ...envOf(fields, scope), ...envOf(job, scope), ...machine.env });
  convertServices(job.fields('services'), scope);
  timeout(job, draft);
  convertSteps(job, defaultsOf(job, workflow.defaults), scope, machine.isContainer);
  const secrets = JSON.stringify(draft.spec).split(`"name":"${scope.secret}"`).length > 1;
  if (secrets)
    draft.todo(
      ['spec'],
      `create the Secret ${scope.secret}, with a key for each secret that is named below; secrets.GITHUB_TOKEN is a token of your own`,
    );
  return draft;
}

function needsOf(job: Fields): readonly string[] {
  const ids = job.type('needs') === 'array' ? job.texts('needs') : job.has('needs') ? [job.text('needs') ?? ''] : [];
  return (ids ?? []).map((id) => jobName(id, 'job'));
}

function defaultsOf(fields: Fields, above: StepDefaults): StepDefaults {
  const run = fields.fields('defaults')?.fields('run');
  return {
    shell: run?.text('shell') ?? above.shell,
    workingDirectory: run?.text('working-directory') ?? above.workingDirectory,
  };
}

const LOSSES: Readonly<Record<string, string>> = {
  outputs: 'print ::set-outcome-var NAME=value in a step; needing jobs read needs.<job>.vars.NAME',
  environment: 'there are no environments with approvals; a job on request only (on: {}) is started by a person',
};

function refused(job: Fields, workflow: Fields, draft: Draft): void {
  for (const [key, message] of Object.entries(LOSSES))
    if (job.has(key)) job.loss(key, `${message}; it was ${JSON.stringify(job.take(key))}`);
  if (job.flag('continue-on-error') === true)
    job.loss('continue-on-error', 'a job that fails has failed; needing jobs may accept it: needs: [{ job, results }]');
  for (const level of [workflow, job])
    if (level.has('permissions'))
      draft.todo(
        ['spec'],
        `permissions were ${JSON.stringify(level.take('permissions'))}; runs get no token of the forge`,
      );
}

function jobCondition(job: Fields, scope: Scope): string | undefined {
  const { when, cel } = conditionOf(job, scope);
  if (when !== 'onSuccess') job.loss('if', 'which results of needed jobs count is said by needs: [{ job, results }]');
  return cel;
}

function timeout(job: Fields, draft: Draft): void {
  const written = minutesOf(job);
  draft.spec['timeouts'] = { run: written ?? '6h' };
  if (written === undefined) draft.note(['spec', 'timeouts', 'run'], "GitHub's default");
}

/** Groups that name a branch or a pull request are what a source's job is anyway. */
const OWN_GROUP =
  /\$\{\{\s*github\.(ref|ref_name|head_ref|workflow|event\.pull_request\.number)(\s*\|\|[^}]*)?\s*\}\}/g;

function convertConcurrency(fields: Fields, scope: Scope, ofWorkflow: boolean): void {
  const { draft } = scope;
  if (!fields.has('concurrency')) return;
  const settings = fields.type('concurrency') === 'object' ? fields.fields('concurrency') : undefined;
  const group = settings ? settings.text('group') : fields.text('concurrency');
  const cancels = settings?.type('cancel-in-progress') === 'boolean' && settings.flag('cancel-in-progress') === true;
  if (settings?.type('cancel-in-progress') === 'string')
    draft.todo(
      ['spec', 'concurrency'],
      `cancel-in-progress was ${settings.text('cancel-in-progress')}; choose queue or replace`,
    );
  // Jobs of one workflow run do not wait for each other, which jobs of one group do.
  const left = ofWorkflow ? '' : (group ?? '').replaceAll(OWN_GROUP, '').replaceAll(/^[-_/]+|[-_/]+$/g, '');
  if (ofWorkflow)
    draft.todo(['spec', 'concurrency'], `the whole workflow had the group ${group}; here it is for each job`);
  else if (left !== group)
    draft.todo(
      ['spec', 'concurrency'],
      `the group was ${group}; a job of another branch or pull request is no other's`,
    );
  draft.spec['concurrency'] = defined({
    group: left === '' ? undefined : textOf(left, settings ?? fields, settings ? 'group' : 'concurrency', scope),
    policy: cancels ? 'replace' : 'queue',
  });
}
