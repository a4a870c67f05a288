import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { podName } from '../../../src/render/names.ts';
import type { PayloadFacts, RunObjects } from '../../../src/runner/kubernetes/inventory.ts';
import { createLiveRuns } from '../../../src/runner/kubernetes/live-runs.ts';
import type { Scope } from '../../../src/runner/kubernetes/scope.ts';
import type { Pod } from '../../../src/runner/kubernetes/wire.ts';
import type { AttemptState, LiveRun, RunRecord } from '../../../src/runner/port.ts';

const test = suite('live runs');

const NOW = Date.parse('2026-01-02T03:04:05Z');
const scope = { installation: 'i', source: 's', clock: { now: () => NOW } } as unknown as Scope;
const record = { job: 'a', run: 1, spec: { run: 'true' } } as unknown as RunRecord;
const podOf = (number: number): Pod => ({
  metadata: { name: podName(scope, { job: 'a', run: 1, task: 'default', attempt: number }) },
});
const attempt = (number: number, more: Partial<AttemptState> = {}): AttemptState => ({
  task: 'default',
  number,
  started: null,
  finished: null,
  ending: null,
  output: null,
  ...more,
});

/** A run with one attempt that goes on, and how to ask what it is at. */
function world() {
  const states = new Map<string, AttemptState>();
  const podless = new Map<string, Map<string, AttemptState>>();
  const starting = new Set<string>();
  const stateOf = ({ metadata }: Pod): AttemptState => states.get(metadata?.name ?? '') ?? attempt(0);
  const ask = createLiveRuns({ scope, attendance: { stateOf }, podless, starting });
  const at = new Date(NOW).toISOString();
  const run: RunObjects = {
    key: { job: 'a', run: 1 },
    claim: { metadata: { name: 'claim' } },
    record,
    payload: payloadOf({ 'default.1': at }),
    pods: new Map(),
    vanished: new Map(),
  };
  const put = (pod: Pod, state: AttemptState): void => {
    run.pods.set(pod.metadata?.name ?? '', pod);
    states.set(pod.metadata?.name ?? '', state);
  };
  put(podOf(1), attempt(1));
  const live = (): LiveRun => ask(run)!;
  return { run, put, podless, live, at };
}

const payloadOf = (marks: Readonly<Record<string, string>>): PayloadFacts => ({
  name: 'payload',
  uid: 'u',
  resourceVersion: '1',
  marks,
  warm: {},
});

test('a run is the same object for as long as nothing changes', () => {
  const { live } = world();
  assert.is(live(), live());
});

test('an attempt without a pod was cut off, unless it was begun too long ago or its pod was seen', () => {
  const endingOf = (minutesAgo: number, wasSeen = false): string | undefined => {
    const { run, live } = world();
    run.pods.clear();
    run.payload = payloadOf({ 'default.1': new Date(NOW - minutesAgo * 60_000).toISOString() });
    if (wasSeen) run.vanished.set(podOf(1).metadata?.name ?? '', podOf(1));
    const ending = live().attempts[0]?.ending;
    return ending?.kind === 'infrastructure' ? `${ending.reason}: ${ending.message}` : undefined;
  };
  assert.is(endingOf(9), undefined);
  assert.match(endingOf(11) ?? '', /^PodDeleted: begun at .*, and there is no pod: .* nobody knows/);
  assert.match(endingOf(0, true) ?? '', /^PodDeleted: the pod is gone, .* finalizer was removed by somebody$/);
});

const CHANGES: readonly (readonly [string, (w: ReturnType<typeof world>) => void, (live: LiveRun) => void])[] = [
  [
    'its attempt starts',
    ({ put }) => put(podOf(1), attempt(1, { started: 'then' })),
    ({ attempts }) => assert.is(attempts[0]?.started, 'then'),
  ],
  [
    'another attempt is made',
    ({ run, put, at }) => {
      run.payload = payloadOf({ 'default.1': at, 'default.2': at });
      put(podOf(2), attempt(2));
    },
    ({ attempts }) =>
      assert.equal(
        attempts.map(({ number }) => number),
        [1, 2],
      ),
  ],
  [
    'its pod is gone',
    ({ run }) => {
      const [[name, pod]] = [...run.pods] as [[string, Pod]];
      run.pods.delete(name);
      run.vanished.set(name, pod);
    },
    ({ attempts }) => assert.is(attempts[0]?.ending?.kind, 'infrastructure'),
  ],
  [
    'an attempt ends that never had a pod',
    ({ podless }) => podless.set('a/1', new Map([['default.2', attempt(2, { finished: 'then' })]])),
    ({ attempts }) => assert.is(attempts[1]?.finished, 'then'),
  ],
  [
    'somebody asks for its end',
    ({ run }) => {
      const annotations = { 'runledger.dev/cancel': JSON.stringify({ reason: 'JobRemoved' }) };
      run.claim = { metadata: { name: 'claim', annotations } };
    },
    ({ cancelled }) => assert.is(cancelled, 'JobRemoved'),
  ],
  [
    'its payload is read',
    ({ run }) => {
      run.record = { ...record, args: ['x'] };
    },
    (live) => assert.equal(live.record.args, ['x']),
  ],
];

for (const [what, change, check] of CHANGES)
  test(`it is told anew when ${what}`, () => {
    const w = world();
    const before = w.live();
    change(w);
    const after = w.live();
    assert.is.not(after, before);
    check(after);
  });

test.run();
