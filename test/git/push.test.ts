import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parsePushAnswer } from '../../src/git/push.ts';
import { decodePackets, encodePacket, FLUSH } from '../../src/git/pkt-line.ts';

const test = suite('push report');
const REF = 'refs/heads/ledger';

const report = (...lines: readonly string[]): Buffer =>
  Buffer.concat([...lines.map((line) => encodePacket(`${line}\n`)), FLUSH]);
const band = (number: number, bytes: Buffer | string): Buffer =>
  encodePacket(Buffer.concat([Buffer.of(number), Buffer.from(bytes)]));
const answer = (data: Buffer, messages: string = ''): Buffer =>
  Buffer.concat([
    ...(messages ? [band(2, messages)] : []),
    band(1, data.subarray(0, 9)),
    band(1, data.subarray(9)),
    FLUSH,
  ]);

test('accepted, with the report split over packets, and without side-bands', () => {
  assert.equal(parsePushAnswer(answer(report('unpack ok', `ok ${REF}`)), [REF], true), { kind: 'accepted' });
  assert.equal(parsePushAnswer(report('unpack ok', `ok ${REF}`), [REF], false), { kind: 'accepted' });
});

test('what servers say when another was faster', () => {
  for (const reason of [
    'non-fast-forward',
    'fetch first',
    'stale info',
    'failed to update ref',
    'failed to lock',
    'incorrect old value provided',
    'reference already exists',
    `cannot lock ref '${REF}': is at 1 but expected 2`,
  ]) {
    assert.is(parsePushAnswer(answer(report('unpack ok', `ng ${REF} ${reason}`)), [REF], true).kind, 'moved', reason);
  }
});

test('what servers say when a rule forbids it; their message is kept, without progress and prefixes', () => {
  for (const reason of [
    'protected branch hook declined',
    'pre-receive hook declined',
    'branch is currently checked out',
  ]) {
    assert.is(
      parsePushAnswer(answer(report('unpack ok', `ng ${REF} ${reason}`)), [REF], true).kind,
      'rejected',
      reason,
    );
  }
  const messages = 'remote: one\r\nerror: GH006: Protected branch update failed.\n';
  const refused = parsePushAnswer(
    answer(report('unpack ok', `ng ${REF} protected branch hook declined`), messages),
    [REF],
    true,
  );
  assert.equal(refused, {
    kind: 'rejected',
    reason: 'protected branch hook declined',
    message: 'one; GH006: Protected branch update failed.',
  });
  const blocked = `error: cannot lock ref '${REF}': 'refs/heads/led' exists; cannot create '${REF}'\n`;
  assert.is(
    parsePushAnswer(answer(report('unpack ok', `ng ${REF} failed to update ref`), blocked), [REF], true).kind,
    'rejected',
  );
});

test('a pack that could not be taken in, an unknown refusal, and an answer that is cut off', () => {
  assert.is(
    parsePushAnswer(answer(report('unpack index-pack abnormal exit', `ng ${REF} unpacker error`)), [REF], true).kind,
    'unpackFailed',
  );
  assert.is(parsePushAnswer(answer(report('unpack ok', `ng ${REF} the moon is full`)), [REF], true).kind, 'unclear');
  const whole = answer(report('unpack ok', `ok ${REF}`));
  for (const length of [0, 3, 10, whole.length - 8]) {
    assert.is(parsePushAnswer(whole.subarray(0, length), [REF], true).kind, 'lost', `${length} bytes`);
  }
  assert.is(parsePushAnswer(Buffer.from('<html>'), [REF], true).kind, 'lost');
});

test('packets: flush, delimiter, empty, and what is none', () => {
  const { packets, complete } = decodePackets(Buffer.from('0006a\n000400010000'));
  assert.ok(complete);
  assert.equal(packets.map(String), ['a\n', '', 'delimiter', 'flush']);
  for (const text of ['zzzz', '0006a', '0003']) assert.not.ok(decodePackets(Buffer.from(text)).complete, text);
});

test('of several refs the one that is to blame decides; all of them where none is', () => {
  const [branch, beside] = ['refs/heads/ledger', 'refs/runledger/left/x'];
  const told = (...lines: string[]) => parsePushAnswer(answer(report('unpack ok', ...lines)), [branch, beside], true);
  assert.equal(told(`ok ${branch}`, `ok ${beside}`), { kind: 'accepted' });
  assert.is(told(`ok ${branch}`).kind, 'lost', 'half of a report is none');
  const together = 'atomic transaction failed';
  assert.is(told(`ng ${branch} ${together}`, `ng ${beside} ${together}`).kind, 'moved');
  const other = 'atomic push failure';
  assert.is(told(`ng ${branch} ${other}`, `ng ${beside} failed to update ref`).kind, 'moved');
  assert.is(told(`ng ${branch} ${other}`, `ng ${beside} deny updating a hidden ref`).kind, 'besideRefused');
  assert.is(told(`ng ${branch} ${other}`, `ng ${beside} the moon is full`).kind, 'besideRefused');
  assert.is(told(`ng ${branch} protected branch hook declined`, `ng ${beside} ${other}`).kind, 'rejected');
  const whole = 'pre-receive hook declined';
  assert.is(told(`ng ${branch} ${whole}`, `ng ${beside} ${whole}`).kind, 'besideRefused', 'it may pass alone');
});

test.run();
