import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createRecorder, MASK_LIMITS, type RecordedLine, type StreamName } from '../../src/logs/recorder.ts';

const AT = '2026-11-20T01:30:00.000Z';

interface World {
  readonly secrets?: readonly string[];
  readonly maxBytes?: number;
  readonly maxLine?: number;
}
type Write = readonly [step: string, stream: StreamName, chunk: string | Uint8Array];

function record(writes: readonly Write[], world: World = {}) {
  const shown: RecordedLine[] = [];
  const recorder = createRecorder({
    secrets: (world.secrets ?? []).map((value, index) => ({ label: `secret s/${index}`, value })),
    limits: { maxBytes: world.maxBytes ?? 256 * 1024, maxLine: world.maxLine ?? 16 * 1024 },
    now: () => new Date(AT),
    onLine: (line) => shown.push(line),
  });
  for (const [step, stream, chunk] of writes) recorder.write(step, stream, Buffer.from(chunk as string));
  const output = recorder.end();
  return { ...output, log: output.log.toString(), shown, texts: shown.map(({ text }) => text) };
}
const printed = (text: string, world?: World) => record([['build', 'stdout', text]], world);

const recorder = suite('recorder');

recorder('stores lines with time, step and stream', () => {
  const { log, complete } = record([
    ['build', 'stdout', 'one\ntw'],
    ['build', 'stderr', 'oops\n'],
    ['build', 'stdout', 'o'],
  ]);
  assert.is(log, `${AT} build stdout one\n${AT} build stderr oops\n${AT} build stdout two\n`);
  assert.is(complete, true);
});

recorder('keeps colours for the terminal and leaves them out of the log', () => {
  const { log, texts } = printed('\x1b[32mok\x1b[0m done\x1b[2K\nplain\n');
  assert.is(log, `${AT} build stdout ok done\n${AT} build stdout plain\n`);
  assert.equal(texts, ['\x1b[32mok\x1b[0m done\x1b[0m', 'plain']);
});

recorder('masks a secret that colours or chunks cut in two, on the terminal too', () => {
  const cut = record(
    [
      ['build', 'stdout', 'a hun\x1b[31mter'],
      ['build', 'stdout', '22\x1b[0m b\n'],
    ],
    { secrets: ['hunter22'] },
  );
  assert.is(cut.log, `${AT} build stdout a *** b\n`);
  assert.equal(cut.texts, ['a ***\x1b[31m\x1b[0m b\x1b[0m']);
});

recorder('lets no secret through where a long line is split', () => {
  for (let before = 100; before < 150; before += 1) {
    const { log } = printed(`${'x'.repeat(before)}hunter22-hunter22${'y'.repeat(300)}\n`, {
      secrets: ['hunter22-hunter22'],
      maxLine: 128,
    });
    assert.not.match(log, /hunter|h…|…ter/);
    assert.is(log.split('***').length, 2);
  }
});

recorder('splits a long line with a visible mark, at a character', () => {
  const { log } = printed(`${'ä'.repeat(100)}\n`, { maxLine: 129 });
  assert.is(log, `${AT} build stdout ${'ä'.repeat(64)}…\n${AT} build stdout …${'ä'.repeat(36)}\n`);
});

recorder('keeps head and tail within maxBytes and says what is missing', () => {
  const lines = Array.from({ length: 20_000 }, (_, index) => `line ${index}\n`).join('');
  const { log, complete } = printed(lines, { maxBytes: 8192 });
  assert.ok(Buffer.byteLength(log) <= 8192, `${Buffer.byteLength(log)} bytes`);
  assert.ok(Buffer.byteLength(log) > 7900, `${Buffer.byteLength(log)} bytes`);
  assert.is(complete, false);
  assert.match(log, `${AT} build stdout line 0\n`);
  assert.ok(log.endsWith(`${AT} build stdout line 19999\n`));
  const [, left] = /^… ([\d,]+) lines \([\d.]+ KiB\) left out …$/m.exec(log) ?? [];
  const kept = log.split('\n').length - 2;
  assert.is(Number(left?.replaceAll(',', '')) + kept, 20_000);
});

recorder('takes outcome variables from either stream, redacted, and shows the line', () => {
  const { vars, warnings, log } = record(
    [
      ['a', 'stdout', '::set-outcome-var rows=12'],
      ['a', 'stderr', '::set-outcome-var url=http://u:hunter22@x/?a=b\n'],
      ['a', 'stdout', '04\n::set-outcome-var rows=1205\n not::set-outcome-var x=1\n'],
    ],
    { secrets: ['hunter22'] },
  );
  assert.equal(vars, { rows: '1205', url: 'http://u:***@x/?a=b' });
  assert.equal(warnings, []);
  assert.match(log, 'stdout ::set-outcome-var rows=1204\n');
});

recorder('takes a value of several lines, with a secret across its lines masked', () => {
  const { vars } = printed(
    '::start-multiline-outcome-var notes\nfirst\n::warning::not one\nsecret\nvalue\n::end-multiline-outcome-var\nafter\n',
    { secrets: ['secret\nvalue'] },
  );
  assert.equal(vars, { notes: 'first\n::warning::not one\n***' });
});

recorder('says what is wrong with a variable, and loses no line', () => {
  const { vars, warnings, log } = printed(
    [
      '::set-outcome-var nothing',
      '::set-outcome-var a b=1',
      '::end-multiline-outcome-var',
      '::start-multiline-outcome-var first',
      'lost value',
      '::start-multiline-outcome-var second',
      'kept line',
    ].join('\n'),
  );
  assert.equal(vars, {});
  assert.is(warnings.length, 5);
  assert.match(warnings[0]!, 'step build: ::set-outcome-var needs key=value');
  assert.match(warnings[1]!, '"a b" is no name');
  assert.match(warnings[2]!, 'without a start');
  assert.match(warnings[3]!, 'first was not ended before the next one');
  assert.match(warnings[4]!, 'second was never ended');
  assert.match(log, 'stdout lost value\n');
  assert.match(log, 'stdout kept line\n');
});

recorder('holds variables to 64 and 32 KiB, and a larger value than a line is still a value', () => {
  const many = Array.from({ length: 70 }, (_, index) => `::set-outcome-var v${index}=x\n`).join('');
  const counted = printed(many);
  assert.is(Object.keys(counted.vars).length, 64);
  assert.match(counted.warnings[0]!, 'v64 was not set: a run has at most 64');

  const exact = 'x'.repeat(32 * 1024);
  const sized = printed(`::set-outcome-var fits=${exact}\n::set-outcome-var large=${exact}y\n`);
  assert.equal(sized.vars, { fits: exact });
  assert.match(sized.warnings.join(), 'large is larger than 32 KiB');

  const multi = (key: string, size: number) =>
    `::start-multiline-outcome-var ${key}\n${'1234567\n'.repeat(size / 8)}::end-multiline-outcome-var\n`;
  const several = printed(multi('fits', 32 * 1024) + multi('large', 40 * 1024));
  assert.equal(Object.keys(several.vars), ['fits']);
  assert.match(several.warnings.join(), 'large is larger than 32 KiB');
});

recorder('withholds what may hold masks that there is no room for', () => {
  const masks = Array.from({ length: MASK_LIMITS.count + 1 }, (_, index) => `::add-mask topsecret-${index}\n`);
  const twice = ['::add-mask topsecret-0\n', ...masks.slice(0, -1), ...masks.slice(0, -1)];
  const fits = printed(`${twice.join('')}topsecret-7 ends\n`, { maxBytes: 8 * 1024 ** 2 });
  assert.is(fits.complete, true);
  assert.match(fits.log, '*** ends\n');
  const last = `topsecret-${MASK_LIMITS.count}`;
  const text = `before\n::set-outcome-var v=${last}\n${masks.join('')}${last} after\n::error::${last}\n`;
  const { log, complete, missing, vars, annotations, warnings } = printed(text, { maxBytes: 8 * 1024 ** 2 });
  assert.match(log, 'before\n');
  assert.not.match(log, 'after');
  assert.is(complete, false);
  assert.match(
    missing ?? '',
    /^variables, annotations and the output from here on are withheld: step "build" asked for/,
  );
  assert.ok(warnings.includes(missing ?? ''));
  assert.not.match(JSON.stringify([vars, annotations, warnings]), last);
});

recorder('masks a value from ::add-mask on, in everything that is kept', () => {
  const { log, vars, annotations, warnings } = printed(
    '::set-outcome-var early=topsecret1\n::add-mask topsecret1\ntopsecret1 again\n::error file=topsecret1,line=3::topsecret1!\n::add-mask abc\nabc\n',
  );
  const [first, ...rest] = log.trimEnd().split('\n');
  assert.match(first!, 'early=topsecret1', 'printed before anybody said it was a secret');
  assert.not.match(rest.join('\n'), 'topsecret1');
  assert.match(log, 'stdout ::add-mask ***\n');
  assert.not.match(log, '::add-mask abc');
  assert.equal(vars, { early: '***' });
  assert.equal(annotations, [{ level: 'error', message: '***!', file: '***', line: 3 }]);
  assert.is(warnings.length, 1);
  assert.match(warnings[0]!, 'a mask of step build has fewer than 6 characters');
});

recorder('hides a mask that is longer than a line', () => {
  const long = 'm4sk'.repeat(5000);
  const { log } = printed(`::add-mask ${long}\nx${long}y\n`, { maxLine: 256 });
  assert.is(log, `${AT} build stdout ::add-mask ***\n${AT} build stdout x***y\n`);
});

recorder('collects annotations, at most 50 of them', () => {
  const { annotations, warnings } = printed(
    `::warning::plain\n::error file=a.py,line=12,col=4::no such table: x\n::error line=-1::odd\n::warning no message\n${Array.from(
      { length: 60 },
      (_, index) => `::warning::w${index}\n`,
    ).join('')}`,
  );
  assert.equal(annotations.slice(0, 3), [
    { level: 'warning', message: 'plain' },
    { level: 'error', message: 'no such table: x', file: 'a.py', line: 12 },
    { level: 'error', message: 'odd' },
  ]);
  assert.is(annotations.length, 50);
  assert.match(warnings[0]!, '13 more annotations were left out');
});

recorder('says which secrets are too short to be redacted, and redacts texts of the runner', () => {
  const short = createRecorder({
    secrets: [
      { label: 'secret report/pin', value: '1234' },
      { label: 'secret report/token', value: 'hunter22' },
    ],
    limits: { maxBytes: 1000, maxLine: 1000 },
    now: () => new Date(AT),
    onLine: () => undefined,
  });
  short.warn('hunter22 was here');
  assert.is(short.redact('cannot start /bin/hunter22'), 'cannot start /bin/***');
  const { warnings } = short.end();
  assert.match(warnings[0]!, 'secret report/pin has fewer than 6 characters');
  assert.is(warnings[1], '*** was here');
});

recorder('gives the same result however the output is cut', () => {
  const part = fc.constantFrom(
    'text ',
    'hunter22',
    'hunt',
    'er22',
    'line one\n',
    'line',
    ' two\n',
    '\n',
    '\r',
    '\x1b[31m',
    'ä',
    '::set-outcome-var a=hunter22\n',
    '\n::start-multiline-outcome-var k\n',
    '::end-multiline-outcome-var\n',
    '\n::add-mask text line\n',
    '::error file=x::bad\n',
    'x'.repeat(200),
  );
  const world = { secrets: ['hunter22', 'line one\nline two'], maxLine: 150 };
  fc.assert(
    fc.property(fc.array(part, { maxLength: 30 }), fc.array(fc.nat(40)), (parts, sizes) => {
      const bytes = Buffer.from(parts.join(''));
      const chunks: Buffer[] = [];
      let at = 0;
      for (const size of sizes) chunks.push(bytes.subarray(at, (at += size)));
      chunks.push(bytes.subarray(at));
      const whole = record([['s', 'stdout', bytes]], world);
      assert.equal(
        record(
          chunks.map((chunk): Write => ['s', 'stdout', chunk]),
          world,
        ),
        whole,
      );
      for (const kept of [whole.log, whole.texts.join('\n'), JSON.stringify(whole.vars)])
        assert.not.match(kept.replaceAll('\x1b[31m', ''), /hunter22|line one\nline two/);
    }),
    { numRuns: 300 },
  );
});

recorder('needs no more memory for 200 MB than for 20', () => {
  const counting = createRecorder({
    secrets: [{ label: 's', value: 'hunter22' }],
    limits: { maxBytes: 256 * 1024, maxLine: 16 * 1024 },
    now: () => new Date(AT),
    onLine: () => undefined,
  });
  const chunk = Buffer.from(`${'some words of a log, and more of them '.repeat(3)}\n`.repeat(560));
  const write = (megabytes: number): number => {
    for (let written = 0; written < megabytes * 1e6; written += chunk.length) counting.write('s', 'stdout', chunk);
    return process.memoryUsage().rss;
  };
  const after20 = write(20);
  const after200 = write(180);
  assert.ok(after200 < after20 + 100e6, `${after20} then ${after200} bytes`);
  assert.is(counting.end().complete, false);
});

recorder.run();
