import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { readEvent } from '../../src/action/event.ts';
import { readInputs } from '../../src/action/inputs.ts';
import { ledgerBranchOf } from '../../src/action/setting.ts';

const test = suite('inputs and events');

const action = load(readFileSync(join(import.meta.dirname, '../../action.yml'), 'utf8')) as {
  readonly inputs: Readonly<Record<string, { readonly description?: string; readonly default?: string }>>;
  readonly outputs: Readonly<Record<string, unknown>>;
  readonly runs: unknown;
};

const inputsOf = (given: Readonly<Record<string, string>>) =>
  readInputs(Object.fromEntries(Object.entries(given).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value])));

test('what action.yml promises where nothing is said is what the program does', () => {
  const defaults = Object.fromEntries(
    Object.entries(action.inputs).flatMap(([name, { default: value }]) =>
      value === undefined || value.includes('${{') ? [] : [[name, value]],
    ),
  );
  assert.equal(inputsOf(defaults), inputsOf({}));
  assert.equal(inputsOf({}), {
    command: 'plan',
    path: '.',
    runner: 'process',
    jobs: [],
    failOn: 'failed',
    comment: true,
    statuses: false,
    outcomes: 'default',
  });
  for (const [name, { description }] of Object.entries(action.inputs)) assert.ok(description, name);
});

test('every input of action.yml is read', () => {
  const given: Readonly<Record<string, string>> = {
    command: 'run',
    path: 'jobs',
    runner: 'kubernetes',
    kubeconfig: 'k',
    namespace: 'n',
    serve: 'http://x:1',
    secrets: 's',
    'base-ref': 'refs/heads/main',
    jobs: 'a, b-*\nc',
    'fail-on': 'warning',
    outcomes: 'branch',
    comment: 'false',
    statuses: 'TRUE',
    'approved-sha': 'a'.repeat(40),
    'github-token': ' t ',
  };
  assert.equal(Object.keys(given).sort(), Object.keys(action.inputs).sort());
  assert.equal(inputsOf(given), {
    command: 'run',
    path: 'jobs',
    runner: 'kubernetes',
    kubeconfig: 'k',
    namespace: 'n',
    serve: 'http://x:1',
    secrets: 's',
    baseRef: 'main',
    jobs: ['a', 'b-*', 'c'],
    failOn: 'warning',
    outcomes: 'branch',
    comment: false,
    statuses: true,
    approvedSha: 'a'.repeat(40),
    token: 't',
  });
});

const wrong: readonly (readonly [string, string, RegExp])[] = [
  ['command', 'deploy', /command: "deploy" is none of plan, run, validate/],
  ['runner', 'docker', /runner: "docker" is none of process, kubernetes/],
  ['fail-on', 'always', /fail-on: "always" is none of failed, warning, never/],
  ['comment', 'yes', /comment: "yes" is neither true nor false/],
  ['approved-sha', 'abc123', /approved-sha: "abc123" is not a whole SHA/],
  ['base-ref', 'refs/pull/1/head', /base-ref: "refs\/pull\/1\/head" is not a branch/],
];
for (const [name, value, message] of wrong)
  test(`${name}: ${value} is refused`, () => assert.throws(() => inputsOf({ [name]: value }), message));

test('outcomes of a pull request never go where those of branches are', () => {
  assert.equal(
    (['default', 'branch', 'nowhere'] as const).map((outcomes) => ledgerBranchOf(outcomes, 7)),
    [null, 'runledger/pr/7', null],
  );
  assert.is(ledgerBranchOf('default', undefined), 'runledger/status');
  assert.is(ledgerBranchOf('nowhere', undefined), null);
  assert.throws(() => ledgerBranchOf('branch', undefined), /is for pull requests/);
});

const github = { GITHUB_EVENT_NAME: 'pull_request', GITHUB_REPOSITORY: 'acme/jobs' };
const pull = { pull_request: { number: 7, head: { sha: 'a'.repeat(40) } } };

test('an event names its pull request, and whether the platform keeps credentials from it', () => {
  assert.equal(readEvent({ ...github, GITHUB_RUN_ID: '5' }, pull), {
    name: 'pull_request',
    repository: 'acme/jobs',
    remote: 'https://github.com/acme/jobs.git',
    forge: 'github',
    page: 'https://github.com/acme/jobs/actions/runs/5',
    pullRequest: { number: 7, head: 'a'.repeat(40) },
    isSandboxed: true,
  });
  const target = readEvent({ ...github, GITHUB_EVENT_NAME: 'pull_request_target' }, pull);
  assert.equal([target.pullRequest?.number, target.isSandboxed], [7, false]);
  const comment = { ...github, GITHUB_EVENT_NAME: 'issue_comment' };
  assert.equal(readEvent(comment, { issue: { number: 7, pull_request: {} } }).pullRequest, { number: 7 });
  assert.is(readEvent(comment, { issue: { number: 7 } }).pullRequest, undefined, 'an issue is none');
  assert.is(readEvent({ ...github, GITHUB_EVENT_NAME: 'push' }, {}).pullRequest, undefined);
});

test('a Gitea is known by its API, and the repository by what the event says', () => {
  const env = { ...github, GITHUB_API_URL: 'https://git.acme.dev/api/v1/' };
  const { forge, api, remote } = readEvent(env, { ...pull, repository: { clone_url: 'https://git.acme.dev/x/y.git' } });
  assert.equal([forge, api, remote], ['gitea', 'https://git.acme.dev/api/v1', 'https://git.acme.dev/x/y.git']);
});

test('outside of a workflow, and without a head, it says so', () => {
  assert.throws(() => readEvent({}, undefined), /GITHUB_EVENT_NAME and GITHUB_REPOSITORY are not set/);
  assert.throws(() => readEvent(github, {}), /names no pull request/);
});

test.run();
