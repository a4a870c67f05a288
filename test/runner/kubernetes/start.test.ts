import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { tasksOf } from '../../../src/job/fan-out.ts';
import { OUTCOME_FINALIZER } from '../../../src/render/labels.ts';
import { systemClock } from '../../../src/runner/kubernetes/clock.ts';
import { deleteObject, listObjects } from '../../../src/runner/kubernetes/objects.ts';
import { parkOutcome } from '../../../src/runner/kubernetes/park.ts';
import { removeFinalizer } from '../../../src/runner/kubernetes/release.ts';
import { type Scope, unopposed } from '../../../src/runner/kubernetes/scope.ts';
import { claimRun, judgeAttempt, makePayload, makePod, type StartParts } from '../../../src/runner/kubernetes/start.ts';
import { type ConfigMap, configMaps, type Pod, pods } from '../../../src/runner/kubernetes/wire.ts';
import type { ParkedOutcome, RunRecord } from '../../../src/runner/port.ts';
import { eventually, openTestCluster } from '../../support/cluster.ts';
import { IMAGE } from './world.ts';

const recordOf = (job: string, digest = '0'): RunRecord => ({
  job,
  run: 1,
  trigger: { kind: 'commit', revision: 'a'.repeat(40) },
  revision: 'a'.repeat(40),
  path: `${job}.yaml`,
  digest: `v1:${digest.repeat(64)}`,
  covered: {},
  spec: { image: IMAGE, run: 'sleep 60' },
  labels: {},
  params: {},
  args: [],
  chain: 'a'.repeat(40),
  queued: '2026-01-02T03:04:05.000Z',
});

const test = await openTestCluster('start');
if (test) {
  const { cluster, namespace, signal } = test;
  const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined };
  const scope: Scope = {
    cluster,
    namespace,
    installation: 'test',
    source: 'start',
    authority: unopposed,
    clock: systemClock,
    log: quiet,
  };
  const partsOf = (): StartParts => ({
    scope,
    podContext: {
      image: IMAGE,
      imagePullSecrets: [],
      podDefaults: {},
      gate: { image: IMAGE, busybox: '/bin/busybox' },
    },
    readSecrets: async () => [],
    reached: async () => undefined,
  });
  type Started =
    | { readonly kind: 'started'; readonly claim: ConfigMap; readonly payload: string; readonly pod: Pod }
    | { readonly kind: 'settled'; readonly digest: string }
    | { readonly kind: 'taken' };
  const start = async (job: string, isRecorded: () => Promise<boolean>, digest?: string): Promise<Started> => {
    const parts = partsOf();
    const record = recordOf(job, digest);
    const [task] = tasksOf(record.spec);
    const claimed = await claimRun(parts, record, signal);
    if (claimed === 'taken' || !task) return { kind: 'taken' };
    const podFor = await judgeAttempt(parts, record, { task, number: 1 }, signal);
    const payload = await makePayload(
      parts,
      {
        claim: claimed.object,
        record,
        files: [],
        marks: { 'default.1': new Date().toISOString() },
        isRecorded,
        isNew: () => claimed.made,
      },
      signal,
    );
    if (payload?.settled) return { kind: 'settled', digest: payload.settled.digest };
    const pod = payload && (await makePod(parts, record, podFor(payload), signal));
    return pod ? { kind: 'started', claim: claimed.object, payload: payload.name, pod } : { kind: 'taken' };
  };
  const no = async (): Promise<boolean> => false;
  const namesOf = async (job: string): Promise<readonly string[]> => {
    const selection = { namespace, labelSelector: `app.kubernetes.io/name=${job}` };
    const found = await Promise.all([
      listObjects(cluster, configMaps, selection, { signal }),
      listObjects(cluster, pods, selection, { signal }),
    ]);
    return found.flatMap(({ items }) => items.map(({ metadata }) => metadata?.name ?? ''));
  };
  /** Starts a run and lets go of it as after its end: its claim alone stays. */
  const startAndRelease = async (job: string): Promise<string> => {
    const run = await start(job, no);
    if (run.kind !== 'started') throw new Error(run.kind);
    const nameOf = (object: ConfigMap | Pod): string => object.metadata?.name ?? '';
    await deleteObject(cluster, configMaps, { namespace, name: run.payload }, { signal });
    await deleteObject(cluster, pods, { namespace, name: nameOf(run.pod) }, { signal, gracePeriodSeconds: 0 });
    assert.ok(run.pod.metadata?.finalizers?.includes(OUTCOME_FINALIZER));
    await removeFinalizer(scope, run.pod, signal);
    await eventually('the pod is gone', async () => (await namesOf(job)).length === 1);
    return nameOf(run.claim);
  };
  const starts = suite('start of a run in a cluster');

  starts('a start that was cut off is finished, with the objects that are there', async () => {
    const first = await start('cut', no);
    const again = await start('cut', no);
    assert.is(first.kind, 'started');
    assert.is(again.kind, 'started');
    assert.is((await namesOf('cut')).length, 3);
  });

  starts('a claim is adopted by who has another spec; what has been put down with it stays', async () => {
    const claimed = await claimRun(partsOf(), recordOf('changed', '0'), signal);
    assert.ok(claimed !== 'taken' && claimed.made);
    assert.is((await start('changed', no, '1')).kind, 'started');
    assert.equal(await start('changed', no, '2'), { kind: 'settled', digest: `v1:${'1'.repeat(64)}` });
    assert.is((await namesOf('changed')).length, 3);
  });

  starts('a run that was recorded and let go of meanwhile is not started again', async () => {
    const claim = await startAndRelease('recorded');
    let asked = 0;
    const late = await start('recorded', async () => {
      asked += 1;
      return true;
    });
    assert.equal(late, { kind: 'taken' });
    assert.is(asked, 1);
    assert.equal(await namesOf('recorded'), [claim]);
  });

  starts('a run whose outcome waits on its claim is not started again', async () => {
    const claim = await startAndRelease('parked');
    const parked: ParkedOutcome = {
      outcome: {} as ParkedOutcome['outcome'],
      logs: new Map(),
      keep: { runs: 1, forMs: 1 },
    };
    await parkOutcome(scope, { job: 'parked', run: 1 }, parked, signal);
    assert.equal(await start('parked', no), { kind: 'taken' });
    assert.equal(await namesOf('parked'), [claim]);
  });

  starts('whoever makes the claim asks nobody', async () => {
    const never = async (): Promise<boolean> => {
      throw new Error('the ledger was asked');
    };
    assert.is((await start('fresh', never)).kind, 'started');
  });

  starts.after(() => test.remove());
  starts.run();
}
