import { spawnSync } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseGateReport } from '../../src/render/gate-report.ts';
import { GATE } from '../../src/render/gate.ts';
import { BUSYBOX, type Ended, missingForGates, type Pod, type PodSettings, startPod, type Step } from './gates.ts';

const test = suite('gate');
const missing = missingForGates();
if (missing !== undefined) console.log(`# skipped: ${missing}`);

const sh = (script: string, more: Partial<Step> = {}): Step => ({ command: ['sh', '-c', script], ...more });
const say = (text: string, more: Partial<Step> = {}): Step => sh(`echo ${text} >>$W/log`, more);

async function within<T>(pod: Pod, look: () => Promise<T>): Promise<T> {
  try {
    return await look();
  } finally {
    await pod.remove();
  }
}

interface Outcome {
  readonly ended: readonly Ended[];
  readonly log: string;
  readonly codes: readonly (number | null)[];
  readonly results: readonly (string | undefined)[];
}

async function outcomeOf(pod: Pod): Promise<Outcome> {
  const ended = await pod.ended;
  const log = await pod.read('log');
  return { ended, log, codes: ended.map(({ code }) => code), results: ended.map(({ report }) => report?.result) };
}

async function run(steps: readonly Step[], settings: PodSettings = {}): Promise<Outcome> {
  const pod = await startPod(steps, settings);
  return within(pod, () => outcomeOf(pod));
}

const gated = (name: string, look: () => Promise<void> | void): void =>
  missing === undefined ? test(name, look) : test.skip(name);

gated('steps run one after the other, and end with codes of their own', async () => {
  const slow = (name: string): Step => sh(`echo ${name} starts >>$W/log; sleep 0.2; echo ${name} ends >>$W/log`);
  const { codes, log, results } = await run([slow('a'), slow('b'), slow('c')]);
  assert.equal(codes, [0, 0, 0]);
  assert.equal(results, ['exited', 'exited', 'exited']);
  assert.is(log, 'a starts\na ends\nb starts\nb ends\nc starts\nc ends\n');
});

gated('output and arguments are the command’s own', async () => {
  const odd = ['--', 'a b', '', '$HOME', '*', "it's", 'x=1', 'back\\slash'];
  const { ended } = await run([{ command: ['printf', '<%s>', ...odd] }, sh('echo out; echo err >&2')]);
  assert.is(ended[0]?.stdout, odd.map((text) => `<${text}>`).join(''));
  assert.is(ended[1]?.stdout, 'out\n');
  assert.is(ended[1]?.stderr, 'err\n');
});

gated('after a failure later steps do not run, and finally does', async () => {
  const { codes, log, results } = await run([
    sh('exit 3'),
    say('never'),
    say('always', { when: 'always' }),
    say('success', { when: 'onSuccess' }),
    say('failure', { when: 'onFailure' }),
  ]);
  assert.equal(codes, [3, 0, 0, 0, 0]);
  assert.equal(results, ['exited', 'skipped', 'exited', 'skipped', 'exited']);
  assert.is(log, 'always\nfailure\n');
});

gated('exit codes that are no failure end the steps too', async () => {
  const { codes, log } = await run([
    sh('exit 43'),
    say('never'),
    say('success', { when: 'onSuccess' }),
    say('failure', { when: 'onFailure' }),
  ]);
  assert.equal(codes, [43, 0, 0, 0]);
  assert.is(log, 'success\n');
});

gated('a step of finally that fails keeps none from running', async () => {
  const { codes, log } = await run([
    say('a'),
    sh('exit 5', { when: 'always' }),
    say('success', { when: 'onSuccess' }),
    say('failure', { when: 'onFailure' }),
  ]);
  assert.equal(codes, [0, 5, 0, 0]);
  assert.is(log, 'a\nsuccess\n');
});

gated('a step beyond its time-out gets TERM, and does not count as a success', async () => {
  const { codes, log, results } = await run([
    sh('trap "echo term >>$W/log; exit 0" TERM; sleep 60 & wait', { timeoutS: 1 }),
    say('never'),
    say('failure', { when: 'onFailure' }),
  ]);
  assert.equal(codes, [124, 0, 0]);
  assert.equal(results, ['timeout-step', 'skipped', 'exited']);
  assert.is(log, 'term\nfailure\n');
});

gated('what ignores TERM is killed after the grace, children and all', async () => {
  const { codes, results, ended } = await run(
    [sh('trap "" TERM; (trap "" TERM; sleep 60) & sleep 60', { timeoutS: 1 }), say('never')],
    { graceS: 1 },
  );
  assert.equal(codes, [137, 0]);
  assert.equal(results, ['timeout-step', 'skipped']);
  assert.is(ended[0]?.stderr, '', 'the gate itself says nothing');
});

gated('an exit code that is no failure is one after a time-out', async () => {
  const { codes, log } = await run([
    sh('trap "exit 42" TERM; sleep 60 & wait', { timeoutS: 1 }),
    say('success', { when: 'onSuccess' }),
    say('failure', { when: 'onFailure' }),
  ]);
  assert.equal(codes, [42, 0, 0]);
  assert.is(log, 'failure\n');
});

gated('the time-out of the run goes on from step to step', async () => {
  const { codes, results, log } = await run(
    [sh('sleep 1.5'), sh('sleep 60'), say('never'), say('end', { when: 'always' })],
    {
      runS: 2,
    },
  );
  assert.equal(codes, [0, 143, 0, 0]);
  assert.equal(results, ['exited', 'timeout-run', 'skipped', 'exited']);
  assert.is(log, 'end\n');
});

gated('all steps of finally share one time-out', async () => {
  const { codes, results } = await run(
    [sh('exit 1'), sh('sleep 60', { when: 'always' }), sh('sleep 60', { when: 'always' })],
    { finallyS: 1 },
  );
  assert.equal(codes, [1, 143, 124]);
  assert.equal(results, ['exited', 'timeout-finally', 'timeout-finally']);
});

const WAITS = 'trap "echo term >>$W/log; exit 7" TERM; echo up >$W/up; sleep 60 & wait';

gated('TERM is passed to the step that runs; the next one does not, finally does', async () => {
  const pod = await startPod([
    say('a'),
    sh(WAITS),
    say('never'),
    say('always', { when: 'always' }),
    say('failure', { when: 'onFailure' }),
    say('success', { when: 'onSuccess' }),
  ]);
  const { codes, log, results } = await within(pod, async () => {
    await pod.seen('up');
    await Promise.all(pod.gates.slice(1).map((gate) => gate.signal('TERM')));
    return outcomeOf(pod);
  });
  assert.equal(codes, [0, 7, 143, 0, 0, 0]);
  assert.equal(results, ['exited', 'cancelled', 'skipped', 'exited', 'skipped', 'skipped']);
  assert.is(log, 'a\nterm\nalways\n');
});

gated('TERM does not end a step of finally that runs', async () => {
  const pod = await startPod([say('a'), sh(`echo up >$W/up; sleep 1; echo done >>$W/log`, { when: 'always' })]);
  const { codes, log } = await within(pod, async () => {
    await pod.seen('up');
    await pod.gates[1]?.signal('TERM');
    return outcomeOf(pod);
  });
  assert.equal(codes, [0, 0]);
  assert.is(log, 'a\ndone\n');
});

gated('no command runs before all containers do', async () => {
  const pod = await startPod([say('a'), say('b', { late: true })]);
  await within(pod, async () => {
    await new Promise((resolve) => setTimeout(resolve, 500));
    assert.is(await pod.read('log'), '');
    pod.gates[1]?.start();
    const { codes, log } = await outcomeOf(pod);
    assert.equal(codes, [0, 0]);
    assert.is(log, 'a\nb\n');
  });
});

gated('a pod that is deleted before its first step runs nothing at all', async () => {
  const pod = await startPod([say('a'), say('b'), say('c', { late: true }), say('end', { when: 'always' })]);
  await within(pod, async () => {
    await pod.seen('state/2.ready');
    const running = pod.gates.filter((_, index) => index !== 2);
    await Promise.all(running.map((gate) => gate.signal('TERM')));
    const ended = await Promise.all(running.map((gate) => gate.ended));
    assert.equal(
      ended.map(({ code }) => code),
      [143, 143, 0],
    );
    assert.is(await pod.read('log'), '');
  });
});

gated('a step whose container is killed is noticed, and is no success', async () => {
  const pod = await startPod([
    sh('echo up >$W/up; sleep 60'),
    say('never'),
    say('never'),
    say('always', { when: 'always' }),
    say('failure', { when: 'onFailure' }),
    say('success', { when: 'onSuccess' }),
  ]);
  const { codes, log, results } = await within(pod, async () => {
    await pod.seen('up');
    await pod.gates[0]?.signal('KILL');
    return outcomeOf(pod);
  });
  assert.is.not(codes[0], 0);
  assert.equal(codes.slice(1), [125, 0, 0, 0, 0]);
  assert.equal(results.slice(1), ['lost', 'skipped', 'exited', 'exited', 'skipped']);
  assert.is(log, 'always\nfailure\n');
});

gated('what a step leaves behind is gone before the next one starts', async () => {
  const { codes, log, ended } = await run([
    sh('trap "" TERM; (while :; do echo daemon; echo alive >$W/alive; sleep 0.1; done) & sleep 0.3'),
    sh('rm -f $W/alive; sleep 0.5; [ -e $W/alive ] && echo still there >>$W/log || echo gone >>$W/log'),
  ]);
  assert.equal(codes, [0, 0]);
  assert.is(log, 'gone\n');
  assert.match(ended[0]?.stdout ?? '', 'daemon');
});

gated('a command gets its environment, folder, signals and descriptors as in a container of its own', async () => {
  const look = `env | grep -v -e ^PWD= -e ^_= | sort; umask; pwd; for n in Ign Blk; do grep Sig$n /proc/self/status; done; ls /proc/self/fd | wc -l`;
  const { ended } = await run([{ command: ['sh', '-c', look], env: { gate_fine: 'mine', X: 'a b' } }, sh('true')]);
  const plain = spawnSync('sh', ['-c', look], {
    env: { PATH: process.env['PATH'], W: '-', gate_fine: 'mine', X: 'a b' },
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
  }).stdout;
  const comparable = (text = ''): string => text.replaceAll(/^(W=|gate_fine=|\/).*$/gm, '$1');
  assert.is(comparable(ended[0]?.stdout), comparable(plain));
});

gated('SIGINT ends what a step starts, as everywhere', async () => {
  const { codes, log } = await run([sh('timeout -s INT 0.3 sleep 60; echo ended >>$W/log'), say('next')]);
  assert.equal(codes, [0, 0]);
  assert.is(log, 'ended\nnext\n');
});

gated('a step that empties the folder of the gates disturbs nobody', async () => {
  const { codes, log } = await run([sh('rm -rf $W/state/*'), say('b'), say('end', { when: 'always' })]);
  assert.equal(codes, [0, 0, 0]);
  assert.is(log, 'b\nend\n');
});

gated('what can not be started is told, and is no success', async () => {
  const { ended, codes, results } = await run([
    { command: ['no-such-program'] },
    { command: ['/no/such/program'], when: 'always' },
    { command: ['/etc/passwd'], when: 'always' },
    { command: ['pwd'], directory: '/no/such/folder', when: 'always' },
  ]);
  assert.equal(codes, [127, 127, 126, 127]);
  assert.equal(results, Array(4).fill('start-error'));
  assert.match(ended[0]?.stderr ?? '', 'step s1: there is no no-such-program on the PATH');
  assert.match(ended[2]?.stderr ?? '', '/etc/passwd may not be executed');
  assert.is(ended[0]?.report?.started, null);
});

gated('a folder that an earlier step makes may be the next one’s', async () => {
  const pod = await startPod([sh('mkdir -p $W/work/sub'), sh('pwd >>$W/log', { directory: 'sub' })]);
  const { codes, log } = await within(pod, () => outcomeOf(pod));
  assert.equal(codes, [0, 0]);
  assert.match(log, /\/work\/sub\n$/);
});

for (const [what, script] of [
  ['forges the word to the next gate', 'echo failed x >$W/state/1.result; rm -rf $W/state/1.up; exit 1'],
  ['writes into the pipes', 'for pipe in $W/state/*; do [ -p $pipe ] && (echo x 1<>$pipe); done; exit 1'],
  ['kills what has started it', 'kill -9 $PPID; sleep 60'],
  ['kills everything', 'kill -9 -1; sleep 60'],
  ['makes the gate believe that the pod is deleted', 'kill -TERM 1; sleep 60'],
  ['sounds the alarm', 'kill -USR1 1; exit 9'],
] as const)
  gated(`a step that ${what} does not make a success of the run`, async () => {
    const { codes, log } = await run([sh(script), say('never'), say('end', { when: 'always' })]);
    assert.ok(
      codes.some((code) => code !== 0),
      String(codes),
    );
    assert.not.match(log, 'never');
  });

gated('outside of a container of its own it refuses to run', () => {
  const pod =
    missing === undefined
      ? spawnSync(BUSYBOX, ['sh', '-c', GATE, 'gate', 'step=a', '--', 'true'], { encoding: 'utf8' })
      : undefined;
  assert.is(pod?.status, 125);
  assert.match(pod?.stderr ?? '', 'process 1 of its container');
});

test('a report is read as it was written, and everything else is none', () => {
  const report = {
    gate: 1,
    result: 'timeout-step',
    code: 143,
    started: '2026-11-20T01:30:00Z',
    finished: '2026-11-20T01:31:00Z',
  };
  const { gate: _version, ...read } = report;
  assert.equal(parseGateReport(JSON.stringify(report)), read);
  for (const text of [
    '',
    'x',
    'null',
    '[]',
    '1',
    '{}',
    JSON.stringify({ ...report, gate: 2 }),
    JSON.stringify({ ...report, result: 'succeeded' }),
    JSON.stringify({ ...report, code: '0' }),
    JSON.stringify({ ...report, started: null }),
  ])
    assert.is(parseGateReport(text), null, text);
});

test('the script is one that a shell can read', () => {
  if (missing !== undefined) return;
  const { status, stderr } = spawnSync(BUSYBOX, ['sh', '-n'], { input: GATE, encoding: 'utf8' });
  assert.is(status, 0, stderr);
});

test.run();
