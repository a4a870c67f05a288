import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { splitTemplate } from '../../src/job/template.ts';

const test = suite('templates');

const expressionsOf = (text: string): readonly string[] | undefined =>
  splitTemplate(text)?.flatMap((part) => (part.kind === 'expression' ? [part.expression] : []));

test('parts of a text', () => {
  assert.equal(splitTemplate('a${{ b }}c${{d}}'), [
    { kind: 'text', text: 'a' },
    { kind: 'expression', expression: 'b', source: '${{ b }}' },
    { kind: 'text', text: 'c' },
    { kind: 'expression', expression: 'd', source: '${{d}}' },
  ]);
});

test('braces and quotes of the expression belong to it', () => {
  assert.equal(expressionsOf('${{ {"a": {"b": 1}}["a"]["b"] }}'), ['{"a": {"b": 1}}["a"]["b"]']);
  assert.equal(expressionsOf(`\${{ "}}" + '}}' }}`), [`"}}" + '}}'`]);
  assert.equal(expressionsOf(`\${{ "\\"}}" }}`), ['"\\"}}"']);
  assert.equal(expressionsOf('${{ """a"}}b""" }}'), ['"""a"}}b"""']);
  assert.equal(expressionsOf("${{ '${{' }}"), ["'${{'"]);
});

test('one that is not closed', () => {
  for (const text of ['${{', '${{ a }', '${{ "a }}', '${{ { }}', 'a ${{ b }} ${{ c'])
    assert.is(splitTemplate(text), undefined, text);
});

test('a text without a template is itself, and the parts together are the text', () => {
  const texts = fc.array(fc.oneof(fc.constantFrom('${{', '}}', '$', '{', '"', "'", ' a ', '\\'), fc.string()));
  fc.assert(
    fc.property(texts, (pieces) => {
      const text = pieces.join('');
      const parts = splitTemplate(text);
      if (!text.includes('${{')) assert.equal(parts, text === '' ? [] : [{ kind: 'text', text }]);
      if (parts) assert.is(parts.map((part) => (part.kind === 'text' ? part.text : part.source)).join(''), text);
    }),
    { numRuns: 1_000 },
  );
});

test('a long text is looked at once', () => {
  assert.is(splitTemplate('${{ a }}'.repeat(100_000))?.length, 100_000);
  assert.is(splitTemplate('${{ "'.repeat(200_000)), undefined);
  assert.is(splitTemplate('${{ {'.repeat(200_000)), undefined);
});

test.run();
