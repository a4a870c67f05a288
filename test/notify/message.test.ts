import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isCoded } from '../../src/errors.ts';
import { isChange, isWanted, type Message, payloadOf } from '../../src/notify/message.ts';
import { templateTrouble } from '../../src/notify/templates.ts';
import type { Notification, Outcome, Result } from '../../src/schemas/index.ts';
import { outcomeOf } from './world.ts';

const test = suite('notifications');
const url = 'https://forge.example/acme/jobs/12.yaml';
const message = (more: Partial<Outcome> = {}, previous: Result | null = 'succeeded'): Message => ({
  source: 'platform',
  outcome: outcomeOf(more),
  previous,
  url,
});
const hook: Notification = { url: 'https://chat.example/hook' };

test('what changes how a job is doing', () => {
  const changes = (previous: Result | null, result: Result): boolean => isChange({ outcome: { result }, previous });
  assert.ok(changes('succeeded', 'failed'));
  assert.ok(changes('failed', 'succeeded'));
  assert.ok(changes('failed', 'timed-out'));
  assert.ok(changes(null, 'error'));
  assert.not.ok(changes(null, 'succeeded'));
  assert.not.ok(changes('failed', 'failed'));
  assert.not.ok(changes('succeeded', 'skipped'));
  assert.not.ok(changes('succeeded', 'cancelled'));
});

test('who wants to hear of it', () => {
  assert.ok(isWanted(hook, message()));
  assert.not.ok(isWanted(hook, message({}, 'failed')));
  assert.ok(isWanted({ ...hook, on: ['failed', 'error'] }, message({}, 'failed')));
  assert.not.ok(isWanted({ ...hook, on: ['error'] }, message()));
  assert.not.ok(isWanted({ ...hook, sources: ['other'] }, message()));
  assert.ok(isWanted({ ...hook, sources: ['other', 'platform'] }, message()));
});

test('without a body, the outcome goes out, without its tasks', () => {
  const { tasks, ...outcome } = outcomeOf();
  assert.equal(tasks, []);
  assert.equal(payloadOf(hook, message()), { source: 'platform', previous: 'succeeded', url, outcome });
});

test('a body has values in its texts, at any depth, and they stay texts', () => {
  const body = {
    title: '${{ job.name }} #${{ run.number }} of ${{ source }}: ${{ outcome.result }} (${{ outcome.previous }})',
    parts: [{ link: '${{ outcome.url }}', rows: '${{ outcome.vars.rows }}' }, 7, null],
    code: '${{ outcome.exitCode + 1 }}',
    quoted: '${{ outcome.message }}',
    took: '${{ outcome.duration }} ${{ outcome.seconds }} ${{ trigger.kind }}',
  };
  assert.equal(payloadOf({ ...hook, body }, message()), {
    title: 'report #12 of platform: failed (succeeded)',
    parts: [{ link: url, rows: '1204' }, 7, null],
    code: '4',
    quoted: 'step "load" ended with exit code 3',
    took: '1m12s 72 commit',
  });
});

test('a text for Slack says it in a line, with a link', () => {
  const slack: Notification = { ...hook, format: 'slack' };
  assert.equal(payloadOf(slack, message()), {
    text: `:x: *report* #12 of platform failed in 1m12s (was succeeded): step "load" ended with exit code 3\n<${url}|outcome>`,
  });
  const good = message({ result: 'succeeded', reason: 'Completed', message: '' }, 'failed');
  assert.equal(payloadOf(slack, good), {
    text: `:white_check_mark: *report* #12 of platform succeeded in 1m12s (was failed)\n<${url}|outcome>`,
  });
});

test('nothing that a job prints mentions anybody or links anywhere', () => {
  const evil = message({ message: '<!channel> <https://evil.example|click> &' });
  const { text } = payloadOf({ ...hook, format: 'slack', text: '${{ outcome.message }}' }, evil) as { text: string };
  assert.is(text, '&lt;!channel&gt; &lt;https://evil.example|click&gt; &amp;');
});

test('a value that is not there is an error of this message alone', () => {
  const body = { rows: '${{ outcome.vars.missing }}' };
  assert.throws(
    () => payloadOf({ ...hook, body }, message()),
    (error: unknown) => isCoded(error, 'ExpressionFailed') && error.message.includes('notifications.body.rows'),
  );
});

test('mistakes are found before any run has ended', () => {
  assert.is(templateTrouble('plain, ${{ outcome.result }} and ${{ "x" in outcome.vars }}'), undefined);
  assert.match(templateTrouble('${{ outcome.resul }}') ?? '', /resul/);
  assert.match(templateTrouble('${{ needs.build.result }}') ?? '', /needs/);
  assert.match(templateTrouble('${{ outcome.vars }}') ?? '', /mapping/);
  assert.match(templateTrouble('${{ outcome.exitCode > "a" }}') ?? '', /./);
  assert.match(templateTrouble('${{ outcome.result') ?? '', /without its/);
});

test.run();
