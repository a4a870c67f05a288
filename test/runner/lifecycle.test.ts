import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isCoded } from '../../src/errors.ts';
import { createProcesses, createProcessRunner } from '../../src/runner/process/index.ts';
import { endedAttempt, HOST, isAlive, never, pidIn, recordOf, textOf, until, waitForEnd, withWorld } from './world.ts';

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

life('a claim is made once: the second start starts nothing', () =>
  withWorld(async (world) => {
    const [one, two] = [world.runner(), world.runner()];
    const record = recordOf({ run: `echo x >> ${world.dir}/ran` });
    const results = await Promise.all([one, two, one, two].map((runner) => runner.start(record, [], never)));
    assert.equal(results.sort(), ['exists', 'exists', 'exists', 'started']);
    await waitForEnd(one, record);
    assert.is(await one.start(record, [], never), 'exists');
    assert.is(await readFile(join(world.dir, 'ran'), 'utf8'), 'x\n');
    assert.equal(readdirSync(join(world.stateDir, 'staging')), []);
  }),
);

life('runs beyond the concurrency wait, and one that is cancelled while it waits never starts', () =>
  withWorld(async (world) => {
    const runner = world.runner({ concurrency: 1 });
    const first = recordOf({ run: 'sleep 0.5' }, { run: 1 });
    const second = recordOf({ run: `touch ${world.dir}/second` }, { run: 2 });
    const third = recordOf({ run: 'true' }, { run: 3 });
    for (const record of [first, second, third]) await runner.start(record, [], never);
    const phases = await until('the first one runs', async () => {
      const runs = await runner.list(never);
      return runs[0]?.phase === 'running' && runs.map(({ phase, mine }) => `${phase} ${mine}`);
    });
    assert.equal(phases, ['running true', 'queued true', 'queued true']);
    await runner.cancel(second, 'Superseded');
    assert.equal((await waitForEnd(runner, second)).ending, { kind: 'cancelled', reason: 'Superseded', step: null });
    assert.equal((await waitForEnd(runner, third)).ending, { kind: 'exited', step: 'run', exitCode: 0 });
    assert.not.ok(existsSync(join(world.dir, 'second')));
    const { ending, started } = await waitForEnd(runner, first);
    assert.equal(ending, { kind: 'exited', step: 'run', exitCode: 0 });
    assert.type(started, 'string');
    assert.ok(world.changes.some(({ run }) => run === 3));
  }),
);

life('cancel ends a run with its reason, and whoever releases a run that is executed is refused', () =>
  withWorld(async (world) => {
    const runner = world.runner();
    const record = recordOf({ run: 'echo $$\nexec sleep 300' });
    await runner.start(record, [], never);
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

life('close cancels everything, waits for it, and starts nothing after', () =>
  withWorld(async (world) => {
    const runner = world.runner({ concurrency: 1 });
    for (const run of [1, 2])
      await runner.start(recordOf({ timeouts: { grace: '1s' }, run: stubborn(world.dir) }, { run }), [], never);
    const child = await pidIn(join(world.dir, 'child'));
    await runner.close('Aborted');
    assert.not.ok(isAlive(child));
    const runs = await runner.list(never);
    assert.equal(
      runs.map(({ attempts: [attempt] }) => attempt?.ending),
      [
        { kind: 'cancelled', reason: 'Aborted', step: 'run' },
        { kind: 'cancelled', reason: 'Aborted', step: null },
      ],
    );
    try {
      await runner.start(recordOf({ run: 'true' }, { run: 3 }), [], never);
      assert.unreachable();
    } catch (error) {
      assert.ok(isCoded(error, 'RunnerClosed'), String(error));
    }
  }),
);

life('kill ends what runs at once', () =>
  withWorld(async (world) => {
    const runner = world.runner();
    await runner.start(recordOf({ run: stubborn(world.dir) }), [], never);
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
    const live = join(world.stateDir, 'runs', 'report-1', 'live.log');
    await until('its output is there', async () => (await readFile(live, 'utf8')).includes('before'));
    const watcher = world.runner();
    const [alive] = await watcher.list(never);
    assert.is(`${alive?.phase} ${alive?.mine}`, 'running false');
    await dying.kill();
    assert.ok(pids.every(isAlive), 'they outlive the one that started them');

    const observer = world.runner({ observe: true });
    const [seen] = await observer.list(never);
    assert.is(`${seen?.phase} ${seen?.mine} ${seen?.attempts[0]?.ending?.kind}`, 'ended true lost');
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
    assert.is(await watcher.start(recordOf(spec), [], never), 'exists');
  }),
);

life('a run whose runledger was killed before it started is lost too', () =>
  withWorld(async (world) => {
    const dead = spawn('true');
    await new Promise((resolve) => dead.once('exit', resolve));
    const self = createProcesses(HOST).self;
    const folder = join(world.stateDir, 'runs', 'report-1');
    await mkdir(folder, { recursive: true });
    const claim = { format: 1, record: recordOf({ run: 'true' }), owner: { ...self, pid: dead.pid, id: 'x' } };
    await writeFile(join(folder, 'claim.json'), JSON.stringify(claim));
    const [run] = await world.runner().list(never);
    const [attempt] = run?.attempts ?? [];
    assert.is(attempt?.started, null);
    assert.match(JSON.stringify(attempt?.ending), 'ended before the run had started');
  }),
);

life('a number that has gone to another process is neither the owner nor killed', () =>
  withWorld(async (world) => {
    const bystander = spawn('sleep', ['300'], { detached: true, stdio: 'ignore' });
    const processes = createProcesses(HOST);
    const identity = processes.identify(bystander.pid ?? 0);
    assert.ok(identity);
    const former = { ...identity, started: `${identity.started}0` };
    const folder = join(world.stateDir, 'runs', 'report-1');
    await mkdir(folder, { recursive: true });
    const claim = { format: 1, record: recordOf({ run: 'true' }), owner: { ...former, id: 'x' } };
    await writeFile(join(folder, 'claim.json'), JSON.stringify(claim));
    await writeFile(
      join(folder, 'state.json'),
      JSON.stringify({ started: claim.record.queued, step: 'run', leader: former }),
    );
    const [run] = await world.runner().list(never);
    assert.is(run?.attempts[0]?.ending?.kind, 'lost');
    assert.ok(isAlive(bystander.pid ?? 0));
    bystander.kill('SIGKILL');
  }),
);

life('a run of another machine is left alone', () =>
  withWorld(async (world) => {
    const folder = join(world.stateDir, 'runs', 'report-1');
    await mkdir(folder, { recursive: true });
    const self = createProcesses(HOST).self;
    const ownerElsewhere = { ...self, boot: 'another', host: 'another-host', id: 'x' };
    const claim = { format: 1, record: recordOf({ run: 'true' }), owner: ownerElsewhere };
    await writeFile(join(folder, 'claim.json'), JSON.stringify(claim));
    const [run] = await world.runner().list(never);
    assert.is(`${run?.phase} ${run?.mine}`, 'queued false');
  }),
);

life('an ending that was written and not recorded survives its process', () =>
  withWorld(async (world) => {
    const dying = startOwner(world.stateDir, { run: 'echo out\necho ::set-outcome-var a=b\nexit 3' });
    await until('it has ended', () => dying.said().includes('ended'));
    const watcher = world.runner();
    const [before] = await watcher.list(never);
    assert.is(`${before?.phase} ${before?.mine}`, 'ended false', 'its process is about to record it');
    await dying.kill();
    const [after] = await watcher.list(never);
    assert.is(`${after?.phase} ${after?.mine}`, 'ended true');
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
      await runner.start(recordOf({ run: 'true', services: { db: { image: 'x' } } }), [], never);
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
      concurrency: 1,
      events: { changed: () => undefined, output: () => undefined },
      env: process.env,
      now: () => new Date(),
      hostname: HOST,
    });
    const record = recordOf({ run: 'mkdir -p a/b; touch a/b/c; chmod -R a-w a; pwd' });
    await runner.start(record, [], never);
    const { text } = await waitForEnd(runner, record);
    assert.is(text, `run stdout ${join(world.dir, 'work', 'report-1')}\n`);
    await runner.release([record], never);
    assert.equal(readdirSync(join(world.dir, 'work')), []);
  }),
);

life.run();
