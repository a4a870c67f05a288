/**
 * Breaks the controller in every way it can think of while jobs run, and then counts: every run in the ledger exactly once,
 * exactly one pod ever created for each attempt, and nothing left in the cluster but claims.
 *
 *     npm run chaos -- [--jobs 100] [--rounds 12] [--real]
 *
 * Needs KUBECONFIG and git. Pods run on simulated nodes labelled `type: kwok` unless --real is given. Who created which
 * pod is taken from a watch of the API server that is on from before the first pod to the end.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import { startGitServer, type GitServer, type Repository } from '../support/git-server.ts';
import { temporaryDirectory } from '../support/git.ts';
import { recordCreations, type Creations } from './creations.ts';
import { kubectl, type Namespace, withNamespace } from './kubectl.ts';

const POINTS = [
  'beforeClaim',
  'afterClaim',
  'afterPayload',
  'afterPod',
  'beforeRecord',
  'afterRecord',
  'beforeRelease',
  'afterPayloads',
  'afterFinalizers',
  'afterRelease',
] as const;

const { values } = parseArgs({
  options: {
    jobs: { type: 'string', default: '100' },
    rounds: { type: 'string', default: '12' },
    real: { type: 'boolean', default: false },
  },
});
const JOBS = Number(values.jobs);
const ROUNDS = Number(values.rounds);

/** A fault of a round, and how it is brought about. */
interface Fault {
  readonly name: string;
  /** Of the controller that is started for this round. */
  readonly env?: Readonly<Record<string, string>>;
  during?(world: World, leader: ChildProcess): Promise<void>;
}

interface World {
  readonly server: GitServer;
  readonly repository: Repository;
  readonly namespace: Namespace;
  readonly config: string;
  readonly log: string[];
}

const FAULTS: readonly Fault[] = [
  ...POINTS.map((point): Fault => ({ name: `killed at ${point}`, env: { CHAOS_POINT: point, CHAOS_NTH: '7' } })),
  {
    name: 'stopped between check and create, continued after another has finished',
    env: { CHAOS_POINT: 'afterPayload', CHAOS_NTH: '5', CHAOS_SIGNAL: 'SIGSTOP' },
    async during(_world, leader) {
      await sleep(25_000);
      leader.kill('SIGCONT');
    },
  },
  {
    name: 'lease deleted by hand',
    async during({ namespace }) {
      await sleep(2_000);
      await kubectl('-n', namespace.name, 'delete', 'lease', '--all');
    },
  },
  {
    name: 'git server fails one call in ten',
    async during({ server }) {
      const ends = Array.from({ length: 30 }, () =>
        server.fault({ kind: 'status', status: 500 }, { matching: oneInTen(), times: 1 }),
      );
      await sleep(10_000);
      for (const end of ends) end();
    },
  },
  {
    name: 'git answers are lost',
    async during({ server }) {
      const end = server.fault({ kind: 'lostAnswer' }, { matching: /git-receive-pack$/, times: 5 });
      await sleep(10_000);
      end();
    },
  },
];

/** Matches a call in ten: a RegExp that looks at nothing but the dice. */
function oneInTen(): RegExp {
  const dice = /./;
  dice.test = () => Math.random() < 0.1;
  return dice;
}

const manifest = (index: number, round: number): string => `apiVersion: runledger.dev/v1
kind: Job
metadata: { name: job-${index} }
spec:
  image: busybox:1.36
  run: "sleep 0.2; echo round ${round}"
${values.real ? '' : '  pod:\n    nodeSelector: { type: kwok }\n    tolerations: [{ key: kwok.test/node, operator: Exists }]\n'}`;

function startController({ config, namespace, log }: World, env: Readonly<Record<string, string>>): ChildProcess {
  const options = { config, listen: '127.0.0.1:0', installation: 'chaos', leaseNamespace: namespace.name };
  const child = spawn(process.execPath, [path.join(import.meta.dirname, 'controller.ts')], {
    env: { ...process.env, ...env, CHAOS_OPTIONS: JSON.stringify(options) },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  child.stderr.on('data', (chunk: Buffer) => log.push(chunk.toString()));
  return child;
}

/** How many outcomes the ledger has, by job. */
async function outcomes({ repository }: World): Promise<readonly string[]> {
  const files = await repository.git('ls-tree', '-r', '--name-only', 'runledger/status').catch(() => '');
  return files.split('\n').filter((file) => /\/\d+\.yaml$/.test(file));
}

async function round(world: World, number: number, fault: Fault): Promise<void> {
  const files = Object.fromEntries(
    Array.from({ length: JOBS }, (_, index) => [`job-${index}.yaml`, manifest(index, number)]),
  );
  const victim = startController(world, fault.env ?? {});
  await sleep(1_500);
  const other = startController(world, {});
  await world.repository.commit(files);
  const broken = fault.during?.(world, victim);
  const wanted = JOBS * number;
  const until = Date.now() + 180_000;
  while ((await outcomes(world)).length < wanted && Date.now() < until) await sleep(500);
  await broken;
  // A moment for what is left to be let go of, and for a second record to show up if there were one.
  await sleep(3_000);
  for (const child of [victim, other]) child.kill('SIGTERM');
  await sleep(2_000);
  for (const child of [victim, other]) child.kill('SIGKILL');
  const found = (await outcomes(world)).length;
  console.log(`${found === wanted ? 'ok  ' : 'FAIL'} round ${number}: ${fault.name}: ${found} of ${wanted} outcomes`);
}

async function verdict(world: World, creations: Creations): Promise<readonly string[]> {
  const problems: string[] = [];
  const files = await outcomes(world);
  if (files.length !== JOBS * ROUNDS) problems.push(`${files.length} outcomes, not ${JOBS * ROUNDS}`);
  const counts = creations.byName();
  const twice = [...counts].filter(([, uids]) => uids.size > 1);
  if (twice.length > 0)
    problems.push(
      `${twice.length} pods were created more than once: ${twice
        .slice(0, 5)
        .map(([name]) => name)
        .join(', ')}`,
    );
  if (counts.size !== JOBS * ROUNDS) problems.push(`${counts.size} pods were created for ${JOBS * ROUNDS} runs`);
  for (const kind of ['pods', 'configmaps'] as const) {
    const selector = 'app.kubernetes.io/managed-by=runledger,app.kubernetes.io/component!=claim';
    const left = (await kubectl('-n', world.namespace.name, 'get', kind, '-l', selector, '-o', 'name')).trim();
    if (left !== '') problems.push(`left over: ${left.split('\n').slice(0, 5).join(', ')}`);
  }
  await world.repository.git('fsck', '--strict');
  return problems;
}

const { path: directory, remove } = await temporaryDirectory();
const server = await startGitServer({ root: path.join(directory, 'git') });
const repository = await server.createRepository('jobs.git');
await withNamespace('chaos', async (namespace) => {
  const config = path.join(directory, 'config.yaml');
  writeFileSync(
    config,
    `apiVersion: runledger.dev/v1\nkind: Config\nconcurrency: 500\nsources:\n  - { name: chaos, url: "${repository.url}", interval: 1s, namespace: ${namespace.name} }\n`,
  );
  const world: World = { server, repository, namespace, config, log: [] };
  const creations = await recordCreations(namespace.name);
  const started = Date.now();
  for (let number = 1; number <= ROUNDS; number += 1) {
    const fault = FAULTS[(number - 1) % FAULTS.length];
    if (fault) await round(world, number, fault);
  }
  const problems = await verdict(world, creations);
  creations.stop();
  writeFileSync('/tmp/runledger-chaos.log', world.log.join(''));
  const runs = JOBS * ROUNDS;
  console.log(`${runs} runs, ${ROUNDS} rounds, ${Math.round((Date.now() - started) / 1_000)} s`);
  for (const problem of problems) console.log(`FAIL ${problem}`);
  console.log(
    problems.length === 0
      ? 'every run is in the ledger once, every attempt had one pod, and nothing is left'
      : 'failed',
  );
  process.exitCode = problems.length === 0 ? 0 : 1;
});
await server.close();
await remove();
