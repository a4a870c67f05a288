// test-timeout: 300s
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { systemClock } from '../../../src/runner/kubernetes/clock.ts';
import { followLog } from '../../../src/runner/kubernetes/follow-log.ts';
import { createNews } from '../../../src/runner/kubernetes/news.ts';
import { createObject, deleteObject, getObject } from '../../../src/runner/kubernetes/objects.ts';
import { pods } from '../../../src/runner/kubernetes/wire.ts';
import { connect, eventually, openTestCluster } from '../../support/cluster.ts';
import { startProxy } from './proxy.ts';

const world = await openTestCluster('follow');
const test = suite('following a log');

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

/** How long a stream lives before it is cut. */
const LIFE_MS = 200;

if (world !== undefined) {
  const { cluster, namespace, signal } = world;
  test.after(() => world.remove());

  const start = async (name: string, script: string): Promise<void> => {
    const containers = [{ name: 'main', image: 'busybox:1.36', command: ['sh', '-c', script] }];
    const spec = { restartPolicy: 'Never', terminationGracePeriodSeconds: 0, containers };
    await createObject(cluster, pods, { metadata: { name, namespace }, spec }, { signal });
    await eventually(`${name} runs`, async () => {
      const { status } = await getObject(cluster, pods, { name, namespace }, { signal });
      return status?.containerStatuses?.[0]?.containerID;
    });
  };
  /** Follows the log to its end; `from`: through another connection; `taken` is called with what has come. */
  const follow = async (
    name: string,
    from = cluster,
    ending = new AbortController(),
    taken: (bytes: number) => void = () => undefined,
  ) => {
    const news = createNews();
    let hasEnded = false;
    let beganAt: number | undefined;
    const looking = (async () => {
      while (!hasEnded && !ending.signal.aborted) {
        const found = await getObject(cluster, pods, { name, namespace }, { signal }).catch(() => null);
        const { running, terminated } = found?.status?.containerStatuses?.[0]?.state ?? {};
        hasEnded = found === null || terminated !== undefined;
        beganAt = Date.parse((running ?? terminated)?.startedAt ?? '');
        news.ring();
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    })();
    const parts: Buffer[] = [];
    const missing = await followLog({
      cluster: from,
      pod: { name, namespace },
      container: 'main',
      clock: systemClock,
      hasEnded: () => hasEnded,
      beganAt: () => beganAt,
      news: (ms) => news.next(ms, ending.signal),
      onText(text) {
        parts.push(Buffer.from(text));
        taken(text.length);
      },
      signal: ending.signal,
    });
    await looking;
    return { text: Buffer.concat(parts), missing };
  };

  /** The kubelet puts lines of the errors into the middle of a longer line of the output, cuts or not. */
  const untangled = (text: string): string => {
    const apart = text.replace(/(?<!x)(x+)(and line \d+ of the errors\n)/g, '$2$1');
    return apart === text ? text : untangled(apart);
  };

  test('every byte arrives once, though each stream is cut after 200 ms', async () => {
    // 12,000 lines of both streams, some of them longer than the runtime's 16 KiB, in about 12 s.
    const script =
      'i=0; long=$(head -c 40000 /dev/zero | tr "\\0" x); while [ $i -lt 12000 ]; do i=$((i+1)); echo "line $i of the output"; [ $((i%3)) = 0 ] && echo "and line $i of the errors" >&2; [ $((i%1000)) = 0 ] && echo "$long $i"; [ $((i%100)) = 0 ] && sleep 0.1; done; printf "the end"';
    await start('cut', script);
    const proxy = await startProxy(world.kubeconfig);
    const through = await connect({ kubeconfig: proxy.kubeconfig });
    let [cuts, came, cameBefore, lifeMs] = [0, 0, 0, LIFE_MS];
    const since = new WeakMap<ServerResponse, number>();
    const cutting = setInterval(() => {
      for (const stream of proxy.streams) {
        const born = since.get(stream) ?? performance.now();
        since.set(stream, born);
        if (performance.now() - born < lifeMs) continue;
        if (stream.socket?.destroyed !== false) continue;
        stream.socket.destroy();
        cuts += 1;
        // On a busy machine nothing comes within that time: then nobody would ever get on.
        lifeMs = came > cameBefore ? LIFE_MS : 2 * lifeMs;
        cameBefore = came;
      }
    }, LIFE_MS / 2);
    try {
      const { text, missing } = await follow('cut', through, new AbortController(), (bytes) => (came += bytes));
      assert.equal(missing, []);
      // The kubelet's own account of the same log, byte by byte.
      const path = `/api/v1/namespaces/${namespace}/pods/cut/log`;
      const stream = await cluster.stream({ method: 'GET', path, doing: 'reading', repeat: 'safe', signal });
      const whole: Buffer[] = [];
      for await (const chunk of stream) whole.push(chunk as Buffer);
      assert.is(digest(text), digest(Buffer.concat(whole)));

      const lines = untangled(text.toString()).split('\n');
      const of = (pattern: RegExp): string[] => lines.filter((line) => pattern.test(line));
      const long = 'x'.repeat(40_000);
      const counted = (count: number, step: number, words: (n: number) => string): string[] =>
        Array.from({ length: count }, (_, index) => words((index + 1) * step));
      assert.equal(
        of(/^line/),
        counted(12_000, 1, (n) => `line ${n} of the output`),
      );
      assert.equal(
        of(/^and/),
        counted(4_000, 3, (n) => `and line ${n} of the errors`),
      );
      assert.equal(
        of(/^x/),
        counted(12, 1000, (n) => `${long} ${n}`),
      );
      assert.is(lines.at(-1), 'the end');
      assert.is(lines.length, 12_000 + 4_000 + 12 + 1);
      assert.ok(cuts >= 10, `${cuts} cuts`);
    } finally {
      clearInterval(cutting);
      await through.close();
      await proxy.close();
    }
  });

  test('every line arrives once, though the API server itself is restarted', async () => {
    const restart = process.env['RUNLEDGER_TEST_RESTART_APISERVER'];
    if (restart === undefined) {
      console.log('# skipped: it needs a program that restarts the API server in RUNLEDGER_TEST_RESTART_APISERVER');
      return;
    }
    await start('restarted', 'i=0; while [ $i -lt 2000 ]; do i=$((i+1)); echo "line $i"; usleep 10000; done');
    const following = follow('restarted');
    const { stdout } = await promisify(execFile)(restart, { timeout: 120_000 });
    console.log(stdout.trimEnd());
    const { text, missing } = await following;
    assert.equal(missing, []);
    assert.equal(
      text.toString().trimEnd().split('\n'),
      Array.from({ length: 2_000 }, (_, index) => `line ${index + 1}`),
    );
  });

  test('a line of 9 MB, bytes that are no text, and a log without a last line break arrive as they are', async () => {
    // Less than a kubelet rotates, which it may do before anybody reads.
    await start('odd', 'head -c 9000000 /dev/zero | tr "\\0" y; printf "\\n\\000\\377\\033[31mred\\r50%%\\rend"');
    const { text, missing } = await follow('odd');
    assert.equal(missing, []);
    assert.is(text.length, 9_000_000 + 1 + Buffer.from('\0x\x1b[31mred\r50%\rend').length);
    assert.ok(
      text
        .subarray(9_000_000)
        .equals(Buffer.concat([Buffer.from('\n\0'), Buffer.from([0xff]), Buffer.from('\x1b[31mred\r50%\rend')])),
    );
  });

  test('what the kubelet rotates away while nobody can read is said to be missing', async () => {
    const proxy = await startProxy(world.kubeconfig);
    const through = await connect({ kubeconfig: proxy.kubeconfig });
    try {
      await start(
        'rotated',
        'echo first; sleep 3; i=0; while [ $i -lt 40 ]; do i=$((i+1)); head -c 1000000 /dev/zero | tr "\\0" z | fold -w 99; echo; sleep 0.8; done; echo last',
      );
      const following = follow('rotated', through);
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      proxy.fault = (_, url) => (/\/log\?/.test(url) ? { kind: 'status', status: 503 } : undefined);
      proxy.cutStreams();
      await new Promise((resolve) => setTimeout(resolve, 30_000));
      proxy.fault = () => undefined;
      const { text, missing } = await following;
      assert.match(text.toString(), /^first\n/);
      assert.match(text.subarray(-100).toString(), /\nlast\n$/, missing.join());
      assert.ok(missing.length > 0);
      for (const why of missing)
        assert.match(why, /^the kubelet had rotated away what container "main" printed after \d{4}-/);
      // Whoever reads it only now finds the newest file alone.
      const late = await follow('rotated');
      assert.not.match(late.text.toString(), /first/);
      assert.match(late.text.subarray(-100).toString(), /\nlast\n$/);
      assert.equal(late.missing, ['the kubelet has probably rotated away what container "main" printed at first']);
    } finally {
      await through.close();
      await proxy.close();
    }
  });

  test('a pod that is deleted under the reader ends in a sentence', async () => {
    await start('deleted', 'echo begun; sleep 600');
    const following = follow('deleted');
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await deleteObject(cluster, pods, { name: 'deleted', namespace }, { signal });
    const { text, missing } = await following;
    assert.is(text.toString(), 'begun\n');
    // It was read to its end, or the pod was gone before that could be known.
    for (const why of missing) assert.match(why, /not found/);
  });
}

test.run();
