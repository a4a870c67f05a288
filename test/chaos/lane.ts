import { createWriteStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LABELS, MANAGER } from '../../src/render/labels.ts';
import type { Cluster } from '../../src/runner/kubernetes/client.ts';
import { listObjects } from '../../src/runner/kubernetes/objects.ts';
import { configMaps, pods } from '../../src/runner/kubernetes/wire.ts';
import { kubeconfigFor, startProxy, type Proxy } from '../runner/kubernetes/proxy.ts';
import type { TestCluster } from '../support/cluster.ts';
import { startGitServer, type GitServer, type Repository } from '../support/git-server.ts';
import { recordCreations, type Creations } from './creations.ts';
import type { Member } from './crew.ts';
import { startGate, type Gate } from './gate.ts';
import { LEDGER } from './ledger.ts';

/** The marks by which a later call finds what one that was killed has left. */
export const CHAOS_LABEL = 'chaos.runledger.dev/process';

/** Everything that one source consists of: lanes break theirs at the same time, each for itself. */
export interface Lane {
  readonly name: string;
  readonly namespace: string;
  readonly cluster: Cluster;
  readonly server: GitServer;
  readonly repository: Repository;
  readonly gitGate: Gate;
  readonly apiGate: Gate;
  readonly proxy: Proxy;
  readonly creations: Creations;
  readonly log: (text: string) => void;
  /** The command line's options for a controller of this lane. */
  optionsFor(member: Member): object;
  /** Objects of runs other than claims, by kind and name. */
  left(): Promise<readonly string[]>;
  /** Idle runners, and their sets. */
  runners(): Promise<readonly string[]>;
  claims(): Promise<number>;
  close(): Promise<void>;
}

/** How long a lane's controllers wait for a ledger that can't be written before they park outcomes. */
const HOLD_PODS_FOR = '5s';
/** What belongs to no run is removed after this long: the end of a round waits for it. */
const ORPHAN_GRACE_MS = 15_000;

/** A look that comes once a second at most: what asks servers again and again slows down what it waits for. */
export const onceASecond = (look: () => Promise<boolean>) => async (): Promise<boolean> => {
  await sleep(1_000);
  return look();
};

export async function openLane(test: TestCluster, name: string, folder: string): Promise<Lane> {
  const { cluster, signal, kubeconfig } = test;
  const labels = { [CHAOS_LABEL]: String(process.pid) };
  const namespace = await test.createNamespace(labels);
  const otherLeases = await test.createNamespace(labels);
  const server = await startGitServer({ root: path.join(folder, 'git') });
  const repository = await server.createRepository('jobs.git');
  const gitGate = await startGate(server.url);
  const proxy = await startProxy(kubeconfig);
  const apiGate = await startGate(proxy.url);
  const config = path.join(folder, 'config.yaml');
  const url = `${gitGate.url}/jobs.git`;
  await writeFile(
    config,
    `apiVersion: runledger.dev/v1\nkind: Config\nconcurrency: 500\nholdPodsFor: ${HOLD_PODS_FOR}\nsources:\n  - { name: chaos, url: "${url}", interval: 1s, namespace: ${namespace}, ledger: { branch: ${LEDGER} } }\n`,
  );
  const throughGate = path.join(folder, 'kubeconfig');
  await writeFile(throughGate, kubeconfigFor(apiGate.url, { 'insecure-skip-tls-verify': true }));
  const creations = await recordCreations(namespace);
  const file = createWriteStream(path.join(folder, 'controllers.log'));
  const select = (component: string) => ({
    namespace,
    labelSelector: `${LABELS.managedBy}=${MANAGER},${LABELS.component}${component}`,
  });
  const names = async (resource: typeof pods | typeof configMaps, component: string): Promise<readonly string[]> => {
    const { items } = await listObjects<{ metadata?: { name?: string } }>(cluster, resource, select(component), {
      signal,
    });
    return items.map(({ metadata }) => `${resource.kind} ${metadata?.name}`);
  };
  return {
    name,
    namespace,
    cluster,
    server,
    repository,
    gitGate,
    apiGate,
    proxy,
    creations,
    log: (text) => void file.write(text),
    optionsFor: ({ throughProxy = false, ownLease = false }) => ({
      config,
      listen: '127.0.0.1:0',
      installation: 'chaos',
      leaseNamespace: ownLease ? otherLeases : namespace,
      logFormat: 'json',
      // It brings the static busybox that runners of sets begin with.
      image: 'busybox:1.36',
      orphanGraceMs: ORPHAN_GRACE_MS,
      kubeconfig: throughProxy ? throughGate : kubeconfig,
    }),
    left: async () => [...(await names(pods, '=attempt')), ...(await names(configMaps, ' notin (claim,runner-set)'))],
    runners: async () => [...(await names(pods, '=runner')), ...(await names(configMaps, '=runner-set'))],
    claims: async () => (await names(configMaps, '=claim')).length,
    async close() {
      creations.stop();
      await Promise.all([gitGate.close(), apiGate.close(), proxy.close()]);
      await server.close();
      await new Promise<void>((resolve) => file.end(resolve));
    },
  };
}
