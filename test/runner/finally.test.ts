import { setTimeout as sleep } from 'node:timers/promises';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { AttemptEnding } from '../../src/runner/port.ts';
import type { Job } from '../../src/schemas/index.ts';
import { begin, isAlive, pidIn, recordOf, until, waitForEnd, withWorld } from './world.ts';

type Spec = Job['spec'];

/** Every `when`, each of which says so. */
const everyWhen: Spec['finally'] = (['always', 'onSuccess', 'onFailure'] as const).map((when) => ({
  name: when.toLowerCase(),
  when,
  run: `echo ${when}`,
}));
const exited = (step: string, exitCode: number): AttemptEnding => ({ kind: 'exited', step, exitCode });

const end = suite('finally and hooks of a process run');

const table: readonly (readonly [what: string, spec: Spec, ending: AttemptEnding, printed: string])[] = [
  ['a success', { run: 'echo run', finally: everyWhen }, exited('run', 0), 'run always onSuccess'],
  ['a failure', { run: 'exit 3', finally: everyWhen }, exited('run', 3), 'always onFailure'],
  ['an exit code that means warning', { run: 'exit 42', finally: everyWhen }, exited('run', 42), 'always onSuccess'],
  [
    'a step that can’t be started',
    { steps: [{ name: 's', command: ['/no/such'] }], finally: everyWhen },
    { kind: 'startError', step: 's', message: 'there is no "/no/such"' },
    'always onFailure',
  ],
  [
    'the time-out of the run',
    { timeouts: { run: '1s' }, run: 'trap "echo asked; exit 0" TERM; sleep 60 & wait', finally: everyWhen },
    { kind: 'timeout', timeout: 'run', step: 'run', exitCode: 0, limit: '1s' },
    'asked always onFailure',
  ],
  [
    'hooks: they run first and last',
    { hooks: { before: 'echo before', after: 'echo after' }, run: 'echo run', finally: everyWhen },
    exited('run', 0),
    'before run always onSuccess after',
  ],
  [
    'a hook before that fails: no step runs',
    { hooks: { before: 'echo before; exit 4', after: 'echo after' }, run: 'echo run', finally: everyWhen },
    exited('hooks.before', 4),
    'before always onFailure after',
  ],
  [
    'a hook after that fails: the run fails',
    { hooks: { after: 'echo after; exit 5' }, run: 'echo run' },
    exited('hooks.after', 5),
    'run after',
  ],
  [
    'a step of finally that fails: the others run, and the run fails',
    {
      run: 'echo run',
      finally: [{ name: 'bad', run: 'exit 6' }, { name: 'worse', run: 'exit 7' }, ...everyWhen],
      hooks: { after: 'echo after' },
    },
    exited('bad', 6),
    'run always onSuccess after',
  ],
  [
    'a step of finally that fails after another: the first one decides',
    { run: 'exit 3', finally: [{ name: 'bad', run: 'exit 6' }] },
    exited('run', 3),
    '',
  ],
  [
    'a step of finally whose exit code is no failure: it changes nothing',
    { run: 'echo run', finally: [{ name: 'fine', run: 'exit 42' }] },
    exited('run', 0),
    'run',
  ],
  [
    'a step of finally with a time-out of its own',
    { run: 'echo run', finally: [{ name: 'slow', timeout: '1s', run: 'sleep 60' }, ...everyWhen] },
    { kind: 'timeout', timeout: 'step', step: 'slow', exitCode: null, limit: '1s' },
    'run always onSuccess',
  ],
  [
    'timeouts.finally: it counts over all that runs at the end',
    {
      timeouts: { finally: '1s' },
      run: 'echo run',
      finally: [
        { name: 'slow', run: 'echo slow; sleep 60' },
        { name: 'next', run: 'echo next' },
      ],
      hooks: { after: 'echo after' },
    },
    { kind: 'timeout', timeout: 'finally', step: 'slow', exitCode: null, limit: '1s' },
    'run slow',
  ],
];

for (const [what, spec, ending, printed] of table)
  end(`after ${what}`, () =>
    withWorld(async (world) => {
      const attempt = await world.run(spec);
      const lines = world.lines.map(({ text }) => text);
      assert.equal(attempt.ending, ending, attempt.text);
      assert.is(lines.join(' '), printed);
    }),
  );

const shutdowns: readonly (readonly [what: string, spec: Spec, ending: AttemptEnding, printed: string])[] = [
  ['a success', { run: 'echo run', hooks: { after: 'echo after' } }, exited('run', 0), 'run after bye'],
  ['a failure', { run: 'exit 3' }, exited('run', 3), 'bye'],
  [
    'a time-out',
    { timeouts: { run: '1s' }, run: 'sleep 60' },
    { kind: 'timeout', timeout: 'run', step: 'run', exitCode: 143, limit: '1s' },
    'bye',
  ],
];
for (const [what, spec, ending, printed] of shutdowns)
  end(`the last hook of the configuration runs after ${what}, and that it fails changes nothing`, () =>
    withWorld(async (world) => {
      const attempt = await world.run(spec, { record: { defaultHooks: { shutdown: 'echo bye; exit 9' } } });
      const { kind } = attempt.ending ?? {};
      assert.equal([kind, attempt.ending && 'step' in attempt.ending && attempt.ending.step], [ending.kind, 'run']);
      if (ending.kind === 'exited') assert.equal(attempt.ending, ending);
      assert.is(world.lines.map(({ text }) => text).join(' '), printed);
    }),
  );

end('steps at the end share folders and variables with the others, and their secrets are redacted', () =>
  withWorld(async (world) => {
    const { text, output, ending } = await world.run(
      {
        env: { WHO: 'job' },
        run: 'echo shared > "$RUNLEDGER_SHARED/x"; pwd > ~/where',
        finally: [
          {
            name: 'last',
            env: { WHO: 'step', TOKEN: { secret: { name: 's', key: 'k' } } },
            run: 'cat "$RUNLEDGER_SHARED/x"; test "$(pwd)" = "$(cat ~/where)"; echo "$WHO $TOKEN"; echo "::set-outcome-var a=$WHO"',
          },
        ],
      },
      { secrets: { s: { k: 'very-secret-value' } }, record: { args: ['x'] } },
    );
    assert.equal(ending, exited('run', 0), text);
    assert.is(text, 'last stdout shared\nlast stdout step ***\nlast stdout ::set-outcome-var a=step\n');
    assert.equal(output?.vars, { a: 'step' });
  }),
);

end('a secret of a step at the end that is missing keeps the attempt from starting', () =>
  withWorld(async (world) => {
    const { ending } = await world.run({
      run: 'echo run',
      finally: [{ name: 'last', env: { T: { secret: { name: 's', key: 'k' } } }, run: 'echo last' }],
    });
    assert.is(ending?.kind, 'secretMissing');
    assert.equal(world.lines, []);
  }),
);

end('after a cancellation what always runs does, and the attempt stays cancelled', () =>
  withWorld(async (world) => {
    const runner = world.runner();
    const record = recordOf({
      run: `echo $$ > ${world.dir}/run\nexec sleep 300`,
      finally: everyWhen,
      hooks: { after: 'echo after; exit 9' },
    });
    await begin(runner, record);
    const pid = await pidIn(join(world.dir, 'run'));
    await runner.cancel(record, 'CancelRequested');
    const { ending } = await waitForEnd(runner, record);
    assert.equal(ending, { kind: 'cancelled', reason: 'CancelRequested', step: 'run' });
    assert.not.ok(isAlive(pid));
    assert.equal(
      world.lines.map(({ text }) => text),
      ['always', 'after'],
    );
  }),
);

end('a cancellation at the end changes nothing of what was decided, and what runs there runs on', () =>
  withWorld(async (world) => {
    const runner = world.runner();
    const go = join(world.dir, 'go');
    const record = recordOf({
      run: 'exit 3',
      finally: [
        { name: 'long', run: `echo long; while ! test -e ${go}; do sleep 0.05; done; echo done` },
        ...(everyWhen ?? []),
      ],
    });
    await begin(runner, record);
    await until('it runs', () => world.lines.length > 0);
    await runner.cancel(record, 'CancelRequested');
    await sleep(100);
    writeFileSync(go, '');
    const { ending } = await waitForEnd(runner, record);
    assert.equal(ending, exited('run', 3));
    assert.equal(
      world.lines.map(({ text }) => text),
      ['long', 'done', 'always'],
      'what was cancelled is no failure any more',
    );
  }),
);

end('what was cancelled before anything began has no end', () =>
  withWorld(async (world) => {
    const runner = world.runner();
    const record = recordOf({ run: 'echo run', finally: everyWhen, hooks: { after: 'echo after' } });
    await begin(runner, record);
    await runner.cancel(record, 'CancelRequested');
    const { ending, started } = await waitForEnd(runner, record);
    if (started !== null) return; // it was faster than the wish
    assert.equal(ending, { kind: 'cancelled', reason: 'CancelRequested', step: 'run' });
    assert.equal(world.lines, []);
  }),
);

end('kill starts nothing more', () =>
  withWorld(async (world) => {
    const runner = world.runner();
    const record = recordOf({
      run: `echo $$ > ${world.dir}/run\nexec sleep 300`,
      finally: [{ name: 'last', run: `touch ${world.dir}/last` }],
    });
    await begin(runner, record);
    await pidIn(join(world.dir, 'run'));
    runner.kill();
    await waitForEnd(runner, record);
    assert.not.ok(existsSync(join(world.dir, 'last')));
  }),
);

end.run();
