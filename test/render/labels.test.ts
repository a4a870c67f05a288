import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { askedIn, identityOf, isOfRun, LABELS, podLabels, protectedBy, triggerOf } from '../../src/render/labels.ts';
import { pullRequestScope } from '../../src/render/names.ts';
import { renderToken } from '../../src/render/workspace.ts';
import type { Trigger } from '../../src/schemas/index.ts';
import { CONTEXT, jobWith, readJob, recordOf, renderRun } from './world.ts';

const test = suite('labels');
const record = recordOf(readJob('migrate'));

test('every object of a run says whose it is', () => {
  const { claim, payload, pod } = renderRun(record);
  for (const [object, component] of [
    [claim, 'claim'],
    [payload, 'payload'],
    [pod, 'attempt'],
  ] as const) {
    const identity = identityOf(object);
    assert.is(identity?.component, component);
    assert.is(identity?.job, 'migrate');
    assert.is(identity?.run, 12);
    assert.is(identity?.epoch, 7);
    assert.is(identity?.task, component === 'attempt' ? 'default' : null);
    assert.is(identity?.attempt, component === 'attempt' ? 1 : null);
    assert.ok(identity && isOfRun(identity, CONTEXT, record));
    assert.equal(identity && triggerOf(identity), record.trigger);
  }
});

test('a claim carries what was asked for, and nothing where nobody asked', () => {
  const asked = { params: { REGION: 'us' }, args: ['--all'], rerunOf: 3, tasks: ['unit'] };
  const requested = recordOf(jobWith({ run: 'x' }), { ...asked, trigger: { kind: 'request', id: 'r1' } });
  assert.equal(askedIn(renderRun(requested).claim), asked);
  assert.is(askedIn(renderRun(requested).pod), undefined, 'who may look at pods need not see it');
  assert.is(askedIn(renderRun(record).claim), undefined);
  assert.is(askedIn({ metadata: { annotations: { 'runledger.dev/request': '{' } } }), undefined);
});

test('labels of the job are on the pod, and never instead of our own', () => {
  const { pod, claim } = renderRun(record);
  assert.is(pod.metadata?.labels?.['team'], 'data');
  assert.is(pod.metadata?.labels?.[LABELS.name], 'migrate');
  assert.is(claim.metadata?.labels?.['team'], undefined);
  const forged = recordOf(jobWith({ run: 'x' }), { labels: { [LABELS.source]: 'other', [LABELS.protect]: 'false' } });
  const labels = renderRun(forged).pod.metadata?.labels;
  assert.is(labels?.[LABELS.source], 'platform');
  assert.is(labels?.[LABELS.protect], 'true');
});

test('an object of another run, trigger, source or installation is not this one', () => {
  const identity = identityOf(renderRun(record).claim);
  assert.ok(identity);
  const revision = 'b7e19d0c54f3a2286ed91b07c3f8a46d5120e79b';
  for (const change of [{ run: 13 }, { job: 'other' }, { trigger: { kind: 'commit', revision } as const }])
    assert.not(isOfRun(identity, CONTEXT, { ...record, ...change }), JSON.stringify(change));
  assert.not(isOfRun(identity, { ...CONTEXT, source: 'other' }, record));
  assert.not(isOfRun(identity, { ...CONTEXT, installation: 'other' }, record));
});

test('what is not ours, or was changed, has no identity', () => {
  const labels = renderRun(record).pod.metadata?.labels ?? {};
  assert.is(identityOf({}), null);
  assert.is(identityOf({ metadata: { labels: { app: 'x' } } }), null);
  for (const key of [
    LABELS.managedBy,
    LABELS.installation,
    LABELS.source,
    LABELS.job,
    LABELS.run,
    LABELS.component,
    LABELS.task,
    LABELS.attempt,
  ]) {
    const { [key]: _gone, ...rest } = labels;
    assert.is(identityOf({ metadata: { labels: rest } }), null, key);
  }
  for (const run of ['0', '-1', '1.5', 'x', '', '99999999999999999999'])
    assert.is(identityOf({ metadata: { labels: { ...labels, [LABELS.run]: run } } }), null, run);
});

test('of a pull request, everything says which it is of and belongs to its source; one budget is for all, and none for two', () => {
  const scope = { ...CONTEXT, ...pullRequestScope('platform', 7) };
  const trigger = { kind: 'pullRequest', number: 7, revision: 'a'.repeat(40), definitions: 'base' } as const;
  const own = recordOf(jobWith({ run: 'x' }), { trigger });
  const labels = podLabels(scope, own, 'default', 1);
  assert.is(labels[LABELS.source], 'platform.pr-7');
  assert.is(labels[LABELS.partOf], 'platform');
  const selects = (of: Parameters<typeof protectedBy>[0], given: Readonly<Record<string, string>>): boolean => {
    const { matchLabels = {}, matchExpressions = [] } = protectedBy(of);
    return (
      Object.entries(matchLabels).every(([key, value]) => given[key] === value) &&
      matchExpressions.every(({ key, values = [] }) => !values.includes(given[key] ?? ''))
    );
  };
  const ofSource = podLabels(CONTEXT, record, 'default', 1);
  assert.equal([selects(scope, labels), selects(CONTEXT, labels)], [true, false]);
  assert.equal([selects(scope, ofSource), selects(CONTEXT, ofSource)], [false, true]);
});

test('a token is for the files of the head that was judged, whatever revision the job is of', () => {
  const [revision, head] = ['b'.repeat(40), 'a'.repeat(40)];
  const grantOf = (trigger: Trigger): unknown => {
    const own = recordOf(jobWith({ run: 'x', checkout: true }), { trigger, revision });
    const parts = { record: own, task: 'default', attempt: 1, context: CONTEXT, payload: { name: 'p', uid: 'u' } };
    const { data } = renderToken({ ...parts, token: 'x'.repeat(43) });
    return (JSON.parse(Buffer.from(data?.['grant'] ?? '', 'base64').toString()) as { revision: string }).revision;
  };
  assert.is(grantOf({ kind: 'pullRequest', number: 7, revision: head, definitions: 'base' }), head);
  assert.is(grantOf({ kind: 'commit', revision }), revision);
});

test.run();
