import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { load } from 'js-yaml';
import { outcomePath, statusPath } from '../../src/ledger/layout.ts';
import type { Ledger } from '../../src/ledger/port.ts';
import { rootReadme } from '../../src/ledger/readme.ts';
import type { JobStatus, Outcome } from '../../src/schemas/index.ts';
import type { LedgerOptions } from '../../src/ledger/writer.ts';
import { finishedFacts, LEDGER_BRANCH, ledgerOn, never } from './fixtures.ts';
import { openRemote, type Remote } from './remote.ts';

interface Context {
  remote: Remote;
}

const test = suite<Context>('ledger over http');
test.before.each(async (context) => {
  context.remote = await openRemote();
});
test.after.each(({ remote }) => remote.close());

const open = async ({ remote }: Context, more: Partial<LedgerOptions> = {}): Promise<Ledger> =>
  ledgerOn(await remote.branch(), { readmeEveryMs: 500, now: () => Date.now(), ...more });

test('write, push, and read with a clone of the real git', async (context) => {
  const ledger = await open(context);
  assert.is((await ledger.read(never())).head, null);
  const commit = await ledger.write({ facts: [finishedFacts({ job: 'a', result: 'failed' })] }, never());
  assert.is(await context.remote.repository.git('rev-parse', LEDGER_BRANCH), commit);
  const show = await context.remote.cloned();
  const outcome = load(await show(outcomePath('a', 1))) as Outcome;
  assert.equal([outcome.result, outcome.exitCode], ['failed', 3]);
  assert.match(await show('README.md'), '❌ failed');
  assert.is(
    await (await open(context)).write({ facts: [finishedFacts({ job: 'a', result: 'failed' })] }, never()),
    null,
  );
});

test('a push costs one request once the head is known', async (context) => {
  const ledger = await open(context, { elapsed: () => 0 });
  await ledger.write({ facts: [finishedFacts({ job: 'a', run: 1 })] }, never());
  context.remote.server.forgetRequests();
  await ledger.write({ facts: [finishedFacts({ job: 'a', run: 2 })] }, never());
  assert.equal(
    context.remote.server.requests.map(({ method, url }) => `${method} ${url}`),
    ['POST /jobs.git/git-receive-pack'],
  );
});

test('many writers at once: every outcome of every one is there, and status and README agree with them', async (context) => {
  const [writers, runs] = [6, 8];
  const ledgers = await Promise.all(Array.from({ length: writers }, () => open(context)));
  await Promise.all(
    ledgers.map(async (ledger, writer) => {
      const calls = [];
      for (let run = 1; run <= runs; run += 1) {
        const results = ['succeeded', 'failed'] as const;
        calls.push(
          ledger.write(
            { facts: [finishedFacts({ job: `job-${writer}`, run, result: results[(run + writer) % 2]! })] },
            never(),
          ),
        );
        // All write to a job that they share as well, each with numbers of its own.
        calls.push(ledger.write({ facts: [finishedFacts({ job: 'shared', run: writer * runs + run })] }, never()));
        await new Promise((resolve) => setTimeout(resolve, 40));
      }
      await Promise.all(calls);
    }),
  );
  await ledgers[0]!.flush(never());
  const view = await (await open(context)).read(never());
  const show = await context.remote.cloned();
  const all = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);
  assert.equal(await view.runs('shared'), all(writers * runs));
  assert.is(view.statuses.get('shared')?.nextRun, writers * runs + 1);
  for (const writer of all(writers).map((number) => number - 1)) {
    const job = `job-${writer}`;
    assert.equal(await view.runs(job), all(runs));
    const last = load(await show(outcomePath(job, runs))) as Outcome;
    const status = load(await show(statusPath(job))) as JobStatus;
    assert.equal([status.nextRun, status.lastRuns[0]?.result], [runs + 1, last.result]);
    assert.equal(view.statuses.get(job), status, 'the index says what the status file says');
  }
  await (await open(context)).write({ facts: [finishedFacts({ job: 'last' })] }, never());
  const after = await (await open(context)).read(never());
  assert.is(await (await context.remote.cloned())('README.md'), rootReadme(after.statuses, after.invalid).trimEnd());
});

test('answers that are lost cost no outcome and make no commit twice', async (context) => {
  const ledger = await open(context);
  await ledger.write({ facts: [finishedFacts({ job: 'a', run: 1 })] }, never());
  context.remote.server.fault({ kind: 'lostAnswer' }, { matching: /POST .*git-receive-pack/, times: 2 });
  for (const run of [2, 3, 4]) await ledger.write({ facts: [finishedFacts({ job: 'a', run })] }, never());
  assert.equal(await (await ledger.read(never())).runs('a'), [1, 2, 3, 4]);
  assert.is((await context.remote.repository.git('log', '--format=%s', LEDGER_BRANCH)).split('\n').length, 4);
});

test('a server that fails now and then is tried again', async (context) => {
  const ledger = await open(context);
  context.remote.server.fault({ kind: 'status', status: 503 }, { times: 2 });
  assert.ok(await ledger.write({ facts: [finishedFacts({ job: 'a', run: 1 })] }, never()));
});

test.run();
