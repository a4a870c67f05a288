/** Notices of runs as Kubernetes Events on their claims, read back from the API server. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type AnnouncementResult, type Announcer, createAnnouncer } from '../../../src/runner/kubernetes/announcer.ts';
import type { Cluster } from '../../../src/runner/kubernetes/client.ts';
import { systemClock } from '../../../src/runner/kubernetes/clock.ts';
import { createObject, listObjects } from '../../../src/runner/kubernetes/objects.ts';
import { unopposed } from '../../../src/runner/kubernetes/scope.ts';
import { configMaps, type Event, events } from '../../../src/runner/kubernetes/wire.ts';
import type { RunNotice } from '../../../src/runner/port.ts';
import { createAccount, eventually, openTestCluster, type TestCluster } from '../../support/cluster.ts';
import { temporaryDirectory } from '../../support/git.ts';
import { connectAs } from './world.ts';

const it = await openTestCluster('announce');
if (it) tests(it);

interface Bench {
  readonly announcer: Announcer;
  readonly results: AnnouncementResult[];
  readonly warnings: string[];
}

const notice = (run: number, kind: RunNotice['kind'], message: string): RunNotice => ({
  key: { job: 'a', run },
  kind,
  isWell: kind !== 'trouble',
  reason: kind === 'started' ? 'Started' : 'Completed',
  message,
});

function tests(world: TestCluster): void {
  const test = suite('announcements');
  const { namespace, signal } = world;
  test.after(() => world.remove());

  /** A claim of the name, and what announces on it. */
  const bench = async (name: string, cluster: Cluster = world.cluster, startDelayMs = 0): Promise<Bench> => {
    const claim = await createObject(world.cluster, configMaps, { metadata: { name, namespace } }, { signal });
    const uid = claim.metadata?.uid ?? '';
    const [results, warnings]: [AnnouncementResult[], string[]] = [[], []];
    const log = {
      debug: () => undefined,
      info: () => undefined,
      warn: (_: object, text: string) => void warnings.push(text),
    };
    const scope = { cluster, namespace, installation: 't', source: 's', authority: unopposed, clock: systemClock, log };
    const meter = (result: AnnouncementResult): void => void results.push(result);
    const announcer = createAnnouncer({ scope, claimOf: () => ({ name, uid }), meter, signal, startDelayMs });
    return { announcer, results, warnings };
  };
  const told = async (name: string): Promise<readonly Event[]> => {
    const fieldSelector = `involvedObject.kind=ConfigMap,involvedObject.name=${name}`;
    return (await listObjects(world.cluster, events, { namespace, fieldSelector }, { signal })).items;
  };
  const settled = ({ results }: Bench, count: number) =>
    eventually(`${count} results`, () => results.length >= count || undefined, 20_000);

  test('a start and an end are Events on the claim, as kubectl describe finds them', async () => {
    const it = await bench('plain');
    it.announcer.announce(notice(1, 'started', 'run 1 of a started'));
    await settled(it, 1);
    it.announcer.announce(notice(1, 'ended', `run 1 of a succeeded: ${'x'.repeat(2_000)}`));
    await settled(it, 2);
    const found = [...(await told('plain'))].sort((a, b) => (a.reason! < b.reason! ? 1 : -1));
    assert.equal(
      found.map(({ type, reason, action, count, source, involvedObject: { kind } }) => [
        type,
        reason,
        action,
        count,
        source?.component,
        kind,
      ]),
      [
        ['Normal', 'Started', 'started', 1, 'runledger', 'ConfigMap'],
        ['Normal', 'Completed', 'ended', 1, 'runledger', 'ConfigMap'],
      ],
    );
    assert.is(found[1]?.message?.length, 1_024);
    assert.equal(it.results, ['sent', 'sent']);
  });

  test('a run that ends at once has one Event, and so one call', async () => {
    const it = await bench('short', world.cluster, 60_000);
    it.announcer.announce(notice(1, 'started', 'run 1 of a started'));
    it.announcer.announce(notice(2, 'started', 'run 2 of a started'));
    it.announcer.announce(notice(1, 'ended', 'run 1 of a succeeded'));
    await settled(it, 1);
    assert.equal(
      (await told('short')).map(({ message }) => message),
      ['run 1 of a succeeded'],
    );
    it.announcer.close();
    assert.equal(it.results, ['sent', 'dropped']); // the start of run 2
  });

  test('what is told again counts up', async () => {
    const it = await bench('again');
    const trouble = notice(1, 'trouble', 'a #1 was not started: the quota is used up');
    for (const count of [1, 2, 3]) {
      it.announcer.announce(trouble);
      await settled(it, count);
    }
    const found = await told('again');
    assert.equal(
      found.map(({ type, count }) => [type, count]),
      [['Warning', 3]],
    );
    it.announcer.close();
  });

  test('a burst goes out slowly, and what is too much is dropped and counted', async () => {
    const it = await bench('burst');
    for (let run = 1; run <= 700; run += 1) it.announcer.announce(notice(run, 'ended', `run ${run} of a succeeded`));
    await settled(it, 199 + 50);
    const dropped = it.results.filter((result) => result === 'dropped').length;
    assert.is(dropped, 199); // 500 wait, and one is on its way
    await new Promise((resolve) => setTimeout(resolve, 300));
    it.announcer.close();
    const sent = (await told('burst')).length;
    assert.ok(sent >= 50 && sent < 100, `${sent} were sent`);
    assert.is(it.results.length, 700);
  });

  test('whoever may not make Events is told so once, and asks no more', async () => {
    const directory = await temporaryDirectory();
    const { token } = await createAccount(world, []);
    const restricted = await connectAs(world, directory.path, token);
    try {
      const it = await bench('forbidden', restricted);
      it.announcer.announce(notice(1, 'ended', 'one'));
      await settled(it, 1);
      it.announcer.announce(notice(2, 'ended', 'two'));
      assert.equal(it.results, ['failed']);
      assert.is(it.warnings.length, 1);
      assert.match(it.warnings[0] ?? '', '`events: false`');
      assert.equal(await told('forbidden'), []);
    } finally {
      await restricted.close();
      await directory.remove();
    }
  });

  test.run();
}
