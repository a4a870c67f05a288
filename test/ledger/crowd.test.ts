// test-timeout: 300s
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isCoded } from '../../src/errors.ts';
import type { Branch } from '../../src/git/port.ts';
import type { LedgerChange } from '../../src/ledger/port.ts';
import { openLedger, type LedgerEvent, type LedgerOptions } from '../../src/ledger/writer.ts';
import { AUTHOR, digestOf, finishedFacts, LEDGER_BRANCH, manifestFacts, never } from './fixtures.ts';
import { openRemote, type Remote } from './remote.ts';

interface Context {
  remote: Remote;
  events: LedgerEvent[];
}

const test = suite<Context>('ledger in a crowd');
test.before.each(async (context) => {
  context.remote = await openRemote();
  context.events = [];
});
test.after.each(({ remote }) => remote.close());

const run = (job: string, number: number, more: Parameters<typeof finishedFacts>[0] = {}): LedgerChange => ({
  facts: [finishedFacts({ job, run: number, ...more })],
});
const open = async (
  { remote, events }: Context,
  wrap: (branch: Branch) => Branch = (branch) => branch,
  more: Partial<LedgerOptions> = {},
) =>
  openLedger({
    branch: wrap(await remote.branch()),
    author: AUTHOR,
    now: () => Date.now(),
    signal: never(),
    log: (event) => events.push(event),
    ...more,
  });
/** Loses its first race, to `other`. */
const loses =
  (other: () => Promise<unknown>) =>
  (branch: Branch): Branch => {
    let lost = false;
    return {
      ...branch,
      async advance(...move) {
        if (!lost) await other();
        lost = true;
        return branch.advance(...move);
      },
    };
  };
/** As if its process had been killed once it has left its changes: it never asks what became of them. */
const dies = (branch: Branch): Branch => ({
  ...branch,
  aside: { ...branch.aside!, look: () => new Promise(() => undefined) },
});
/** As a version would have it that knows nothing of refs aside. */
const alone = (branch: Branch): Branch =>
  Object.fromEntries(Object.entries(branch).filter(([name]) => name !== 'aside')) as unknown as Branch;
const kinds = ({ events }: Context, kind: LedgerEvent['kind']): number =>
  events.filter((event) => event.kind === kind).length;
const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
};
/** The refs aside as `<type> <name>`. */
const refs = async ({ remote }: Context): Promise<readonly string[]> =>
  (await remote.repository.git('for-each-ref', '--format=%(objecttype) %(refname)', 'refs/runledger'))
    .split('\n')
    .filter((line) => line !== '');
const history = async ({ remote }: Context): Promise<readonly string[]> =>
  (await remote.repository.git('log', '--format=%s', LEDGER_BRANCH)).split('\n');
const failure = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'none',
    (error: unknown) => (isCoded(error) ? error.code : String(error)),
  );

/** A writer that loses its race to `other`, leaves its changes and is killed then. */
const leaveAndDieOf = async (context: Context, change: LedgerChange, other: () => Promise<unknown>): Promise<void> => {
  const left = kinds(context, 'left');
  const dead = await open(context, (branch) => dies(loses(other)(branch)));
  void dead.write(change, never());
  await until(() => kinds(context, 'left') > left);
};

/** A writer that leaves run 1 of job `a` and is killed then. */
const leaveAndDie = async (context: Context): Promise<void> => {
  const winner = await open(context);
  await leaveAndDieOf(context, run('a', 1), () => winner.write(run('z', 1), never()));
  assert.equal((await refs(context)).length, 1);
  assert.equal(await history(context), ['z run 1 succeeded in 3m12s'], 'nothing of it is in the ledger');
};

test('many writers: every outcome of each is there once, and what was left has been receipted', async (context) => {
  const [writers, runs] = [8, 6];
  const ledgers = await Promise.all(Array.from({ length: writers }, () => open(context)));
  await Promise.all(
    ledgers.map(async (ledger, writer) => {
      const calls: Promise<string | null>[] = [];
      for (let number = 1; number <= runs; number += 1) {
        calls.push(ledger.write(run(`job-${writer}`, number), never()));
        await new Promise((resolve) => setTimeout(resolve, 60));
      }
      // Each is told a commit that holds it.
      for (const [index, commit] of (await Promise.all(calls)).entries()) {
        const added = await context.remote.repository.git('log', '-1', '--format=%B', commit!);
        assert.match(added, `Runledger-Run: job-${writer}/${index + 1}\n`);
      }
    }),
  );
  assert.ok(kinds(context, 'taken') > 0, 'some were taken in by others');
  const messages = await context.remote.repository.git('log', '--format=%B', LEDGER_BRANCH);
  const recorded = messages.split('\n').filter((line) => line.startsWith('Runledger-Run: '));
  assert.is(recorded.length, writers * runs, 'no run is recorded twice');
  assert.is(new Set(recorded).size, writers * runs);
  const view = await (await open(context)).read(never());
  for (let writer = 0; writer < writers; writer += 1) {
    assert.equal(await view.runs(`job-${writer}`), [1, 2, 3, 4, 5, 6]);
    assert.is(view.statuses.get(`job-${writer}`)?.nextRun, runs + 1);
  }
  assert.ok((await refs(context)).every((line) => line.startsWith('tag refs/runledger/left/')));
  await context.remote.cloned();
});

test('what a killed writer has left is taken in by the next push, and told again it changes nothing', async (context) => {
  await leaveAndDie(context);
  const next = await open(context);
  await next.write(run('b', 1), never());
  assert.is((await history(context))[0], '2 runs: 2 succeeded');
  assert.equal(await (await next.read(never())).runs('a'), [1]);
  assert.match((await refs(context))[0]!, /^tag /);
  const commits = (await history(context)).length;
  // Its successor has the same run still claimed, and records it.
  assert.is(await (await open(context)).write(run('a', 1), never()), null);
  assert.is((await history(context)).length, commits);
});

test('who has taken in what others left goes on with that while there is more, and then rests', async (context) => {
  await leaveAndDie(context);
  // Its clock is fast: it gives others ten times as long as its round took.
  const next = await open(context, undefined, { elapsed: () => 10 * performance.now() });
  await next.write(run('b', 1), never());
  await leaveAndDieOf(context, run('c', 1), () => next.write(run('d', 1), never()));
  const pushed = kinds(context, 'pushed');
  await until(() => kinds(context, 'pushed') > pushed);
  assert.is((await history(context))[0], 'c run 1 succeeded in 3m12s', 'nobody else has written anything');
  const { requests } = context.remote.server;
  const quiet = async (): Promise<void> => {
    const before = requests.length;
    await new Promise((resolve) => setTimeout(resolve, 1000));
    if (requests.length > before) await quiet();
  };
  await quiet();
});

test('what a killed writer has left undoes nothing that has been recorded since', async (context) => {
  await leaveAndDie(context);
  // Its successor reads the ledger alone, and goes on from there.
  const successor = await open(context, alone);
  await successor.write(run('a', 1), never());
  await successor.write(run('a', 2), never());
  await successor.write({ facts: [manifestFacts('a', 'suspended')] }, never());
  const before = (await successor.read(never())).statuses.get('a');
  await (await open(context)).write(run('b', 1), never());
  const view = await successor.read(never());
  assert.equal(view.statuses.get('a'), before);
  assert.is(view.statuses.get('a')?.lastCommitDigest, digestOf('a/2'));
  assert.is((await history(context))[0], 'b run 1 succeeded in 3m12s');
  assert.equal(await refs(context), [], 'it is void, and gone');
});

test('a receipt is for what was left alone: who finds anything else there looks into the ledger', async (context) => {
  const { repository } = context.remote;
  const winner = await open(context);
  let meddled = false;
  /** Puts something else in the place of what was left, before its owner looks. */
  const meddledWith = (branch: Branch): Branch => ({
    ...branch,
    aside: {
      ...branch.aside!,
      async look(signal) {
        if (!meddled) {
          const [line] = await refs(context);
          await repository.git('tag', '-a', '-m', 'forged', 'forged', LEDGER_BRANCH);
          await repository.git('update-ref', line!.split(' ')[1]!, 'refs/tags/forged');
          meddled = true;
        }
        return branch.aside!.look(signal);
      },
    },
  });
  const ledger = await open(context, (branch) => meddledWith(loses(() => winner.write(run('z', 1), never()))(branch)));
  const commit = await ledger.write(run('a', 1), never());
  assert.ok(meddled);
  assert.is(await repository.git('rev-parse', LEDGER_BRANCH), commit);
  assert.equal(await (await ledger.read(never())).runs('a'), [1]);
});

test('what is given up is taken back', async (context) => {
  const winner = await open(context);
  const stop = new AbortController();
  const ledger = await open(
    context,
    loses(() => winner.write(run('z', 1), never())),
    { random: () => 0.999 },
  );
  const writing = failure(ledger.write(run('a', 1), stop.signal));
  await until(() => kinds(context, 'left') === 1);
  stop.abort(new Error('given up'));
  assert.is(await writing, 'Error: given up');
  for (;;) if ((await refs(context)).length === 0) break;
  await winner.write(run('b', 1), never());
  assert.is((await winner.read(never())).statuses.get('a'), undefined);
});

test('something else below refs/runledger is left alone, and disturbs nobody', async (context) => {
  const { repository } = context.remote;
  const names = ['zzzzzzz-0000000000000000', '0000000-0000000000000000', 'x'];
  const main = await repository.git('rev-parse', 'main');
  for (const name of names) await repository.git('update-ref', `refs/runledger/left/${LEDGER_BRANCH}/${name}`, main);
  const before = await refs(context);
  const [one, two] = [await open(context), await open(context)];
  await Promise.all(
    [1, 2, 3].flatMap((number) => [one.write(run('a', number), never()), two.write(run('b', number), never())]),
  );
  const view = await one.read(never());
  assert.equal(
    [await view.runs('a'), await view.runs('b')],
    [
      [1, 2, 3],
      [1, 2, 3],
    ],
  );
  const after = await refs(context);
  assert.ok(before.every((line) => after.includes(line)));
});

test('answers that are lost in a crowd cost no outcome and record none twice', async (context) => {
  const writers = 5;
  const ledgers = await Promise.all(Array.from({ length: writers }, () => open(context)));
  await ledgers[0]!.write(run('z', 1), never());
  context.remote.server.fault({ kind: 'lostAnswer' }, { matching: /POST .*git-receive-pack/, times: 6 });
  await Promise.all(
    ledgers.flatMap((ledger, writer) => [1, 2, 3].map((number) => ledger.write(run(`job-${writer}`, number), never()))),
  );
  const messages = await context.remote.repository.git('log', '--format=%B', LEDGER_BRANCH);
  const recorded = messages.split('\n').filter((line) => line.startsWith('Runledger-Run: '));
  assert.is(recorded.length, 1 + 3 * writers);
  assert.is(new Set(recorded).size, 1 + 3 * writers);
});

const writeAtOnce = async (context: Context): Promise<void> => {
  const writers = 4;
  const ledgers = await Promise.all(Array.from({ length: writers }, () => open(context)));
  await Promise.all(
    ledgers.flatMap((ledger, writer) => [1, 2, 3].map((number) => ledger.write(run(`job-${writer}`, number), never()))),
  );
  const view = await ledgers[0]!.read(never());
  for (let writer = 0; writer < writers; writer += 1) assert.equal(await view.runs(`job-${writer}`), [1, 2, 3]);
  assert.is(kinds(context, 'left'), 0);
  assert.equal(await refs(context), []);
};

test('a server whose hook takes no refs beside branches gets pushes of the branch alone', async (context) => {
  const hook = '#!/bin/sh\ncase "$1" in refs/heads/*) exit 0 ;; *) echo "branches only" >&2; exit 1 ;; esac\n';
  await writeFile(join(context.remote.repository.directory, 'hooks/update'), hook, { mode: 0o755 });
  await writeAtOnce(context);
});

test('so does one that hides such refs, and one that can not move several refs as one', async (context) => {
  await context.remote.repository.git('config', 'transfer.hideRefs', 'refs/runledger');
  await writeAtOnce(context);
  await context.remote.repository.git('config', '--unset', 'transfer.hideRefs');
  await context.remote.repository.git('config', 'receive.advertiseAtomic', 'false');
  await context.remote.repository.git('update-ref', '-d', `refs/heads/${LEDGER_BRANCH}`);
  await writeAtOnce(context);
});

test('a server that refuses receipts gets the branch alone, with what the writer itself has', async (context) => {
  await leaveAndDie(context);
  // New refs may come, none may change or go.
  const hook = `#!/bin/sh\n! grep -v "^${'0'.repeat(40)} " | grep -q refs/runledger/\n`;
  await writeFile(join(context.remote.repository.directory, 'hooks/pre-receive'), hook, { mode: 0o755 });
  const ledger = await open(context);
  assert.ok(await ledger.write(run('b', 1), never()));
  assert.is((await history(context))[0], 'b run 1 succeeded in 3m12s');
  assert.is((await ledger.read(never())).statuses.get('a'), undefined);
});

test('receipts that nobody needs any more are swept up by a push, a day later', async (context) => {
  await leaveAndDie(context);
  await (await open(context)).write(run('b', 1), never());
  assert.match((await refs(context))[0]!, /^tag /);
  await (await open(context)).write(run('c', 1), never());
  assert.is((await refs(context)).length, 1);
  await (await open(context, undefined, { now: () => Date.now() + 25 * 3_600_000 })).write(run('d', 1), never());
  assert.equal(await refs(context), []);
});

test.run();
