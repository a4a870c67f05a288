import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { randomBytes } from 'node:crypto';
import { isCoded } from '../../src/errors.ts';
import { tasksOf } from '../../src/job/fan-out.ts';
import { PAYLOAD_LIMIT, recordFrom, renderPayload } from '../../src/render/payload.ts';
import type { Job } from '../../src/schemas/index.ts';
import type { RunFile, RunRecord } from '../../src/runner/port.ts';
import { CONTEXT, filesOf, FIXTURES, jobWith, readJob, recordOf, renderRun } from './world.ts';

const test = suite('payload');
const claim = { name: 'claim', uid: 'uid' };
const render = (record: RunRecord, files: readonly RunFile[] = filesOf(record)) =>
  renderPayload({ record, files, context: CONTEXT, claim });

test('the record comes back as it was', () => {
  for (const name of FIXTURES) {
    const record = recordOf(readJob(name), { args: ['--x', ''], requestedBy: 'ana' });
    assert.equal(recordFrom(render(record)), record);
  }
});

test('whatever texts the spec holds, the record comes back', () => {
  const odd = fc.constantFrom(
    '\0payload:run',
    '\0text:0',
    '\0as is:x',
    '\0',
    'x'.repeat(5000),
    'y'.repeat(100),
    '$string',
    '__proto__',
    '\u2028 ü 🦊',
  );
  const text = fc.oneof(odd, fc.string({ unit: 'binary', maxLength: 200 }));
  fc.assert(
    fc.property(
      text,
      text,
      fc.dictionary(fc.stringMatching(/^[A-Z]{1,5}$/), text),
      fc.jsonValue(),
      (script, content, env, any) => {
        const spec = {
          run: script,
          env,
          files: [
            { path: 'a', content },
            { path: 'b', content: script },
          ],
        } as Job['spec'];
        const record = JSON.parse(JSON.stringify(recordOf(jobWith(spec), { covered: { spec, any } }))) as RunRecord;
        const there = JSON.parse(JSON.stringify(render(record))) as ReturnType<typeof render>;
        assert.equal(recordFrom(there), record);
      },
    ),
    { numRuns: 500 },
  );
});

test('a large script is stored once, wherever the record repeats it', () => {
  const script = randomBytes(300_000).toString('base64');
  const record = recordOf(jobWith({ run: script }));
  const payload = render(record);
  assert.is(payload.data?.['script.run'], script);
  assert.ok(Buffer.from(payload.binaryData?.['record'] ?? '', 'base64').length < 2000);
  assert.equal(recordFrom(payload), record);
});

test('files are text where they are text, and bytes where not', () => {
  const record = recordOf(
    jobWith({
      run: 'x',
      files: [
        { path: 'a', from: 'a' },
        { path: 'b', from: 'b' },
        { path: 's', secret: { name: 's', key: 'k' } },
        { path: 'c', from: 'c' },
      ],
    }),
  );
  const contents = { a: Buffer.from('\ufeffgrüezi\r\n'), b: Buffer.from([0xff, 0xfe, 0]), c: Buffer.from('a\0b') };
  const files = Object.entries(contents).map(([path, content]) => ({ path, mode: 0o644, content }));
  const { data, binaryData } = render(record, files);
  assert.is(data?.['file.0'], '\ufeffgrüezi\r\n');
  assert.equal(Buffer.from(binaryData?.['file.1'] ?? '', 'base64'), contents.b);
  assert.is(data?.['file.2'], undefined);
  assert.is(binaryData?.['file.2'], undefined);
  assert.equal(Buffer.from(binaryData?.['file.3'] ?? '', 'base64'), contents.c);
});

test('the gate travels with several steps only', () => {
  assert.is(renderRun(recordOf(readJob('hello'))).payload.data?.['gate'], undefined);
  assert.match(renderRun(recordOf(readJob('report'))).payload.data?.['gate'] ?? '', /^# The gate/);
});

test('one payload holds what the tasks of its run fill in, each content once', () => {
  const record = recordOf(
    jobWith({
      matrix: { node: [22, 24], mode: ['fast', 'slow'] },
      files: [
        { path: 'same', content: 'x' },
        { path: 'conf/${{ matrix.node }}', content: 'mode: ${{ matrix.mode }}' },
        { path: 'named/${{ matrix.node }}', from: 'lib.sh' },
      ],
      run: 'x',
    }),
  );
  const { payload } = renderRun(record);
  const { gate: _gate, run: _run, 'script.run': _script, ...files } = payload.data ?? {};
  const variants = Object.entries(files).filter(([key]) => key.startsWith('file.1'));
  assert.equal(variants.map(([, content]) => content).sort(), ['mode: fast', 'mode: slow']);
  assert.equal(Object.keys(files).length, 4);
  assert.equal([files['file.0'], files['file.2']], ['x', 'lib.sh\n']);
  assert.equal(recordFrom(payload), record);
  for (const { name, matrix } of tasksOf(record.spec)) {
    const { pod } = renderRun(record, {}, name);
    const sources = pod.spec?.volumes?.find(({ projected }) => projected)?.projected?.sources ?? [];
    const mounted = sources.map(({ configMap }) => {
      const [item] = configMap?.items ?? [];
      return [item?.path, payload.data?.[item?.key ?? '']];
    });
    const node = String(matrix['node']);
    assert.equal(mounted, [
      ['same', 'x'],
      [`conf/${node}`, `mode: ${String(matrix['mode'])}`],
      [`named/${node}`, 'lib.sh\n'],
    ]);
  }
});

test('a task that can not be filled in takes nothing from the others', () => {
  const spec: Job['spec'] = {
    matrix: { include: [{ a: 'x', b: 'y' }, { a: 'z' }] },
    files: [{ path: 'f', content: 'is ${{ matrix.b }}' }],
    run: 'x',
  };
  const record = recordOf(jobWith(spec));
  assert.match(JSON.stringify(renderRun(record).payload.data), 'is y');
  assert.throws(
    () => renderRun(record, {}, 'z'),
    (error: Error) => isCoded(error, 'ExpressionFailed') && error.errorClass === 'terminal',
  );
});

test('a payload is immutable and belongs to its claim', () => {
  const { payload, claim: rendered } = renderRun(recordOf(readJob('hello')));
  assert.is(payload.immutable, true);
  assert.is(payload.metadata?.ownerReferences?.[0]?.name, rendered.metadata?.name);
  assert.is(payload.metadata?.ownerReferences?.[0]?.controller, true);
  assert.is(rendered.data, undefined);
});

test('what does not fit into a ConfigMap is refused with its size', () => {
  const big = 'x'.repeat(PAYLOAD_LIMIT);
  assert.throws(
    () => render(recordOf(jobWith({ run: big }))),
    (error: Error) =>
      isCoded(error, 'PayloadTooLarge') &&
      error.errorClass === 'terminal' &&
      error.message.includes('test #12') &&
      error.message.includes('1 MB'),
  );
  assert.ok(render(recordOf(jobWith({ run: 'x'.repeat(PAYLOAD_LIMIT - 4096) }))));
});

test('a file without content, and a payload without a record, are errors that say so', () => {
  assert.throws(
    () => render(recordOf(jobWith({ run: 'x', files: [{ path: 'a', from: 'a' }] })), []),
    (error: Error) => isCoded(error, 'FileMissing'),
  );
  const payload = render(recordOf(jobWith({ run: 'x'.repeat(100) })));
  const changed = (fields: object) => Object.assign(structuredClone(payload), fields);
  const damaged = [{}, changed({ binaryData: {} }), changed({ binaryData: { record: 'AAAA' } }), changed({ data: {} })];
  for (const object of damaged)
    assert.throws(
      () => recordFrom(object),
      (error: Error) => isCoded(error, 'PayloadUnreadable'),
    );
});

test.run();
