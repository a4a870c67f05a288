import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { withoutManagedFields } from '../../../src/runner/kubernetes/managed-fields.ts';

const test = suite('managedFields of API objects');

const NAME = 'managedFields';

/** The value without every array of that name. */
function without(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(without);
  if (typeof value !== 'object' || value === null) return value;
  const kept = Object.entries(value).filter(([key, item]) => key !== NAME || !Array.isArray(item));
  return Object.fromEntries(kept.map(([key, item]) => [key, without(item)]));
}

test('they are cut out of any JSON, wherever they are, and nothing else is', () => {
  const text = fc.oneof(
    fc.string(),
    fc.constantFrom(NAME, '\\', '"', ']', '[', '"managedFields":[', '\\"managedFields\\":[', '{"managedFields":[]}'),
  );
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof({ maxDepth: 4 }, text, fc.integer(), fc.constant(null), tie('object'), tie('array')),
    array: fc.array(tie('value'), { maxLength: 4 }),
    object: fc.dictionary(fc.oneof(text, fc.constant(NAME)), tie('value'), { maxKeys: 5 }),
  }));
  fc.assert(
    fc.property(value, (value) => {
      const cut = withoutManagedFields(JSON.stringify(value));
      assert.equal(JSON.parse(cut), JSON.parse(JSON.stringify(without(value))));
    }),
    { numRuns: 2_000 },
  );
});

test('the rest of a real object stays byte for byte', () => {
  const fields = '[{"manager":"kubelet","fieldsV1":{"f:status":{"k:{\\"type\\":\\"Ready]\\"}":{".":{},"f:type":{}}}}}]';
  const object = (managed: string): string =>
    `{"metadata":{"name":"a","labels":{"b":"c"}${managed}},"status":{"podIPs":[{"ip":"10.0.0.1"}]}}`;
  assert.is(withoutManagedFields(object(`,"managedFields":${fields}`)), object(''));
  const list = (managed: string): string => `{"items":[${object(managed)},${object(managed)}]}`;
  assert.is(withoutManagedFields(list(`,"managedFields":${fields}`)), list(''));
});

test('what is cut off, or written otherwise, comes back as it is', () => {
  for (const json of ['{"metadata":{"managedFields":[{"a":"]"', '{"metadata":{"managedFields": []}}', 'not JSON', ''])
    assert.is(withoutManagedFields(json), json);
});

test.run();
