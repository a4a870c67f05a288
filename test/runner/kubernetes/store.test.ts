import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createStore, type Change } from '../../../src/runner/kubernetes/store.ts';
import type { ApiObject } from '../../../src/runner/kubernetes/wire.ts';

const pod = (name: string, uid: string, resourceVersion = '1', namespace = 'a'): ApiObject => ({
  metadata: { name, uid, resourceVersion, namespace },
});
const told = (changes: readonly Change<ApiObject>[]): readonly string[] =>
  changes.map(
    ({ type, object, before, vanished }) =>
      `${vanished ? 'vanished ' : ''}${type} ${object.metadata!.uid!}@${object.metadata!.resourceVersion!}${before ? ` was ${before.metadata!.uid!}@${before.metadata!.resourceVersion!}` : ''}`,
  );

const test = suite('store of a watch');

test('tells what is new, what changed and what was deleted; and nothing twice', () => {
  const store = createStore();
  assert.equal(told(store.put(pod('x', 'u1'))), ['added u1@1']);
  assert.equal(told(store.put(pod('x', 'u1'))), []);
  assert.equal(told(store.put(pod('x', 'u1', '2'))), ['modified u1@2 was u1@1']);
  assert.is(store.get('x', 'a')?.metadata?.resourceVersion, '2');
  assert.equal(told(store.remove(pod('x', 'u1', '3'))), ['deleted u1@3 was u1@2']);
  assert.equal(told(store.remove(pod('x', 'u1', '3'))), []);
  assert.is(store.size, 0);
});

test('a list tells what has vanished, what another has replaced under its name, and leaves the rest alone', () => {
  const store = createStore();
  store.replace([pod('gone', 'u1'), pod('again', 'u2'), pod('same', 'u3'), pod('newer', 'u4')]);
  const changes = store.replace([
    pod('again', 'u9', '7'),
    pod('same', 'u3'),
    pod('newer', 'u4', '5'),
    pod('new', 'u5'),
  ]);
  assert.equal(told(changes), [
    'vanished deleted u1@1 was u1@1',
    'vanished deleted u2@1 was u2@1',
    'added u9@7',
    'modified u4@5 was u4@1',
    'added u5@1',
  ]);
  assert.equal(
    new Set([...store.values()].map(({ metadata }) => metadata!.name)),
    new Set(['again', 'new', 'newer', 'same']),
  );
});

test('one name in two namespaces is two objects', () => {
  const store = createStore();
  store.put(pod('x', 'u1', '1', 'a'));
  store.put(pod('x', 'u2', '1', 'b'));
  store.remove(pod('x', 'u1', '2', 'a'));
  assert.is(store.get('x', 'a'), undefined);
  assert.is(store.get('x', 'b')?.metadata?.uid, 'u2');
});

test('the deletion of an object whose successor is known already changes nothing', () => {
  const store = createStore();
  store.replace([pod('x', 'u2')]);
  assert.equal(told(store.remove(pod('x', 'u1'))), []);
  assert.is(store.size, 1);
});

test.run();
