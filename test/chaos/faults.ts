import { setTimeout as sleep } from 'node:timers/promises';
import { LIFE_POINTS, type LifePoint } from '../../src/cli/commands/controller.ts';
import { ADOPT_POINTS, PARK_POINTS, POOL_POINTS, START_POINTS } from '../../src/runner/kubernetes/points.ts';
import { deleteObject, listObjects } from '../../src/runner/kubernetes/objects.ts';
import { leases } from '../../src/runner/kubernetes/wire.ts';
import type { Fault as CallFault } from '../runner/kubernetes/proxy.ts';
import { eventually } from '../support/cluster.ts';
import type { Crew, Member } from './crew.ts';
import type { Gate } from './gate.ts';
import { type Lane, onceASecond } from './lane.ts';
import { serveOldLists } from './stale.ts';

/** What a fault can look at and touch while it goes on. */
export interface Scene {
  readonly lane: Lane;
  readonly crew: Crew;
  /** Whether every run of the round is in the ledger. */
  readonly recorded: () => Promise<boolean>;
  /** How many pods of the round have been created. */
  readonly created: () => number;
}

/** Something that goes wrong while runs go on. */
export interface Fault {
  readonly name: string;
  /** True where a pod that can't mount its payload may be created: a simulated node would start it all the same. */
  readonly needsKubelet?: boolean;
  /** The controllers, in the order in which they are started. */
  members(jobs: number): readonly Member[];
  /** Before the first controller is started; returns how to end what it began. */
  before?(lane: Lane): Promise<() => void>;
  /** From the moment on at which the round's commit is made. */
  during?(scene: Scene): Promise<void>;
}

const LIMIT_MS = 300_000;
/** Points that come once a run; the others come once for many, or once a leader. */
const PER_RUN: ReadonlySet<LifePoint> = new Set<LifePoint>([
  ...START_POINTS,
  ...POOL_POINTS,
  'beforeOutput',
  'afterOutput',
  'beforeRecord',
  'afterRecord',
  'afterFinalizer',
]);

const nthOf = (point: LifePoint, jobs: number): number =>
  PER_RUN.has(point) ? Math.min(7, Math.ceil(jobs / 2)) : jobs > 50 ? 2 : 1;

const killedAt = (point: LifePoint): Fault => {
  const name = `killed at ${point}`;
  const clean: Member = {};
  if (ADOPT_POINTS.some((each) => each === point)) {
    // Somebody has to leave something behind first.
    const first = (jobs: number): Member => ({ point: 'afterPayload', nth: nthOf('afterPayload', jobs) });
    return { name, members: (jobs) => [first(jobs), { point }, clean] };
  }
  if (point.startsWith('adopting')) {
    const before = async (lane: Lane) => failing(lane, (method) => method === 'POST' && dice(0.5) && LOST);
    return { name, before, members: () => [{ point, throughProxy: true }, clean] };
  }
  const members = (jobs: number): readonly Member[] => [{ point, nth: nthOf(point, jobs) }, clean];
  if (PARK_POINTS.some((each) => each === point)) return { name, members: () => [{ point }, clean], during: gitIsDown };
  return { name, members };
};

/** Stopped there until another one has taken over and all is done; then it goes on as if nothing had happened. */
const stoppedAt = (point: LifePoint): Fault => ({
  name: `stopped at ${point}, continued after all is done`,
  needsKubelet: point === 'checkedPod',
  members: (jobs) => [{ point, nth: nthOf(point, jobs), signal: 'SIGSTOP' }, {}],
  async during({ lane, crew, recorded }) {
    await eventually('the leader stops itself', () => crew.started[0]?.struck(), LIMIT_MS);
    await eventually(
      'all is done without it',
      onceASecond(async () => (await recorded()) && (await lane.left()).length === 0),
      LIMIT_MS,
    );
    crew.started[0]?.process.kill('SIGCONT');
    await sleep(3_000);
  },
});

const dice = (chance: number): boolean => Math.random() < chance;
const LOST = { kind: 'lostAnswer' } as const;
const CALL_FAULTS: readonly CallFault[] = [
  { kind: 'status', status: 500 },
  { kind: 'status', status: 429, retryAfter: '1' },
  { kind: 'drop' },
  LOST,
];
const anyFault = (): CallFault => CALL_FAULTS[Math.floor(Math.random() * CALL_FAULTS.length)] ?? LOST;

/** Lets calls to the API server go wrong until the returned function is called. */
function failing({ proxy }: Lane, choose: (method: string, url: string) => CallFault | false | undefined): () => void {
  proxy.fault = (method, url) => choose(method, url) || undefined;
  return () => {
    proxy.fault = () => undefined;
  };
}

/** Fails one git call in ten, in every way. */
function failGit({ server }: Lane): () => void {
  const inForty = /./;
  inForty.test = () => dice(0.025);
  const kinds = [
    { kind: 'status', status: 500 },
    { kind: 'status', status: 429, headers: { 'retry-after': '1' } },
    { kind: 'drop', afterBytes: 0 },
    LOST,
  ] as const;
  const ends = kinds.map((kind) => server.fault(kind, { matching: inForty }));
  return () => {
    for (const end of ends) end();
  };
}

/** Does the work while a server is stopped. */
async function whileStopped(gate: Gate, work: () => Promise<unknown>): Promise<void> {
  await gate.close();
  try {
    await work();
  } finally {
    await gate.open();
  }
}

/** Stops a server for these times, one after the other, once pods are there. */
const stoppedFor =
  (pick: (lane: Lane) => Gate, ...timesMs: readonly number[]) =>
  async ({ lane, created }: Scene): Promise<void> => {
    await eventually('pods are created', () => created() > 0, LIMIT_MS);
    for (const ms of timesMs) {
      await whileStopped(pick(lane), () => sleep(ms));
      await sleep(2_000);
    }
  };

/** Stops the git server once pods are there, until the leader has come to its point. */
async function gitIsDown({ lane, crew, created }: Scene): Promise<void> {
  await eventually('pods are created', () => created() > 0, LIMIT_MS);
  await whileStopped(lane.gitGate, () =>
    eventually('the leader comes to its point', () => crew.started[0]?.struck(), LIMIT_MS),
  );
}

async function deleteLeases({ cluster, namespace }: Lane): Promise<void> {
  const signal = AbortSignal.timeout(LIMIT_MS);
  const { items } = await listObjects(cluster, leases, { namespace }, { signal });
  for (const { metadata } of items)
    await deleteObject(cluster, leases, { namespace, name: metadata?.name ?? '' }, { signal });
}

const everyMember = (member: Member) => (): readonly Member[] => [member, member];

const CIRCUMSTANCES: readonly Fault[] = [
  { name: 'two leaders at once', members: () => [{}, { ownLease: true }] },
  {
    name: 'two leaders at once, one of them slow',
    members: () => [{ throughProxy: true }, { ownLease: true }],
    before: async (lane) =>
      failing(lane, (method) => method === 'POST' && { kind: 'delay', ms: Math.random() * 3_000 }),
  },
  stoppedAt('checkedClaim'),
  stoppedAt('checkedPayload'),
  stoppedAt('checkedPod'),
  stoppedAt('beforePush'),
  stoppedAt('beforeRelease'),
  {
    name: 'a leader with a stale cache',
    members: everyMember({ throughProxy: true }),
    before: (lane) => serveOldLists(lane),
  },
  {
    name: 'killed at afterPod, adopted with a stale cache',
    members: (jobs) => [{ point: 'afterPod', nth: nthOf('afterPod', jobs) }, { throughProxy: true }],
    before: (lane) => serveOldLists(lane),
  },
  {
    name: 'the Lease is deleted by hand',
    members: () => [{}, {}],
    async during({ lane, created }) {
      await eventually('pods are created', () => created() > 0, LIMIT_MS);
      for (let times = 0; times < 3; times += 1) {
        await deleteLeases(lane);
        await sleep(2_500);
      }
    },
  },
  {
    name: 'the API server fails one call in ten',
    members: everyMember({ throughProxy: true }),
    before: async (lane) => failing(lane, () => dice(0.1) && anyFault()),
  },
  {
    name: 'the API server is stopped and started',
    members: everyMember({ throughProxy: true }),
    during: stoppedFor(({ apiGate }) => apiGate, 5_000, 20_000),
  },
  { name: 'the git server fails one call in ten', members: () => [{}, {}], before: async (lane) => failGit(lane) },
  {
    name: 'answers to pushes are lost',
    members: () => [{}, {}],
    before: async ({ server }) => server.fault(LOST, { matching: /git-receive-pack$/, times: 5 }),
  },
  {
    name: 'the git server is stopped and started',
    members: () => [{}, {}],
    during: stoppedFor(({ gitGate }) => gitGate, 3_000, 12_000),
  },
];

/** A pod of the attempt's own: what runs on a runner never comes there. */
const OF_OWN_PODS: ReadonlySet<string> = new Set(['checkedPod', 'adoptingPod', 'afterPod']);

/** What may go wrong with attempts on the runners of a set: at each point of a claim and a hand-over, and all around it. */
export const WARM_FAULTS: readonly Fault[] = [
  ...POOL_POINTS.map(killedAt),
  ...LIFE_POINTS.filter((point) => !OF_OWN_PODS.has(point)).map(killedAt),
  ...(['beforeBind', 'afterBind', 'afterRunnerClaim', 'beforeHandover'] as const).map(stoppedAt),
  ...CIRCUMSTANCES.filter(({ name }) => !/checkedPod|afterPod/.test(name)),
];

/** Every fault: a kill at each point of a run's life, and what may go wrong around it. */
export const FAULTS: readonly Fault[] = [...LIFE_POINTS.map(killedAt), ...CIRCUMSTANCES];
