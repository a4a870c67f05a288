/** Gates as local processes: each in a PID namespace of its own, as in a container, with a shared state folder. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { gateArguments, type GateSettings } from '../../src/render/gate-arguments.ts';
import { type GateReport, parseGateReport } from '../../src/render/gate-report.ts';
import { GATE } from '../../src/render/gate.ts';

/** Static, as the one that pods get. */
export const BUSYBOX = process.env['RUNLEDGER_TEST_BUSYBOX'] ?? '/bin/busybox';

const NAMESPACES: readonly (readonly string[])[] = [
  ['--pid', '--fork', '--mount-proc'],
  ['--user', '--map-root-user', '--pid', '--fork', '--mount-proc'],
];

/** What this machine lacks to run gates; undefined where nothing is missing. */
export function missingForGates(): string | undefined {
  if (spawnSync(BUSYBOX, ['true']).status !== 0) return `no busybox at ${BUSYBOX}`;
  return unshare() === undefined ? 'no PID namespaces here (unshare --pid)' : undefined;
}

function unshare(): readonly string[] | undefined {
  return NAMESPACES.find(
    (options) =>
      spawnSync('unshare', [...options, BUSYBOX, 'sh', '-c', '[ $$ = 1 ]'], { timeout: 10_000 }).status === 0,
  );
}

export interface Step {
  readonly command: readonly string[];
  readonly when?: GateSettings['when'];
  readonly timeoutS?: number;
  readonly directory?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Not started by `start()`. */
  readonly late?: boolean;
}

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly report: GateReport | null;
}

export interface Gate {
  readonly ended: Promise<Ended>;
  start(): void;
  /** A signal to process 1 of the container, as the kubelet sends it. */
  signal(name: 'TERM' | 'KILL'): Promise<void>;
}

export interface Pod {
  readonly folder: string;
  readonly gates: readonly Gate[];
  readonly ended: Promise<readonly Ended[]>;
  path(name: string): string;
  /** The content of a file; empty where there is none. */
  read(name: string): Promise<string>;
  /** Waits until a file has a content, and returns it. */
  seen(name: string): Promise<string>;
  remove(): Promise<void>;
}

export interface PodSettings {
  readonly runS?: number;
  readonly graceS?: number;
  readonly finallyS?: number;
  readonly notFailures?: readonly number[];
}

/** Starts a gate for each step, the last one first, as nothing may depend on their order. */
export async function startPod(steps: readonly Step[], settings: PodSettings = {}): Promise<Pod> {
  const folder = await mkdtemp(join(tmpdir(), 'gates-'));
  await mkdir(join(folder, 'state'));
  await mkdir(join(folder, 'work'));
  await writeFile(join(folder, 'gate'), GATE);
  const gates = steps.map((step, index) => makeGate(folder, step, index + 1, steps.length, settings));
  for (const [index, gate] of [...gates.entries()].reverse()) if (!steps[index]?.late) gate.start();
  const path = (name: string): string => join(folder, name);
  return {
    folder,
    gates,
    ended: Promise.all(gates.map((gate) => gate.ended)),
    path,
    read: (name) => readFile(path(name), 'utf8').catch(() => ''),
    seen: (name) => content(path(name)),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

function makeGate(folder: string, step: Step, position: number, gates: number, settings: PodSettings): Gate {
  const report = join(folder, `report.${position}`);
  const options = [...(unshare() ?? []), BUSYBOX, 'sh', join(folder, 'gate')];
  const parameters = gateArguments({
    step: `s${position}`,
    position,
    gates,
    when: step.when ?? null,
    timeoutS: step.timeoutS ?? null,
    runTimeoutS: settings.runS ?? 60,
    finallyTimeoutS: settings.finallyS ?? 30,
    graceS: settings.graceS ?? 5,
    notFailures: settings.notFailures ?? [42, 43],
    directory: resolve(folder, 'work', step.directory ?? '.'),
    state: join(folder, 'state'),
    busybox: BUSYBOX,
    report,
  });
  const { promise, resolve: settle } = Promise.withResolvers<Ended>();
  let child: ChildProcess | undefined;
  return {
    ended: promise,
    start() {
      const env = { PATH: process.env['PATH'], W: folder, ...step.env };
      child = spawn('unshare', [...options, ...parameters, ...step.command], {
        env,
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const output = { stdout: '', stderr: '' };
      child.stdout?.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()));
      child.stderr?.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()));
      child.on('close', (code) => {
        const text = existsSync(report) ? readFileSync(report, 'utf8') : '';
        settle({ code, ...output, report: parseGateReport(text) });
      });
    },
    async signal(name) {
      const pid = child?.pid ?? 0;
      const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
      process.kill(Number(children.trim()), `SIG${name}`);
    },
  };
}

async function content(path: string): Promise<string> {
  for (;;) {
    const text = await readFile(path, 'utf8').catch(() => '');
    if (text !== '') return text;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
