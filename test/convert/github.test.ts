import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { convert, problemsOf, specOf } from './world.ts';

const test = suite('from github');

const workflow = (job: object, top: object = {}): string =>
  JSON.stringify({
    on: 'push',
    jobs: { a: { 'runs-on': 'ubuntu-latest', steps: [{ run: 'make' }], ...job } },
    ...top,
  });
const step = (fields: object, job: object = {}, top: object = {}): string => workflow({ steps: [fields], ...job }, top);

const convertsTo: readonly (readonly [what: string, text: string, fields: Readonly<Record<string, unknown>>])[] = [
  [
    'a push of whatever',
    workflow({}),
    { on: { commit: { paths: ['**'] } }, image: 'ubuntu:24.04', timeouts: { run: '6h' } },
  ],
  ['events in a list', workflow({}, { on: ['workflow_dispatch'] }), { on: {} }],
  [
    'several schedules',
    workflow({}, { on: { schedule: [{ cron: '0 1 * * *' }, { cron: '0 2 * * *', timezone: 'Europe/Zurich' }] } }),
    { on: { schedule: [{ cron: '0 1 * * *' }, { cron: '0 2 * * *', timeZone: 'Europe/Zurich' }] } },
  ],
  ['the shell of a machine', workflow({}), { steps: [{ name: 'step-1', run: 'make', shell: ['bash', '-e'] }] }],
  [
    'the shell of a container',
    workflow({ container: 'alpine' }),
    { image: 'alpine', steps: [{ name: 'step-1', run: 'make' }] },
  ],
  [
    'a shell by its name',
    step({ run: 'x', shell: 'bash' }),
    { steps: [{ name: 'step-1', run: 'x', shell: ['bash', '--noprofile', '--norc', '-eo', 'pipefail'] }] },
  ],
  [
    'a shell of its own',
    step({ run: 'x', shell: 'perl -w {0}' }),
    { steps: [{ name: 'step-1', run: 'x', shell: ['perl', '-w'] }] },
  ],
  [
    'fail-fast',
    workflow({ strategy: { matrix: { os: ['a', 'b'] } } }),
    { matrix: { os: ['a', 'b'] }, abort: 'onFailure' },
  ],
  ['no fail-fast', workflow({ strategy: { 'fail-fast': false, matrix: { os: ['a'] } } }), { abort: undefined }],
  [
    'a secret',
    step({ run: 'x', env: { T: '${{ secrets.T }}' } }),
    {
      steps: [
        { name: 'step-1', run: 'x', shell: ['bash', '-e'], env: { T: { secret: { name: 'a-secrets', key: 'T' } } } },
      ],
    },
  ],
  [
    'a secret in a script',
    step({ run: 'x "${{ secrets.T }}"' }),
    {
      steps: [
        {
          name: 'step-1',
          run: 'x "${SECRET_T}"',
          shell: ['bash', '-e'],
          env: { SECRET_T: { secret: { name: 'a-secrets', key: 'T' } } },
        },
      ],
    },
  ],
  [
    'a condition',
    step({ run: 'x', if: "matrix.os == 'it''s'" }, { strategy: { matrix: { os: ['a'] } } }),
    { steps: [{ name: 'step-1', run: 'x', shell: ['bash', '-e'], if: 'matrix.os == "it\'s"' }] },
  ],
  ['the event', workflow({ if: "github.event_name != 'pull_request'" }), { if: 'trigger.kind != "pullRequest"' }],
  [
    'a group of its own',
    workflow({ concurrency: { group: '${{ github.workflow }}-${{ github.ref }}', 'cancel-in-progress': true } }),
    { concurrency: { policy: 'replace' } },
  ],
  [
    'a health check with words',
    workflow({
      services: { db: { image: 'db', options: '--health-cmd "redis-cli ping | grep PONG" --health-retries=9' } },
    }),
    {
      services: {
        db: {
          image: 'db',
          health: { command: ['sh', '-c', 'redis-cli ping | grep PONG'], interval: '30s', timeout: '30s', retries: 9 },
        },
      },
    },
  ],
];

for (const [what, text, fields] of convertsTo)
  test(what, () => {
    const spec: Readonly<Record<string, unknown>> = { ...specOf('github', text) };
    for (const [key, value] of Object.entries(fields)) assert.equal(spec[key], value, key);
  });

const refused: readonly (readonly [what: string, text: string, message: RegExp])[] = [
  ['an action', step({ uses: 'actions/setup-go@v5' }), /steps\[0\]\.uses: actions do not run here: .*image/],
  ['an event that is none here', workflow({}, { on: ['release'] }), /on: release starts no job here/],
  ['Windows', workflow({ 'runs-on': 'windows-latest' }), /runs-on: windows-latest: runledger runs Linux/],
  [
    'a matrix that is computed',
    workflow({ strategy: { matrix: '${{ fromJSON(needs.x.outputs.y) }}' } }),
    /matrix: .*computed/,
  ],
  [
    'an output of a step',
    step({ run: 'echo ${{ steps.a.outputs.b }}' }),
    /run: \$\{\{ steps\.a\.outputs\.b \}\} has no counterpart/,
  ],
  ['a value in single quotes', step({ run: "echo '${{ github.sha }}'" }), /run: .*single quotes/],
  ['a value in code', step({ run: 'print("${{ github.sha }}")', shell: 'python' }), /run: .*no shell's/],
  ['a value in a here-document', step({ run: "cat <<'E'\n${{ github.sha }}\nE" }), /run: .*here-document/],
  [
    'a part of a secret',
    step({ run: 'x', env: { U: 'https://${{ secrets.T }}@host' } }),
    /env: a secret is the whole value/,
  ],
  ['GITHUB_ENV', step({ run: 'echo A=b >> $GITHUB_ENV' }), /run: .*GITHUB_ENV.*RUNLEDGER_SHARED/],
  [
    'a condition on a branch',
    step({ run: 'x', if: "github.ref == 'refs/heads/main'" }),
    /if: the condition has no counterpart/,
  ],
  [
    'a step after what always runs',
    workflow({ steps: [{ run: 'a', if: 'always()' }, { run: 'b' }] }),
    /steps\[1\]\.run: .*finally/,
  ],
  ['a reusable workflow', workflow({ uses: './x.yaml' }), /uses: reusable/],
  [
    'an option of docker',
    workflow({ services: { db: { image: 'db', options: '--cpus 2' } } }),
    /options: --cpus 2 has no counterpart/,
  ],
  ['tags', workflow({}, { on: { push: { tags: ['v*'] } } }), /on\.push\.tags: /],
];

for (const [what, text, message] of refused)
  test(`${what} is refused, with its place`, () => {
    const problems = problemsOf('github', text);
    assert.ok(
      problems.some((problem) => message.test(problem)),
      problems.join('\n'),
    );
    for (const problem of problems) assert.match(problem, /^job\.yaml:1:\d+: /);
  });

test('pull requests are a trigger, or a comment where this version can not do that yet', () => {
  const { jobs } = convert('github', workflow({}, { on: { pull_request: { paths: ['src/**'] } } }));
  assert.match(
    jobs[0]?.text ?? '',
    /^ {4}pullRequest:\n {6}paths: \[src\/\*\*\]$|TODO\(convert\): on\.pullRequest: \{"paths":\["src\/\*\*"\]\} belongs here/m,
  );
});

test('a password of a registry is not shown', () => {
  const container = { image: 'a', credentials: { username: 'u', password: 'hunter2hunter2' } };
  const { jobs, problems, notes } = convert('github', workflow({ container }), true);
  assert.is(jobs.length, 1);
  assert.not.match(JSON.stringify([jobs, problems, notes]), 'hunter2');
});

test('a job that can not be converted keeps none of the others', () => {
  const text = JSON.stringify({
    on: 'push',
    jobs: {
      a: { 'runs-on': 'ubuntu-latest', steps: [{ run: 'x' }] },
      b: { 'runs-on': 'macos-latest', steps: [{ run: 'x' }] },
    },
  });
  assert.equal(
    convert('github', text).jobs.map(({ name }) => name),
    ['a'],
  );
});

test.run();
