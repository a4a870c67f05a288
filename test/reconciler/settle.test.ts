// test-timeout: 300s
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { until } from '../runner/world.ts';
import { type House, type Housekeeper, manifest, told, withHouse } from './house.ts';

const test = suite('runs from manifest to outcome');

const linesOf = (house: House, name: string): readonly string[] =>
  existsSync(join(house.dir, name)) ? readFileSync(join(house.dir, name), 'utf8').trimEnd().split('\n') : [];

/** A script that waits until the file is there. */
const waitFor = (house: House, name: string): string => `while ! test -e ${house.dir}/${name}; do sleep 0.05; done`;

/** A script that says that it runs, and then waits to be let go. */
const gated = (house: House, name: string): string =>
  `run: |\n  touch ${house.dir}/${name}.on\n  ${waitFor(house, `${name}.go`)}`;
const isOn = (house: House, name: string) => until(`${name} runs`, () => existsSync(join(house.dir, `${name}.on`)));
const letGo = (house: House, name: string): void => writeFileSync(join(house.dir, `${name}.go`), '');

/** Goes on until it is stopped; the report comes when it has. */
function goOn(keeper: Housekeeper) {
  const stop = new AbortController();
  const report = keeper.settle({ goOn: true }, stop.signal);
  return {
    recorded: (run: string) =>
      until(`${run} is recorded`, () =>
        keeper.events.some((event) => event.kind === 'recorded' && `${event.key.job} #${event.key.run}` === run),
      ),
    claimed: (run: string) =>
      until(`${run} is claimed`, () =>
        keeper.events.some((event) => event.kind === 'claimed' && `${event.action.job} #${event.action.run}` === run),
      ),
    async stop() {
      stop.abort();
      return report;
    },
  };
}

test('the end of a run is told with how the job did before, skipped and cancelled runs aside', () =>
  withHouse(async (house) => {
    const keeper = await house.keeper();
    for (const code of [0, 3, 43, 3, 0]) {
      await house.commit({ a: `env: { ROUND: "${keeper.events.length}" }\nrun: exit ${code}` });
      await keeper.settle();
    }
    const ends = keeper.events.flatMap((event) =>
      event.kind === 'finished' ? [`${event.outcome.run} ${event.previous} → ${event.outcome.result}`] : [],
    );
    assert.equal(ends, [
      '1 null → succeeded',
      '2 succeeded → failed',
      '3 failed → skipped',
      '4 failed → failed',
      '5 failed → succeeded',
    ]);
  }));

test('a chain goes from job to job with results and variables, once', () =>
  withHouse(async (house) => {
    const revision = await house.commit({
      build: 'run: |\n  echo "::set-outcome-var version=7"',
      pack: 'needs: [build]\nenv: { VERSION: "1" }\nrun: echo pack',
      ship: `needs: [pack, build]\nrun: echo shipped >> ${house.dir}/ship`,
    });
    const report = await house.settle();
    assert.equal(told(report), [
      'build #1 succeeded Completed',
      'pack #1 succeeded Completed',
      'ship #1 succeeded Completed',
    ]);
    const ship = await house.outcome('ship', 1);
    assert.equal(ship?.trigger, { kind: 'needs', job: 'pack', run: 1 });
    assert.equal([ship?.chain, (await house.outcome('pack', 1))?.chain], [revision, revision]);
    assert.equal(told(await house.settle()), [], 'and not again');
    await house.commit({ build: 'run: exit 3' });
    assert.equal([...told(await house.settle())].sort(), [
      'build #2 failed ExitCode',
      'pack #2 skipped UpstreamFailed',
      'ship #2 skipped UpstreamFailed',
    ]);
    assert.equal(linesOf(house, 'ship'), ['shipped']);
  }));

test('a job with a trigger of its own waits for what it needs in the same commit, though it comes first by name', () =>
  withHouse(async (house) => {
    await house.commit({
      'a-deploy': `needs: [z-build]\non: { commit: true }\nrun: echo deploy >> ${house.dir}/log`,
      'z-build': `run: echo build >> ${house.dir}/log`,
    });
    assert.equal(told(await house.settle({ mostLive: 1 })), [
      'z-build #1 succeeded Completed',
      'a-deploy #1 succeeded Completed',
    ]);
    assert.equal(linesOf(house, 'log'), ['build', 'deploy']);
    await house.commit({ 'a-deploy': `needs: [z-build]\non: { commit: true }\nrun: echo again >> ${house.dir}/log` });
    assert.equal(
      told(await house.settle()),
      ['a-deploy #2 succeeded Completed'],
      'the last result of the other counts',
    );
  }));

test('a matrix runs each of its tasks with its own values and ends with the worst of them', () =>
  withHouse(async (house) => {
    await house.commit({
      a: [
        'matrix: { node: [22, 24], os: [linux] }',
        'run: |',
        '  echo "::set-outcome-var v$RUNLEDGER_MATRIX_NODE=$RUNLEDGER_TASK"',
        '  test "$RUNLEDGER_MATRIX_NODE" = 22',
      ].join('\n'),
      b: [
        'env: { WHO: job, BOTH: job }',
        'tasks: [plain, { name: own, env: { WHO: task } }]',
        'run: |',
        '  echo "::set-outcome-var $RUNLEDGER_TASK=$WHO,$BOTH"',
      ].join('\n'),
    });
    const { outcomes } = await house.settle();
    const a = outcomes.find(({ job }) => job === 'a');
    assert.equal(
      a?.tasks.map(({ name, result, matrix }) => [name, result, matrix]),
      [
        ['22-linux', 'succeeded', { node: 22, os: 'linux' }],
        ['24-linux', 'failed', { node: 24, os: 'linux' }],
      ],
    );
    assert.equal([a?.result, a?.exitCode, a?.vars], ['failed', 1, { v22: '22-linux', v24: '24-linux' }]);
    assert.equal(outcomes.find(({ job }) => job === 'b')?.vars, { plain: 'job,job', own: 'task,job' });
    const log = await (await house.view()).read(a?.tasks[1]?.attempts[0]?.log?.path ?? '');
    assert.ok(log !== undefined && a?.tasks[1]?.attempts[0]?.log?.path.endsWith('1.24-linux.1.log'));
  }));

test('a task is tried again as the job says, each attempt with its reason and log', () =>
  withHouse(async (house) => {
    await house.commit({
      a: [
        'retry: { limit: 2, on: [{ exitCodes: [7] }], backoff: 0s }',
        'run: |',
        `  echo x >> ${house.dir}/tries`,
        '  echo "attempt $RUNLEDGER_ATTEMPT"',
        '  test "$RUNLEDGER_ATTEMPT" = 3 || exit 7',
      ].join('\n'),
      b: 'retry: { limit: 2, on: [{ exitCodes: [7] }], backoff: 0s }\nrun: exit 8',
      c: 'steps: [{ name: s, command: [/no/such/program] }]',
    });
    const { outcomes } = await house.settle();
    const [a, b, c] = ['a', 'b', 'c'].map((name) => outcomes.find(({ job }) => job === name)?.tasks[0]);
    assert.equal(
      a?.attempts.map(({ number, result, exitCode, log }) => [number, result, exitCode, log?.path.split('/').at(-1)]),
      [
        [1, 'failed', 7, '1.1.log'],
        [2, 'failed', 7, '1.2.log'],
        [3, 'succeeded', 0, '1.3.log'],
      ],
    );
    assert.is(a?.result, 'succeeded');
    assert.equal(linesOf(house, 'tries'), ['x', 'x', 'x']);
    assert.equal([b?.attempts.length, b?.exitCode], [1, 8]);
    assert.equal([c?.attempts.length, c?.reason], [1, 'StartError'], 'what is not there is not asked for twice');
  }));

test('abort ends the tasks that run and those that are left', () =>
  withHouse(async (house) => {
    await house.commit({
      a: [
        'tasks: [fails, runs, waits]',
        'maxParallel: 2',
        'abort: onFailure',
        'run: |',
        '  case $RUNLEDGER_TASK in',
        `  fails) ${waitFor(house, 'on')}; exit 3;;`,
        `  runs) touch ${house.dir}/on; exec sleep 300;;`,
        `  *) touch ${house.dir}/waits;;`,
        '  esac',
      ].join('\n'),
    });
    const { outcomes } = await house.settle();
    assert.equal(
      outcomes[0]?.tasks.map(({ name, result, reason, attempts }) => [name, result, reason, attempts.length]),
      [
        ['fails', 'failed', 'ExitCode', 1],
        ['runs', 'cancelled', 'Aborted', 1],
        ['waits', 'cancelled', 'Aborted', 0],
      ],
    );
    assert.equal([outcomes[0]?.result, outcomes[0]?.exitCode], ['failed', 3]);
    assert.not.ok(existsSync(join(house.dir, 'waits')));
  }));

/** What runs at a time in a group shows in the order of these lines. */
const marked = (house: House, name: string, more: string): string =>
  `concurrency: { group: g${more} }\nrun: |\n  echo "${name} on" >> ${house.dir}/log\n  sleep 0.3\n  echo "${name} off" >> ${house.dir}/log`;

test('in a work tree with changes that nobody commits, a chained job follows each run of what it needs', () =>
  withHouse(async (house) => {
    await house.commit({ build: 'run: echo 1', pack: 'needs: [build]\nrun: echo' });
    assert.is((await house.settle()).outcomes.length, 2);
    for (const [index, run] of [2, 3].entries()) {
      writeFileSync(join(house.folder, 'build.yaml'), manifest('build', `run: echo uncommitted ${index}`));
      assert.equal(told(await house.settle()), [
        `build #${run} succeeded Completed`,
        `pack #${run} succeeded Completed`,
      ]);
    }
    assert.equal(told(await house.settle()), [], 'and not again');
    const chain = (await house.outcome('pack', 3))?.chain ?? '';
    assert.match(chain, /^[0-9a-f]{40}\+dirty\.[0-9a-f]{16}$/);
    assert.is((await house.outcome('build', 3))?.chain, chain);
  }));

test('a run that waits for what it needs is executed as its job is by then', () =>
  withHouse(async (house) => {
    const asking = (value: string): string =>
      `on: {}\nneeds: [build]\nparameters: { WHO: { default: nobody } }\nrun: echo "${value} $RUNLEDGER_PARAM_WHO" >> ${house.dir}/log`;
    await house.commit({ build: gated(house, 'build'), pack: asking('before') });
    const keeper = await house.keeper();
    const id = 'r1';
    const requests = [{ job: 'pack', id, params: { WHO: 'ada' }, args: [] }];
    // In the chain of the request: so that it waits, build is asked for in the same.
    const stop = new AbortController();
    const report = keeper.settle(
      { goOn: true, requests: [...requests, { job: 'build', id, params: {}, args: [] }] },
      stop.signal,
    );
    await isOn(house, 'build');
    await until('pack is claimed', () =>
      keeper.events.some((event) => event.kind === 'claimed' && event.action.job === 'pack'),
    );
    await house.commit({ pack: asking('after') });
    keeper.reconciler.sourceChanged();
    await until('it is claimed again', () =>
      keeper.events.some((event) => event.kind === 'claimed' && event.action.reason === 'Interrupted'),
    );
    letGo(house, 'build');
    await until('pack is recorded', () =>
      keeper.events.some((event) => event.kind === 'recorded' && event.key.job === 'pack'),
    );
    stop.abort();
    assert.equal(
      told(await report).filter((line) => line.startsWith('pack')),
      ['pack #1 succeeded Completed'],
    );
    assert.equal(linesOf(house, 'log'), ['after ada'], 'with what was asked for');
  }));

test('runs of a shared group follow each other with queue, and run side by side with allow', () =>
  withHouse(async (house) => {
    await house.commit({ a: marked(house, 'a', ''), b: marked(house, 'b', ''), c: marked(house, 'c', '') });
    assert.is((await house.settle()).outcomes.length, 3);
    const lines = linesOf(house, 'log');
    for (let index = 0; index < lines.length; index += 2)
      assert.is(lines[index + 1], lines[index]?.replace(' on', ' off'), lines.join('|'));
    const meets = (own: string, other: string): string =>
      `concurrency: { group: h, policy: allow }\nrun: |\n  touch ${house.dir}/${own}\n  ${waitFor(house, other)}`;
    await house.commit({ d: meets('d', 'e'), e: meets('e', 'd') });
    assert.is((await house.settle()).outcomes.filter(({ result }) => result === 'succeeded').length, 2);
  }));

test('skip ends the run that comes, replace the one that is there, before and after it has begun', () =>
  withHouse(async (house) => {
    const group = 'concurrency: { group: g }';
    await house.commit({ first: `${group}\ntasks: [x, y]\nmaxParallel: 1\n${gated(house, 'first')}` });
    const keeper = await house.keeper();
    const going = goOn(keeper);
    await isOn(house, 'first');
    await house.commit({ queued: `${group}\nrun: echo` });
    keeper.reconciler.sourceChanged();
    await going.claimed('queued #1');
    await house.commit({ skipped: 'concurrency: { group: g, policy: skip }\nrun: echo' });
    keeper.reconciler.sourceChanged();
    await going.recorded('skipped #1');
    await house.commit({ replacing: 'concurrency: { group: g, policy: replace }\nrun: echo replaced' });
    keeper.reconciler.sourceChanged();
    await going.recorded('replacing #1');
    const report = await going.stop();
    // What was not executed is due again with the next commit: only the first runs tell of this one.
    const firsts = told(report).filter((line) => line.includes('#1 '));
    assert.equal(firsts.sort(), [
      'first #1 cancelled Superseded',
      'queued #1 cancelled Superseded',
      'replacing #1 succeeded Completed',
      'skipped #1 skipped ConcurrencySkipped',
    ]);
    const first = report.outcomes.find(({ job }) => job === 'first');
    assert.equal(
      first?.tasks.map(({ attempts }) => attempts.length),
      [1, 0],
      'its other task does not start',
    );
  }));

test('a group is one for all that reconcile the same repository', () =>
  withHouse(async (house) => {
    await house.commit({ a: `concurrency: { group: g }\n${gated(house, 'a')}` });
    const [one, two] = [await house.keeper(), await house.keeper()];
    const first = one.settle();
    await isOn(house, 'a');
    await house.commit({ b: `concurrency: { group: g }\nrun: test -e ${house.dir}/a.go` });
    const second = two.settle();
    await until('b is claimed', () => two.events.some(({ kind }) => kind === 'claimed'));
    letGo(house, 'a');
    assert.equal([told(await first), told(await second)], [['a #1 succeeded Completed'], ['b #1 succeeded Completed']]);
  }));

test('higher priority goes first when only one may run', () =>
  withHouse(async (house) => {
    const said = (name: string, priority: number): string =>
      `priority: ${priority}\nrun: echo ${name} >> ${house.dir}/log`;
    await house.commit({ a: said('a', -1), b: said('b', 0), c: said('c', 10), d: said('d', 5) });
    assert.is((await house.settle({ attempts: 1 })).outcomes.length, 4);
    assert.equal(linesOf(house, 'log'), ['c', 'd', 'b', 'a']);
  }));

test('timeouts.queue ends what waits, for its turn and for what it needs', () =>
  withHouse(async (house) => {
    await house.commit({
      a: `concurrency: { group: g }\n${gated(house, 'a')}`,
      b: 'concurrency: { group: g }\ntimeouts: { queue: 1s }\nrun: echo',
      c: 'needs: [a]\non: { commit: true }\ntimeouts: { queue: 1s }\nrun: echo',
    });
    const keeper = await house.keeper();
    const going = goOn(keeper);
    await going.recorded('b #1');
    await going.recorded('c #1');
    letGo(house, 'a');
    await going.recorded('a #1');
    const { outcomes } = await going.stop();
    const byJob = new Map(outcomes.map((outcome) => [outcome.job, outcome]));
    assert.equal([byJob.get('b')?.reason, byJob.get('c')?.reason], ['QueueTimeout', 'QueueTimeout']);
    assert.match(byJob.get('b')?.message ?? '', 'for run 1 of a in group g');
    assert.match(byJob.get('c')?.message ?? '', 'for run 1 of a');
    const claims = keeper.events.filter(({ kind }) => kind === 'claimed').length;
    assert.is(claims, 3, 'a run that waits is claimed once');
  }));

test('of commits that come while a run lasts, the newest takes the place of the others', () =>
  withHouse(async (house) => {
    await house.commit({ a: gated(house, 'one') });
    const keeper = await house.keeper();
    const going = goOn(keeper);
    await isOn(house, 'one');
    for (const run of [2, 3, 4]) {
      await house.commit({ a: `run: echo ${run} >> ${house.dir}/log` });
      keeper.reconciler.sourceChanged();
      await going.claimed(`a #${run}`);
    }
    letGo(house, 'one');
    await going.recorded('a #4');
    assert.equal([...told(await going.stop())].sort(), [
      'a #1 succeeded Completed',
      'a #2 cancelled Superseded',
      'a #3 cancelled Superseded',
      'a #4 succeeded Completed',
    ]);
    assert.equal(linesOf(house, 'log'), ['4']);
    assert.equal(told(await house.settle()), []);
  }));

test('a job that is removed is cancelled, whether it runs or waits, and runs again when it comes back', () =>
  withHouse(async (house) => {
    const waiting = `concurrency: { group: g }\nrun: echo b >> ${house.dir}/log`;
    await house.commit({ a: `concurrency: { group: g }\n${gated(house, 'a')}`, b: waiting, c: 'run: echo' });
    const keeper = await house.keeper();
    const going = goOn(keeper);
    await isOn(house, 'a');
    await going.claimed('b #1');
    await house.commit({ a: null, b: null });
    keeper.reconciler.sourceChanged();
    await going.recorded('a #1');
    await going.recorded('b #1');
    assert.equal([...told(await going.stop())].sort(), [
      'a #1 cancelled JobRemoved',
      'b #1 cancelled JobRemoved',
      'c #1 succeeded Completed',
    ]);
    assert.equal(linesOf(house, 'log'), []);
    await house.commit({ b: waiting });
    assert.equal(told(await house.settle()), ['b #2 succeeded Completed'], 'it was never executed before');
  }));

test('a job that is suspended while it runs goes on, and starts nothing more until it may again', () =>
  withHouse(async (house) => {
    await house.commit({ a: gated(house, 'a') });
    const keeper = await house.keeper();
    const going = goOn(keeper);
    await isOn(house, 'a');
    await house.commit({ a: `suspend: true\nrun: echo >> ${house.dir}/log` });
    keeper.reconciler.sourceChanged();
    await until('it is seen', () => keeper.events.filter(({ kind }) => kind === 'planned').length > 1);
    letGo(house, 'a');
    await going.recorded('a #1');
    assert.equal(told(await going.stop()), ['a #1 succeeded Completed']);
    assert.equal(told(await house.settle()), []);
    assert.is((await house.status('a'))?.phase, 'Suspended');
    await house.commit({ a: `run: echo ran >> ${house.dir}/log` });
    assert.equal(told(await house.settle()), ['a #2 succeeded Completed']);
    assert.equal(linesOf(house, 'log'), ['ran']);
  }));

test('a file that no longer parses lets its runs go on, and starts none', () =>
  withHouse(async (house) => {
    await house.commit({ a: gated(house, 'a') });
    const keeper = await house.keeper();
    const going = goOn(keeper);
    await isOn(house, 'a');
    writeFileSync(join(house.folder, 'a.yaml'), 'apiVersion: runledger.dev/v1\nkind: [\n');
    keeper.reconciler.sourceChanged();
    await until('it is seen', () => keeper.events.filter(({ kind }) => kind === 'planned').length > 1);
    letGo(house, 'a');
    await going.recorded('a #1');
    assert.equal(told(await going.stop()), ['a #1 succeeded Completed']);
    assert.equal(told(await house.settle()), []);
    assert.is((await house.status('a'))?.phase, 'Invalid');
  }));

test('stopping cancels what has begun, tasks to come included, and leaves what waits to whoever comes next', () =>
  withHouse(async (house) => {
    await house.commit({
      a: `concurrency: { group: g }\ntasks: [x, y]\nmaxParallel: 1\n${gated(house, 'a')}`,
      b: `concurrency: { group: g }\nrun: echo b >> ${house.dir}/log`,
    });
    const going = goOn(await house.keeper());
    await isOn(house, 'a');
    await going.claimed('b #1');
    assert.equal(told(await going.stop()), ['a #1 cancelled CancelRequested']);
  }));

test('each instant of a schedule runs once, also over restarts, suspension and a clock that is set back', () =>
  withHouse(async (house) => {
    let clock = Date.parse('2030-01-01T00:30:00Z');
    const now = (): Date => new Date(clock);
    const spec = 'on: { schedule: { cron: "0 * * * *", catchUp: all } }\nrun: echo';
    await house.commit({ a: spec });
    const settleAt = async (time: string) => {
      clock = Date.parse(time);
      const { outcomes } = await (await house.keeper({ now })).settle();
      return outcomes.map(({ run, trigger }) => `${run} ${trigger.kind === 'schedule' && trigger.at}`);
    };
    assert.equal(await settleAt('2030-01-01T00:30:00Z'), []);
    assert.equal(await settleAt('2030-01-01T01:00:01Z'), ['1 2030-01-01T01:00:00Z']);
    assert.equal(await settleAt('2030-01-01T01:00:02Z'), []);
    assert.equal(await settleAt('2030-01-01T00:30:00Z'), [], 'set back');
    assert.equal(await settleAt('2030-01-01T01:30:00Z'), []);
    assert.equal(await settleAt('2030-01-01T03:10:00Z'), ['2 2030-01-01T02:00:00Z', '3 2030-01-01T03:00:00Z']);
    await house.commit({ a: `suspend: true\n${spec}` });
    assert.equal(await settleAt('2030-01-01T05:10:00Z'), []);
    await house.commit({ a: spec });
    assert.equal(await settleAt('2030-01-01T06:10:00Z'), []);
    assert.equal(await settleAt('2030-01-01T07:00:00Z'), ['4 2030-01-01T07:00:00Z']);
    assert.is((await house.status('a'))?.lastInstant, '2030-01-01T07:00:00Z');
  }));

test('who goes on runs an instant when it comes', () =>
  withHouse(async (house) => {
    // An hour passes in each of its seconds.
    const [begin, real] = [Date.parse('2030-01-01T00:30:00Z'), Date.now()];
    const now = (): Date => new Date(begin + (Date.now() - real) * 3_600);
    await house.commit({ a: 'on: { schedule: { cron: "0 * * * *", catchUp: none, deadline: 12h } }\nrun: echo' });
    const keeper = await house.keeper({ now });
    const going = goOn(keeper);
    const ring = setInterval(() => keeper.reconciler.changed({ job: 'a', run: 0 }), 200);
    await going.recorded('a #2');
    clearInterval(ring);
    const { outcomes } = await going.stop();
    const instants = outcomes.map(({ trigger }) => (trigger.kind === 'schedule' ? trigger.at : ''));
    assert.is(new Set(instants).size, instants.length);
    for (const instant of instants) assert.match(instant, /T\d\d:00:00Z$/);
  }));

test.run();
