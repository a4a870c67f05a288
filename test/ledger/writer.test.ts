import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isCoded, transientError } from '../../src/errors.ts';
import { openMemoryBranch } from '../../src/git/memory-branch.ts';
import { newBlob, newCommit, newTree } from '../../src/git/objects.ts';
import type { Branch } from '../../src/git/port.ts';
import { bucketOf } from '../../src/ledger/layout.ts';
import type { LedgerChange } from '../../src/ledger/port.ts';
import type { Outcome } from '../../src/schemas/index.ts';
import { AUTHOR, DAY, digestOf, finishedFacts, ledgerOn, manifestFacts, never, START } from './fixtures.ts';

const test = suite('ledger writer');
const run = (job: string, number: number, more: Parameters<typeof finishedFacts>[0] = {}): LedgerChange => ({
  facts: [finishedFacts({ job, run: number, ...more })],
});
const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'none',
    (error: unknown) => (isCoded(error) ? error.code : String(error)),
  );
const gate = (): { readonly open: () => void; readonly passed: Promise<void> } => {
  let open = (): void => undefined;
  const passed = new Promise<void>((resolve) => (open = resolve));
  return { open, passed };
};
/** The same branch with another `advance`; what is not changed goes through. */
const withAdvance = (
  branch: Branch,
  advance: (next: Branch['advance'], ...args: Parameters<Branch['advance']>) => Promise<void>,
): Branch => ({
  ...branch,
  advance: (...args) => advance((...inner) => branch.advance(...inner), ...args),
});
const subjects = async (branch: Branch): Promise<string[]> => {
  const head = await branch.refresh(never());
  return head === null ? [] : (await branch.log(head, 1000)).map((commit) => commit.message.split('\n')[0]!);
};

test('the first change makes the branch; reading gives back what was written', async () => {
  const branch = openMemoryBranch('ledger');
  const ledger = ledgerOn(branch);
  assert.is((await ledger.read(never())).head, null);
  const facts = finishedFacts({ job: 'a', run: 1 });
  const commit = await ledger.write({ facts: [facts] }, never());
  const view = await ledger.read(never());
  assert.is(view.head, commit);
  assert.equal(await view.outcome('a', 1), facts.finished?.outcome);
  assert.equal(await view.spec('a'), facts.commit?.spec);
  assert.equal(await view.runs('a'), [1]);
  assert.is(view.statuses.get('a')?.lastCommitDigest, digestOf('a/1'));
  const [path, log] = [...facts.finished!.logs][0]!;
  assert.equal(Buffer.from((await view.read(path))!), log);
  assert.equal(
    await Promise.all([view.outcome('a', 2), view.spec('b'), view.read('x/y'), view.read('jobs')]),
    Array(4).fill(undefined),
  );
  assert.equal((await branch.readCommit(commit!)).author, { ...AUTHOR, timestamp: START / 1000 });
});

test('the same facts twice make one commit, from the same process and from another', async () => {
  const branch = openMemoryBranch('ledger');
  const ledger = ledgerOn(branch);
  const change = { ...run('a', 1), invalid: [{ file: 'x.yaml', line: 1, column: 1, message: 'no YAML' }] };
  assert.ok(await ledger.write(change, never()));
  assert.is(await ledger.write(change, never()), null);
  assert.is(await ledgerOn(branch).write(change, never()), null);
  assert.is(await ledger.flush(never()), null);
  assert.is(await ledger.write({ facts: [] }, never()), null);
  assert.is((await subjects(branch)).length, 1);
});

test('calls that come during a push go together into the next commit', async () => {
  const [started, finish] = [gate(), gate()];
  const memory = openMemoryBranch('ledger');
  let pushes = 0;
  const ledger = ledgerOn(
    withAdvance(memory, async (next, ...args) => {
      pushes += 1;
      started.open();
      await finish.passed;
      return next(...args);
    }),
  );
  const first = ledger.write(run('a', 1), never());
  await started.passed;
  const others = Array.from({ length: 40 }, (_, index) => ledger.write(run(`b-${index}`, 1), never()));
  finish.open();
  const commits = await Promise.all(others);
  assert.is(new Set(commits).size, 1);
  assert.is.not(commits[0], await first);
  assert.equal([pushes, (await ledger.read(never())).statuses.size], [2, 41]);
  assert.is((await subjects(memory))[0], '40 runs: 40 succeeded');
});

test('a lost race is applied anew to the new head, with what has finished meanwhile', async () => {
  const memory = openMemoryBranch('ledger');
  const other = ledgerOn(memory);
  await other.write({ facts: [manifestFacts('a', 'valid'), manifestFacts('b', 'valid')] }, never());
  let races = 0;
  let late: Promise<string | null> | undefined;
  const ledger = ledgerOn(
    withAdvance(memory, async (next, ...args) => {
      if (races < 3) {
        races += 1;
        await other.write(run('a', races), never());
        late ??= ledger.write(run('c', 1), never());
      }
      return next(...args);
    }),
    { random: () => 0 },
  );
  const commit = await ledger.write(run('a', 9), never());
  assert.is(await late, commit, 'a retry takes in what came since');
  const view = await ledger.read(never());
  assert.equal(await view.runs('a'), [1, 2, 3, 9]);
  const status = view.statuses.get('a')!;
  assert.equal([status.nextRun, status.lastRuns.map((last) => last.run)], [10, [9, 3, 2, 1]]);
});

test('what is recorded is never overwritten; the other changes of the batch go through', async () => {
  const branch = openMemoryBranch('ledger');
  const ledger = ledgerOn(branch);
  await ledger.write(run('a', 1), never());
  const otherTrigger: Outcome['trigger'] = { kind: 'schedule', at: '2026-11-20T01:30:00Z' };
  const results = await Promise.all([
    codeOf(ledger.write(run('a', 1, { result: 'failed' }), never())),
    codeOf(ledger.write(run('a', 1, { trigger: otherTrigger }), never())),
    codeOf(ledger.write({ facts: [...run('b', 1).facts, ...run('a', 1, { result: 'error' }).facts] }, never())),
    codeOf(ledger.write(run('c', 1), never())),
    codeOf(ledger.write(run('c', 1, { result: 'failed' }), never())),
  ]);
  assert.equal(results, ['RunAlreadyRecorded', 'RunNumberTaken', 'RunAlreadyRecorded', 'none', 'RunAlreadyRecorded']);
  const view = await ledger.read(never());
  assert.is((await view.outcome('a', 1))?.result, 'succeeded');
  assert.equal([...view.statuses.keys()].sort(), ['a', 'c'], 'a change is recorded as a whole or not at all');
});

test('what would not be valid is refused before anything happens', async () => {
  const branch = openMemoryBranch('ledger');
  const ledger = ledgerOn(branch);
  const facts = finishedFacts({ job: 'a' });
  const finished = facts.finished!;
  const wrong = { ...finished.outcome, result: 'fine' } as unknown as Outcome;
  const elsewhere = new Map([['jobs/00/b/1.1.log', Buffer.from('x')]]);
  const codes = await Promise.all(
    [
      { ...facts, finished: { ...finished, outcome: wrong } },
      { ...facts, finished: { ...finished, logs: elsewhere } },
      { ...facts, job: 'b' },
      { ...facts, job: '../b' },
    ].map((bad) => codeOf(ledger.write({ facts: [bad] }, never()))),
  );
  assert.equal(codes, ['LedgerDocumentInvalid', 'LedgerLogMisplaced', 'LedgerFactsMixed', 'BadJobName']);
  assert.is(await branch.refresh(never()), null);
});

test('a push whose answer was lost is found again and not made twice', async () => {
  const memory = openMemoryBranch('ledger');
  let lose = true;
  const ledger = ledgerOn(
    withAdvance(memory, async (next, ...args) => {
      await next(...args);
      if (!lose) return;
      lose = false;
      throw transientError('ConnectionFailed', 'the connection ended');
    }),
    { random: () => 0 },
  );
  const commit = await ledger.write(run('a', 1), never());
  assert.is(commit, await memory.refresh(never()));
  assert.is((await subjects(memory)).length, 1);
});

test('a remote that stays down fails the calls, who still hold what they had to say', async () => {
  const memory = openMemoryBranch('ledger');
  let down = true;
  const ledger = ledgerOn(
    withAdvance(memory, async (next, ...args) => {
      if (down) throw transientError('ConnectionFailed', 'nobody listens');
      return next(...args);
    }),
    { random: () => 0 },
  );
  const calls = ['a', 'b'].map((job) => ledger.write(run(job, 1), never()));
  assert.equal(await Promise.all(calls.map(codeOf)), ['ConnectionFailed', 'ConnectionFailed']);
  down = false;
  await Promise.all(['a', 'b'].map((job) => ledger.write(run(job, 1), never())));
  assert.is((await ledger.read(never())).statuses.size, 2);
});

test('races that never end come to an end at the limit', async () => {
  const memory = openMemoryBranch('ledger');
  const ledger = ledgerOn(
    withAdvance(memory, async () => {
      throw transientError('RefMoved', 'the branch has moved');
    }),
    { limitMs: 50, random: () => 0.1 },
  );
  assert.is(await codeOf(ledger.write(run('a', 1), never())), 'LedgerBusy');
});

test('a call that is withdrawn leaves the others alone', async () => {
  const [started, finish] = [gate(), gate()];
  const memory = openMemoryBranch('ledger');
  const ledger = ledgerOn(
    withAdvance(memory, async (next, ...args) => {
      started.open();
      await finish.passed;
      return next(...args);
    }),
  );
  const first = ledger.write(run('a', 1), never());
  await started.passed;
  const controller = new AbortController();
  const withdrawn = codeOf(ledger.write(run('b', 1), controller.signal));
  const kept = ledger.write(run('c', 1), never());
  controller.abort(new Error('stop'));
  assert.is(await withdrawn, 'Error: stop');
  assert.is(await codeOf(ledger.write(run('d', 1), controller.signal)), 'Error: stop');
  finish.open();
  await Promise.all([first, kept]);
  assert.equal([...(await ledger.read(never())).statuses.keys()].sort(), ['a', 'c']);
});

test('old runs leave the tree and stay in history', async () => {
  const branch = openMemoryBranch('ledger');
  let now = START;
  const ledger = ledgerOn(branch, { now: () => now });
  const keep = { runs: 3, forMs: 30 * DAY };
  for (let number = 1; number <= 5; number += 1)
    await ledger.write(run('a', number, { keep, finished: START }), never());
  const folder = `jobs/${bucketOf('a')}/a`;
  const view = await ledger.read(never());
  assert.equal(await view.runs('a'), [3, 4, 5]);
  assert.is(await view.read(`${folder}/2.1.log`), undefined);
  assert.ok(await view.read(`${folder}/3.1.log`));
  now = START + 31 * DAY;
  await ledger.write({ facts: [manifestFacts('a', 'suspended')] }, never());
  assert.equal(await (await ledger.read(never())).runs('a'), [3, 4, 5], 'no outcome, no look at the folder');
  await ledger.write(run('a', 6, { keep, finished: now }), never());
  const last = await ledger.read(never());
  assert.equal(await last.runs('a'), [6]);
  assert.is(last.statuses.get('a')?.lastRuns.length, 6);
  const before = await branch.log(last.head!, 10);
  assert.is(before.length, 7);
});

test('an outcome that arrives too late for the tree is in history all the same', async () => {
  const branch = openMemoryBranch('ledger');
  const ledger = ledgerOn(branch);
  const keep = { runs: 1, forMs: DAY };
  await ledger.write(run('a', 9, { keep }), never());
  await ledger.write({ facts: [3, 4].flatMap((number) => run('a', number, { keep }).facts) }, never());
  assert.equal(await (await ledger.read(never())).runs('a'), [3, 4, 9]);
  await ledger.write(run('a', 10, { keep }), never());
  assert.equal(await (await ledger.read(never())).runs('a'), [10]);
});

test('the README is written at most once a while, and once more at the end', async () => {
  const branch = openMemoryBranch('ledger');
  let now = START;
  const ledger = ledgerOn(branch, { now: () => now });
  const readme = async (): Promise<string> =>
    Buffer.from((await (await ledger.read(never())).read('README.md'))!).toString();
  await ledger.write(run('a', 1), never());
  assert.match(await readme(), '[#1]');
  await ledger.write(run('a', 2), never());
  assert.match(await readme(), '[#1]');
  now += 60_000;
  await ledger.write(run('a', 3), never());
  assert.match(await readme(), '[#3]');
  await ledger.write(run('a', 4), never());
  assert.ok(await ledger.flush(never()));
  assert.match(await readme(), '[#4]');
  assert.is(await ledger.flush(never()), null);
  assert.is((await subjects(branch))[0], 'README brought up to date');
});

test('the README follows by itself when runs stop', async () => {
  const branch = openMemoryBranch('ledger');
  const pushed = gate();
  const ledger = ledgerOn(branch, {
    readmeEveryMs: 20,
    log: (event) => event.kind === 'pushed' && event.subject.startsWith('README') && pushed.open(),
  });
  await ledger.write(run('a', 1), never());
  await ledger.write(run('a', 2), never());
  const alive = setInterval(() => undefined, 1000);
  await pushed.passed;
  clearInterval(alive);
  assert.match(Buffer.from((await (await ledger.read(never())).read('README.md'))!).toString(), '[#2]');
});

test('a branch that holds something else is left alone, and so is a newer ledger', async () => {
  for (const [files, code] of [
    [{ 'main.c': 'int main;' }, 'NotALedger'],
    [{ format: '2\n' }, 'LedgerTooNew'],
  ] as const) {
    const branch = openMemoryBranch('main');
    const blobs = Object.entries(files).map(([name, text]) => ({ name, blob: newBlob(text) }));
    const tree = newTree(blobs.map(({ name, blob }) => ({ mode: '100644', name, id: blob.id })));
    const commit = newCommit({ tree: tree.id, parents: [], message: 'x', author: { ...AUTHOR, timestamp: 0 } });
    await branch.advance(null, commit.id, [...blobs.map(({ blob }) => blob), tree, commit], never());
    assert.is(await codeOf(ledgerOn(branch).read(never())), code);
    assert.is(await codeOf(ledgerOn(branch).write(run('a', 1), never())), code);
    assert.is(await branch.refresh(never()), commit.id);
  }
});

test.run();
