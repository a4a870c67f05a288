import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { allOf, convert, fixtures, problemsOf, specOf } from './world.ts';

const test = suite('from opslevel, semaphore and alfred');

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const semaphore = (fields: object): string =>
  JSON.stringify({ job_id: 'a', executor: 'shell', commands: [{ directive: 'make' }], ...fields });
const alfred = (fields: object): string =>
  JSON.stringify({ version: '1', name: 'lint', image: 'a', tasks: ['all'], ...fields });

test('no value that has to stay secret is written anywhere', () => {
  let hidden = 0;
  for (const { system, text } of fixtures) {
    const secrets = [...text.matchAll(/hunter2[-\w]*/g), ...text.matchAll(/aHVudGVy[\w=+/]*/g)].map(([found]) => found);
    const values = secrets.flatMap((found) => [found, Buffer.from(found, 'base64').toString('utf8').trim()]);
    for (const allowTodo of [true, false]) {
      const said = allOf(convert(system, text, allowTodo));
      for (const value of values) assert.not.match(said, value);
    }
    assert.not.match(allOf(convert(system, text, true)), 'hunter2');
    hidden += secrets.length;
  }
  assert.ok(hidden >= 7);
});

test('opslevel: a sensitive variable is a reference, and what to create is said', () => {
  const text =
    'image: a\ncommands: [x]\nvariables: [{ key: T, value: v1v1v1, sensitive: true }, { key: U, value: u }]\n';
  assert.equal(specOf('opslevel', text).env, { T: { secret: { name: 'job-secrets', key: 'T' } }, U: 'u' });
  assert.match(
    convert('opslevel', text).jobs[0]?.text ?? '',
    /kubectl create secret generic job-secrets\s+(#\s+)?--from-literal=T=…/,
  );
});

test('opslevel: the commands are one script', () => {
  assert.is(specOf('opslevel', 'image: a\ncommands: [cd /x, "ls\\n"]\n').run, 'set -xv\ncd /x\nls\n');
});

test('opslevel: files lie where the runner put them', () => {
  const text = 'image: a\ncommands: [x]\nfiles: [{ name: a.sh, contents: "#!/bin/sh" }]\n';
  assert.equal(specOf('opslevel', text).files, [{ path: '/opslevel/a.sh', content: '#!/bin/sh', mode: '0755' }]);
});

test('semaphore: epilogues are the end', () => {
  const commands = (directive: string): object[] => [{ directive }];
  const { finally: last } = specOf(
    'semaphore',
    semaphore({
      epilogue_on_fail_commands: commands('c'),
      epilogue_always_commands: commands('a'),
      epilogue_on_pass_commands: commands('b'),
    }),
  );
  assert.equal(
    last?.map(({ when, run }) => [when, run]),
    [
      ['always', 'a\n'],
      ['onSuccess', 'b\n'],
      ['onFailure', 'c\n'],
    ],
  );
});

test('semaphore: the same request as JSON and as YAML', () => {
  const yaml = 'job_id: a\nexecutor: shell\ncommands:\n  - directive: make\n';
  assert.equal(specOf('semaphore', yaml), specOf('semaphore', semaphore({})));
});

test('semaphore: a file in the home is put there by a hook, whatever its name', () => {
  const files = [{ path: "it's/a b", content: base64('x'), mode: '0600' }];
  const { hooks, files: made } = specOf('semaphore', semaphore({ files }));
  assert.is(made?.[0]?.path, "home/it's/a b");
  assert.is(
    hooks?.before,
    `mkdir -p "$(dirname "$HOME"/'it'\\''s/a b')"\ncp "$RUNLEDGER_FILES"/'home/it'\\''s/a b' "$HOME"/'it'\\''s/a b'\nchmod 0600 "$HOME"/'it'\\''s/a b'\n`,
  );
});

test('alfred: tasks with and without slots find their name', () => {
  assert.equal(specOf('alfred', alfred({ tasks: ['a_b', { name: 'c', slots: 4 }] })).tasks, [
    { name: 'a-b', env: { ALFRED_TASK: 'a_b' } },
    { name: 'c', slots: 4, env: { ALFRED_TASK: 'c' } },
  ]);
});

test('alfred: the defaults of a health check are its own', () => {
  const { services } = specOf('alfred', alfred({ services: { db: { image: 'db', health: { cmd: ['x'] } } } }));
  assert.equal(services?.['db']?.health, { command: ['x'], interval: '10s', timeout: '5s', retries: 3 });
});

const refused: readonly (readonly [
  what: string,
  text: readonly ['opslevel' | 'semaphore' | 'alfred', string],
  message: RegExp,
])[] = [
  ['a template', ['alfred', 'version: "1"\nname: {{ .Name }}\n'], /^job\.yaml:2:7: .*render it first/],
  ['another version', ['alfred', alfred({ version: '2' })], /version: "2" is not known/],
  ['tasks by a script', ['alfred', alfred({ tasks: 'ls tests' })], /tasks: .*list of names/],
  [
    'a step without an image',
    ['alfred', alfred({ image: undefined, steps: [{ context: '.' }] })],
    /steps\[0\]\.dockerfile: is missing/,
  ],
  ['no commands', ['opslevel', 'image: a\n'], /commands: is missing/],
  ['no image', ['opslevel', 'commands: [x]\n'], /image: is missing/],
  [
    'a variable that can not be',
    ['opslevel', 'image: a\ncommands: [x]\nvariables: [{ key: RUNLEDGER_X, value: y }]\n'],
    /variables\[0\]\.key: .*reserved/,
  ],
  ['a field of the queue', ['opslevel', 'image: a\ncommands: [x]\nqueue: fast\n'], /queue: a field that is not known/],
  [
    'what is no base64',
    ['semaphore', semaphore({ env_vars: [{ name: 'A', value: '%%%' }] })],
    /env_vars\[0\]\.value: is not base64/,
  ],
  [
    'bytes that are no text',
    ['semaphore', semaphore({ files: [{ path: '/a', content: '/w==', mode: '0600' }] })],
    /content: holds bytes/,
  ],
  [
    'commands of the host',
    ['semaphore', semaphore({ compose: { host_setup_commands: [{ directive: 'x' }] } })],
    /host_setup_commands: .*nodes/,
  ],
  ['another executor', ['semaphore', semaphore({ executor: 'kubernetes' })], /executor: "kubernetes" is not known/],
  [
    'a user by name',
    [
      'semaphore',
      semaphore({ executor: 'dockercompose', compose: { containers: [{ name: 'm', image: 'a', user: 'deploy' }] } }),
    ],
    /user: .*number/,
  ],
];

for (const [what, [system, text], message] of refused)
  test(`${system}: ${what} is refused, with its place`, () => {
    const problems = problemsOf(system, text);
    assert.ok(
      problems.some((problem) => message.test(problem)),
      problems.join('\n'),
    );
    for (const problem of problems) assert.match(problem, /^job\.yaml:\d+:\d+: /);
  });

test.run();
