import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isCoded } from '../../src/errors.ts';
import { tasksOf } from '../../src/job/fan-out.ts';
import type { AttemptStart, RunRecord } from '../../src/runner/port.ts';
import { createProcesses, createProcessRunner } from '../../src/runner/process/index.ts';
import {
  begin,
  endedAttempt,
  HOST,
  isAlive,
  never,
  phaseOf,
  pidIn,
  recordOf,
  textOf,
  until,
  waitForEnd,
  withWorld,
} from './world.ts';

const owner = fileURLToPath(new URL('owner.ts', import.meta.url));

/** A script whose process and grandchild ignore TERM and write their numbers to files. */
const stubborn = (dir: string): string =>
  `trap '' TERM
sh -c 'trap "" TERM; echo $$ > ${dir}/grandchild; while :; do sleep 1; done' &
echo $$ > ${dir}/child
while :; do sleep 1; done`;

/** Starts another process that runs this spec; `said` collects what it prints. */
function startOwner(stateDir: string, spec: object) {
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', owner, stateDir, JSON.stringify(spec)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    pid: child.pid ?? 0,
    said: () => said,
    async kill(): Promise<void> {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

const first = ({ spec }: RunRecord): readonly AttemptStart[] => tasksOf(spec).map((task) => ({ task, number: 1 }));

const zombiesOfOurs = (): string[] =>
  readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name) || !existsSync(`/proc/${name}/stat`)) return false;
    try {
      const { state, parent } = statOf(name);
      return parent === process.pid && state === 'Z';
    } catch {
      return false;
    }
  });
function statOf(pid: string): { state: string; parent: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const [state = '', parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { state, parent: Number(parent) };
}

const life = suite('life of a process run');

life('a step time-out ends the step, its children and the run, with TERM first', () =>
  withWorld(async (world) => {
    const { ending, text } = await world.run({
      steps: [
        { name: 'slow', timeout: '1s', run: 'trap "echo asked; exit 7" TERM\nwhile :; do sleep 0.1; done' },
        { name: 'later', run: 'echo later' },
      ],
    });
    assert.equal(ending, { kind: 'timeout', timeout: 'step', step: 'slow', exitCode: 7, limit: '1s' });
    assert.match(text, 'slow stdout asked\n');
    assert.not.match(text, 'later');
  }),
);

life('a program that ends with 0 because of its time-out has timed out all the same', () =>
  withWorld(async (world) => {
    const { ending } = await world.run({
      timeouts: { run: '1s' },
      run: 'trap "exit 0" TERM\nwhile :; do sleep 0.1; done',
    });
    assert.equal(ending, { kind: 'timeout', timeout: 'run', step: 'run', exitCode: 0, limit: '1s' });
  }),
);

life('the time-out of the run counts over all steps', () =>
  withWorld(async (world) => {
    const step = (name: string) => ({ name, timeout: '20s', run: 'sleep 0.7' });
    const { ending } = await world.run({
      timeouts: { run: '1s', grace: '5s' },
      steps: [step('one'), step('two'), step('three')],
    });
    assert.is(ending?.kind === 'timeout' && `${ending.timeout} ${ending.step}`, 'run two');
  }),
);

life('what ignores TERM is killed after the grace, grandchildren included, and no zombie stays', () =>
  withWorld(async (world) => {
    const { ending } = await world.run({ timeouts: { run: '1s', grace: '1s' }, run: stubborn(world.dir) });
    assert.equal(ending, { kind: 'timeout', timeout: 'run', step: 'run', exitCode: null, limit: '1s' });
    for (const name of ['child', 'grandchild']) assert.not.ok(isAlive(await pidIn(join(world.dir, name))), name);
    if (process.platform === 'linux') assert.equal(zombiesOfOurs(), []);
  }),
);

life(
  'what a step leaves behind is killed when it ends, daemons included, and its output does not hold the run up',
  () =>
    withWorld(async (world) => {
      const background = `sh -c 'echo $$ > ${world.dir}/left; exec sleep 300' &\nwhile ! test -s ${world.dir}/left; do sleep 0.05; done`;
      const { ending } = await world.run({ run: background });
      assert.equal(ending, { kind: 'exited', step: 'run', exitCode: 0 });
      assert.not.ok(isAlive(await pidIn(join(world.dir, 'left'))));
      if (process.platform !== 'linux') return;
      const daemon = `setsid sh -c 'echo $$ > ${world.dir}/daemon; exec sleep 300' &\nwhile ! test -s ${world.dir}/daemon; do sleep 0.05; done`;
      const detached = await world.run({ run: daemon }, { record: { run: 2 } });
      assert.equal(detached.ending, { kind: 'exited', step: 'run', exitCode: 0 });
      assert.not.ok(isAlive(await pidIn(join(world.dir, 'daemon'))));
    }),
);

life('a claim is made once, and so is an attempt', () =>
  withWorld(async (world) => {
    const [one, two] = [world.runner(), world.runner()];
    const names = Array.from({ length: 20 }, (_, index) => `f${index}`);
    const run = `cat ${names.map((name) => `"$RUNLEDGER_FILES/${name}"`).join(' ')} >> ${world.dir}/ran`;
    const record = recordOf({ files: names.map((path) => ({ path, content: 'x' })), run });
    const files = names.map((path) => ({ path, mode: 0o644, content: Buffer.from('x') }));
    const results = await Promise.all([one, two, one, two].map((runner) => runner.claim(record, never)));
    assert.is(results.filter((result) => result === 'claimed').length, 2, 'its own claim is one');
    const mine = results[0] === 'claimed' ? one : two;
    await Promise.all([1, 2, 3].map(() => mine.start(record, files, first(record), never)));
    await waitForEnd(mine, record);
    await mine.start(record, files, first(record), never);
    assert.is(await readFile(join(world.dir, 'ran'), 'utf8'), 'x'.repeat(names.length));
    assert.equal(readdirSync(join(world.stateDir, 'staging')), []);
  }),
);

life('a claim under another trigger is somebody else’s, whoever made it', () =>
  withWorld(async (world) => {
    const runner = world.runner();
    const record = recordOf({ run: 'true' });
    assert.is(await runner.claim(record, never), 'claimed');
    assert.is(await runner.claim({ ...record, queued: '2027-01-01T00:00:00.000Z' }, never), 'claimed');
    const others: readonly RunRecord['trigger'][] = [
      { kind: 'request', id: 'r' },
      { kind: 'commit', revision: 'b'.repeat(40) },
    ];
    for (const trigger of others) {
      assert.is(await runner.claim({ ...record, trigger }, never), 'exists');
      assert.is(await runner.claim({ ...record, ...CHANGED, trigger }, never), 'exists');
    }
    assert.equal((await runner.list(never))[0]?.record, record, 'and stays as it is');
  }),
);

/** What the job says after a change. */
const CHANGED = { digest: `v1:${'cd'.repeat(32)}`, spec: { run: 'echo changed' } } as const;

life('a claim alone is of the run that its job is by now, until what it executes is put down', () =>
  withWorld(async (world) => {
    const runner = world.runner();
    const record = recordOf({ run: 'echo before' });
    const changed = { ...record, ...CHANGED };
    assert.is(await runner.claim(record, never), 'claimed');
    assert.is(await runner.claim(changed, never), 'claimed', 'nothing of it is put down');
    await runner.start(changed, [], [], never);
    assert.is(await runner.claim(record, never), 'exists', 'it is to execute something else');
    assert.is(await runner.claim(changed, never), 'claimed');
    await runner.start(record, [], first(record), never);
    assert.is((await waitForEnd(runner, record)).text, 'run stdout changed\n', 'what was put down counts');
    assert.is((await runner.list(never))[0]?.record.digest, CHANGED.digest);
  }),
);

life('a claim alone of a process that lives is its own, and that of a dead one is taken over, by one alone', () =>
  withWorld(async (world) => {
    const [maker, other] = [world.runner(), world.runner()];
    const record = recordOf({ run: 'true' });
    assert.is(await maker.claim(record, never), 'claimed');
    for (const more of [{}, CHANGED]) assert.is(await other.claim({ ...record, ...more }, never), 'exists');
    await maker.release([record], never);

    await leave(world, await deadProcess());
    const changed = { ...record, ...CHANGED };
    const results = await Promise.all([maker, other].map((runner) => runner.claim(changed, never)));
    assert.equal(results.toSorted(), ['claimed', 'exists']);
    for (const runner of [maker, other])
      assert.is(await runner.claim({ ...changed, trigger: { kind: 'request', id: 'r' } }, never), 'exists');
  }),
);

life('a run waits as long as nobody makes an attempt, with what it will execute put down', () =>
  withWorld(async (world) => {
    const runner = world.runner();
    const record = recordOf({ files: [{ path: 'a', content: 'x' }], run: 'cat "$RUNLEDGER_FILES/a"' });
    await runner.claim(record, never);
    const look = async (): Promise<string> => {
      const [run] = await runner.list(never);
      return `${run?.held} ${run?.mine} ${run?.attempts.length}`;
    };
    assert.is(await look(), 'false true 0');
    const needs = { build: { run: 3, result: 'succeeded', vars: { a: 'b' } } } as const;
    await runner.start({ ...record, needs }, [{ path: 'a', mode: 0o644, content: Buffer.from('one\n') }], [], never);
    assert.is(await look(), 'true true 0');
    await runner.start(record, [{ path: 'a', mode: 0o644, content: Buffer.from('two\n') }], first(record), never);
    assert.is((await waitForEnd(runner, record)).text, 'run stdout one\n', 'what was put down first counts');
    assert.equal((await runner.list(never))[0]?.record.needs, needs);
  }),
);

life('tasks run beside each other, each with its own environment, and attempts have folders of their own', () =>
  withWorld(async (world) => {
    const runner = world.runner();
    const record = recordOf({
      parameters: { node: { default: '1' } },
      matrix: { node: [22, 24] },
      env: { BOTH: 'job' },
      run: [
        `touch ${world.dir}/$RUNLEDGER_TASK`,
        `while ! test -e ${world.dir}/22 || ! test -e ${world.dir}/24; do sleep 0.05; done`,
        'test ! -e mark; touch mark',
        'echo "$RUNLEDGER_TASK $RUNLEDGER_MATRIX_NODE $RUNLEDGER_PARAM_node $RUNLEDGER_ATTEMPT $RUNLEDGER_SLOTS"',
      ].join('\n'),
    });
    await begin(runner, record);
    await waitForEnd(runner, record);
    const task = tasksOf(record.spec)[1]!;
    await runner.start(record, [], [{ task, number: 2 }], never);
    await waitForEnd(runner, record);
    const [run] = await runner.list(never);
    assert.equal(
      run?.attempts.map(({ task: name, number, output }) => [name, number, textOf(output?.log ?? new Uint8Array())]),
      [
        ['22', 1, 'run stdout 22 22 22 1 1\n'],
        ['24', 1, 'run stdout 24 24 24 1 1\n'],
        ['24', 2, 'run stdout 24 24 24 2 1\n'],
      ],
    );
  }),
);

life('cancelling some tasks leaves the run and its other tasks alone', () =>
  withWorld(async (world) => {
    const runner = world.runner();
    const record = recordOf({ tasks: ['a', 'b'], run: `echo $$ > ${world.dir}/$RUNLEDGER_TASK\nexec sleep 300` });
    await begin(runner, record);
    await pidIn(join(world.dir, 'a'));
    await pidIn(join(world.dir, 'b'));
    await runner.cancel(record, 'Aborted', ['b']);
    const b = await until('b ended', async () => {
      const [run] = await runner.list(never);
      return run?.attempts.find(({ task, ending }) => task === 'b' && ending !== null) && run;
    });
    assert.equal(b.attempts[1]?.ending, { kind: 'cancelled', reason: 'Aborted', step: 'run' });
    assert.is(b.attempts[0]?.ending, null);
    assert.is(b.cancelled, undefined);
  }),
);

life('a run that is cancelled while it waits says so from then on, and never starts', () =>
  withWorld(async (world) => {
    const runner = world.runner();
    const record = recordOf({ run: `touch ${world.dir}/ran` });
    await runner.claim(record, never);
    await runner.cancel(record, 'JobRemoved');
    await runner.cancel(record, 'Superseded');
    const [run] = await world.runner({ observe: true }).list(never);
    assert.is(run?.cancelled, 'JobRemoved', 'the first reason counts');
    assert.equal(world.changes.at(-1), record);
    await runner.cancel({ job: 'other', run: 1 }, 'JobRemoved');
    assert.equal(readdirSync(join(world.stateDir, 'runs')), ['report-1']);
  }),
);

life('cancel ends a run with its reason, and whoever releases a run that is executed is refused', () =>
  withWorld(async (world) => {
    const runner = world.runner();
    const record = recordOf({ run: 'echo $$\nexec sleep 300' });
    await begin(runner, record);
    await until('it prints', () => world.lines.length > 0);
    try {
      await runner.release([record], never);
      assert.unreachable();
    } catch (error) {
      assert.ok(isCoded(error, 'RunNotEnded'), String(error));
    }
    await runner.cancel(record, 'JobRemoved');
    assert.equal((await waitForEnd(runner, record)).ending, { kind: 'cancelled', reason: 'JobRemoved', step: 'run' });
    assert.not.ok(isAlive(Number(world.lines[0]?.text)));
    await runner.release([record], never);
    assert.equal(await runner.list(never), []);
  }),
);

life('close cancels what has begun, waits for it, leaves what waits, and starts nothing after', () =>
  withWorld(async (world) => {
    const runner = world.runner();
    await begin(runner, recordOf({ timeouts: { grace: '1s' }, run: stubborn(world.dir) }));
    await runner.claim(recordOf({ run: 'true' }, { run: 2 }), never);
    const child = await pidIn(join(world.dir, 'child'));
    await runner.close('CancelRequested');
    assert.not.ok(isAlive(child));
    const runs = await runner.list(never);
    assert.equal(
      runs.map(({ attempts: [attempt], cancelled }) => [attempt?.ending, cancelled]),
      [
        [{ kind: 'cancelled', reason: 'CancelRequested', step: 'run' }, 'CancelRequested'],
        [undefined, undefined],
      ],
    );
    for (const refused of [
      () => runner.claim(recordOf({ run: 'true' }, { run: 3 }), never),
      () => runner.start(recordOf({ run: 'true' }, { run: 2 }), [], [], never),
    ])
      try {
        await refused();
        assert.unreachable();
      } catch (error) {
        assert.ok(isCoded(error, 'RunnerClosed'), String(error));
      }
  }),
);

life('kill ends what runs at once', () =>
  withWorld(async (world) => {
    const runner = world.runner();
    await begin(runner, recordOf({ run: stubborn(world.dir) }));
    const pids = [await pidIn(join(world.dir, 'child')), await pidIn(join(world.dir, 'grandchild'))];
    runner.kill();
    await until('they are gone', () => !pids.some(isAlive));
  }),
);

life('a run whose runledger was killed is found as lost, told truthfully, and cleaned up', () =>
  withWorld(async (world) => {
    const spec = { env: {}, steps: [{ name: 'long', run: `echo before\n${stubborn(world.dir)}` }] };
    const dying = startOwner(world.stateDir, spec);
    const pids = [await pidIn(join(world.dir, 'child')), await pidIn(join(world.dir, 'grandchild'))];
    const live = join(world.stateDir, 'runs', 'report-1', 'attempts', 'default.1', 'live.log');
    await until('its output is there', async () => (await readFile(live, 'utf8')).includes('before'));
    const watcher = world.runner();
    const [alive] = await watcher.list(never);
    assert.is(`${alive && phaseOf(alive)} ${alive?.mine}`, 'running false');
    await dying.kill();
    assert.ok(pids.every(isAlive), 'they outlive the one that started them');

    const observer = world.runner({ observe: true });
    const [seen] = await observer.list(never);
    assert.is(`${seen?.mine} ${seen?.attempts[0]?.ending?.kind}`, 'true lost');
    assert.ok(pids.every(isAlive), 'looking changes nothing');

    const runs = await watcher.list(never);
    const attempt = endedAttempt(runs, { job: 'report', run: 1 });
    assert.is(runs[0]?.mine, true);
    assert.is(attempt?.ending?.kind, 'lost');
    assert.match(
      attempt?.ending?.kind === 'lost' ? attempt.ending.message : '',
      `(process ${dying.pid} on ${HOST}) ended while step "long"`,
    );
    assert.is(attempt?.text, 'long stdout before\n');
    assert.is(attempt?.output?.complete, false);
    assert.type(attempt?.started, 'string');
    assert.not.ok(pids.some(isAlive), 'what was left is gone');

    const later = await watcher.list(never);
    assert.equal(endedAttempt(later, { job: 'report', run: 1 }), attempt, 'the same each time');
    const [others] = await world.runner().list(never);
    assert.is(others?.mine, false, 'one process records it');
    assert.is(await begin(watcher, recordOf(spec)), 'claimed', 'it has it now');
    assert.equal((await watcher.list(never))[0]?.attempts, later[0]?.attempts, 'and makes nothing twice');
  }),
);

/** A claim as another process has left it. */
async function leave(world: { readonly stateDir: string }, owner: object, ...files: readonly [string, unknown][]) {
  const folder = join(world.stateDir, 'runs', 'report-1');
  const record = recordOf({ run: 'true' });
  const claim = { format: 1, record, owner: { ...owner, id: 'x' } };
  for (const [name, content] of [['claim.json', claim] as const, ...files]) {
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, JSON.stringify(content));
  }
  return record;
}

async function deadProcess(): Promise<object> {
  const dead = spawn('true');
  await new Promise((resolve) => dead.once('exit', resolve));
  return { ...createProcesses(HOST).self, pid: dead.pid };
}

life('an attempt whose runledger was killed before its first step is lost too', () =>
  withWorld(async (world) => {
    const record = recordOf({ run: 'true' });
    await leave(world, await deadProcess(), ['record.json', record]);
    await mkdir(join(world.stateDir, 'runs', 'report-1', 'attempts', 'default.1'), { recursive: true });
    const [run] = await world.runner().list(never);
    const [attempt] = run?.attempts ?? [];
    assert.is(attempt?.started, null);
    assert.match(JSON.stringify(attempt?.ending), 'ended before the attempt had started');
  }),
);

life('a run that waited when its runledger was killed goes to one other, which executes it once', () =>
  withWorld(async (world) => {
    const record = await leave(world, await deadProcess());
    const [one, two] = [world.runner(), world.runner()];
    const looks = await Promise.all([one, two, one].map((runner) => runner.list(never)));
    const mine = looks.map(([run]) => run?.mine);
    assert.is(mine[0], mine[2]);
    assert.is(mine[0], !mine[1], 'one of them');
    const [heir, other] = mine[0] === true ? [one, two] : [two, one];
    assert.is(await other.claim(record, never), 'exists');
    assert.is(await begin(heir, record), 'claimed');
    assert.equal((await waitForEnd(heir, record)).ending, { kind: 'exited', step: 'run', exitCode: 0 });
  }),
);

life('a number that has gone to another process is neither the owner nor killed', () =>
  withWorld(async (world) => {
    const bystander = spawn('sleep', ['300'], { detached: true, stdio: 'ignore' });
    const processes = createProcesses(HOST);
    const identity = processes.identify(bystander.pid ?? 0);
    assert.ok(identity);
    const former = { ...identity, started: `${identity.started}0` };
    const state = { started: '2026-11-20T01:30:00.000Z', step: 'run', leader: former };
    await leave(world, former, ['record.json', recordOf({ run: 'true' })], ['attempts/default.1/state.json', state]);
    const [run] = await world.runner().list(never);
    assert.is(run?.attempts[0]?.ending?.kind, 'lost');
    assert.ok(isAlive(bystander.pid ?? 0));
    bystander.kill('SIGKILL');
  }),
);

life('a run of another machine is left alone', () =>
  withWorld(async (world) => {
    await leave(world, { ...createProcesses(HOST).self, boot: 'another', host: 'another-host' });
    const [run] = await world.runner().list(never);
    assert.is(`${run?.attempts.length} ${run?.mine}`, '0 false');
  }),
);

life('an ending that was written and not recorded survives its process', () =>
  withWorld(async (world) => {
    const dying = startOwner(world.stateDir, { run: 'echo out\necho ::set-outcome-var a=b\nexit 3' });
    await until('it has ended', () => dying.said().includes('ended'));
    const watcher = world.runner();
    const [before] = await watcher.list(never);
    assert.is(`${before && phaseOf(before)} ${before?.mine}`, 'ended false', 'its process is about to record it');
    await dying.kill();
    const [after] = await watcher.list(never);
    assert.is(`${after && phaseOf(after)} ${after?.mine}`, 'ended true');
    const [attempt] = after?.attempts ?? [];
    assert.equal(attempt?.ending, { kind: 'exited', step: 'run', exitCode: 3 });
    assert.is(textOf(attempt?.output?.log ?? ([] as never)), 'run stdout out\nrun stdout ::set-outcome-var a=b\n');
    assert.equal(attempt?.output?.vars, { a: 'b' });
    await watcher.release([{ job: 'report', run: 1 }], never);
    assert.equal(await watcher.list(never), []);
  }),
);

life('a run of another process is cancelled there', () =>
  withWorld(async (world) => {
    const other = startOwner(world.stateDir, { run: `echo $$ > ${world.dir}/child\nexec sleep 300` });
    const pid = await pidIn(join(world.dir, 'child'));
    const watcher = world.runner();
    await watcher.cancel({ job: 'report', run: 1 }, 'CancelRequested');
    const { ending } = await waitForEnd(watcher, { job: 'report', run: 1 });
    assert.equal(ending, { kind: 'cancelled', reason: 'CancelRequested', step: 'run' });
    assert.not.ok(isAlive(pid));
    await other.kill();
  }),
);

life('what it can not honour is refused, what means nothing is passed over', () =>
  withWorld(async (world) => {
    const runner = world.runner();
    assert.equal(runner.refuses({ run: 'true', image: 'alpine' }), []);
    assert.equal(
      runner.refuses({
        run: 'true',
        services: { db: { image: 'postgres' } },
        runsOn: 'small',
        files: [
          { path: 'a', content: '' },
          { path: '/etc/b', content: '' },
        ],
      }),
      ['spec.services', 'spec.runsOn', 'spec.files[1].path (absolute)'],
    );
    const placed = { image: 'a', user: 1, resources: {}, pod: {}, runsOn: { set: 'small', fallback: 'pod' } } as const;
    const spec = { ...placed, steps: [{ name: 's', run: 'true', image: 'b', user: 2 }] };
    assert.equal(runner.refuses(spec), []);
    assert.equal(
      runner.ignores(spec),
      ['image', 'user', 'resources', 'pod', 'runsOn', 'steps[0].image', 'steps[0].user'].map(
        (field) => `spec.${field}`,
      ),
    );
    try {
      await runner.claim(recordOf({ run: 'true', services: { db: { image: 'x' } } }), never);
      assert.unreachable();
    } catch (error) {
      assert.ok(isCoded(error, 'NotSupported'), String(error));
    }
    assert.equal(await runner.list(never), []);
  }),
);

life('folders without write permission are removed, and a workspace can lie elsewhere', () =>
  withWorld(async (world) => {
    const runner = createProcessRunner({
      stateDir: world.stateDir,
      workspaceRoot: join(world.dir, 'work'),
      secrets: new Map(),
      events: { changed: () => undefined, output: () => undefined },
      env: process.env,
      now: () => new Date(),
      hostname: HOST,
    });
    const record = recordOf({ run: 'mkdir -p a/b; touch a/b/c; chmod -R a-w a; pwd' });
    await begin(runner, record);
    const { text } = await waitForEnd(runner, record);
    assert.is(text, `run stdout ${join(world.dir, 'work', 'report-1-default-1')}\n`);
    await runner.release([record], never);
    assert.equal(readdirSync(join(world.dir, 'work')), []);
  }),
);

life.run();
