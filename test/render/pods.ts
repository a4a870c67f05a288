/** Runs of rendered pods on a real cluster. */
import { type GateReport, parseGateReport } from '../../src/render/gate-report.ts';
import { taskRecord } from '../../src/job/task-spec.ts';
import { type PodExpectation, type PodVerdict, readPod } from '../../src/outcome/pod.ts';
import { renderClaim } from '../../src/render/claim.ts';
import type { PodContext } from '../../src/render/context.ts';
import { renderPayload } from '../../src/render/payload.ts';
import { renderPod } from '../../src/render/pod.ts';
import { expectationOf } from '../../src/render/evidence.ts';
import { planRecord } from '../../src/render/steps.ts';
import { createObject, deleteObject, getObject } from '../../src/runner/kubernetes/objects.ts';
import { type ConfigMap, configMaps, toWire, type Pod, pathOf, pods } from '../../src/runner/kubernetes/wire.ts';
import type { RunRecord } from '../../src/runner/port.ts';
import type { Job } from '../../src/schemas/index.ts';
import { eventually, type TestCluster } from '../support/cluster.ts';
import { CONTEXT, filesOf, recordOf, taskOf } from './world.ts';

export interface ContainerEnd {
  readonly code: number;
  readonly reason: string;
  readonly report: GateReport | null;
}

export interface RunningPod {
  readonly name: string;
  read(): Promise<Pod>;
  /** What the pod amounts to now, without anything being asked of it. */
  verdict(): Promise<PodVerdict>;
  /** Waits until the log of a container holds the text. */
  says(container: string, text: string): Promise<void>;
  delete(): Promise<void>;
  /** How each container ended, by its name. */
  ended(limitMs?: number): Promise<Readonly<Record<string, ContainerEnd>>>;
  /** Lines with the time at which they came. */
  log(container: string, timestamps?: boolean, previous?: boolean): Promise<string>;
}

/** Creates claim, payload and pod of a job; the gate comes from busybox:1.36. */
export async function createPod(
  test: TestCluster,
  namespace: string,
  job: Job,
  { task, ...changes }: Partial<RunRecord> & { readonly task?: string } = {},
): Promise<RunningPod> {
  const { cluster, signal } = test;
  const record = recordOf(job, changes);
  const base: PodContext = {
    ...CONTEXT,
    namespace,
    imagePullSecrets: [],
    podDefaults: {},
    gate: { image: 'busybox:1.36', busybox: '/bin/busybox' },
  };
  const create = (map: ConfigMap): Promise<ConfigMap> => createObject(cluster, configMaps, map, { signal });
  const ownerOf = ({ metadata }: ConfigMap) => ({ name: metadata?.name ?? '', uid: metadata?.uid ?? '' });
  const claim = ownerOf(await create(toWire(renderClaim(record, base))));
  const payload = ownerOf(
    await create(toWire(renderPayload({ record, files: filesOf(record), context: base, claim }))),
  );
  const pod = toWire(renderPod({ record, task: taskOf(record, task), attempt: 1, context: { ...base, payload } }));
  const created = await createObject(cluster, pods, pod, { signal });
  const expected = expectationOf(planRecord(taskRecord(record, taskOf(record, task)).record));
  return running(test, namespace, created.metadata?.name ?? '', expected);
}

function running(
  { cluster, signal }: TestCluster,
  namespace: string,
  name: string,
  expected: PodExpectation,
): RunningPod {
  const ref = { namespace, name };
  const read = (): Promise<Pod> => getObject(cluster, pods, ref, { signal });
  async function log(container: string, timestamps = false, previous = false): Promise<string> {
    const path = `${pathOf(pods, ref)}/log`;
    const query = { container, timestamps: String(timestamps), previous: String(previous) };
    const stream = await cluster.stream({ method: 'GET', path, query, doing: 'reading a log', repeat: 'safe', signal });
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks).toString();
  }
  return {
    name,
    read,
    log,
    async verdict() {
      const context = { ...expected, asked: null, nodeLostSince: null, nodeLostAfterMs: 300_000 };
      return readPod(await read(), context, new Date().toISOString());
    },
    async says(container, text) {
      await eventually(`${container} of ${name} says ${text}`, async () => {
        const said = await log(container).catch(() => '');
        return said.includes(text);
      });
    },
    async delete() {
      await deleteObject(cluster, pods, ref, { signal });
    },
    ended: (limitMs = 60_000) =>
      eventually(
        `all containers of ${name} have ended`,
        async () => {
          const { status, spec } = await read();
          const statuses = status?.containerStatuses ?? [];
          const ends = statuses.filter(({ state }) => state?.terminated);
          return ends.length === spec?.containers.length && Object.fromEntries(ends.map(endOf));
        },
        limitMs,
      ),
  };
}

type Status = NonNullable<NonNullable<Pod['status']>['containerStatuses']>[number];

function endOf({ name, state }: Status): readonly [string, ContainerEnd] {
  const { exitCode = -1, reason = '', message = '' } = state?.terminated ?? {};
  return [name, { code: exitCode, reason, report: parseGateReport(message) }];
}

/** Exit codes by container. */
export const codesOf = (ends: Readonly<Record<string, ContainerEnd>>): Readonly<Record<string, number>> =>
  Object.fromEntries(Object.entries(ends).map(([name, { code }]) => [name, code]));
