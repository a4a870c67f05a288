import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { compileMasks, type MaskPatterns } from '../logs/mask-patterns.ts';
import type { Cluster } from '../runner/kubernetes/client.ts';
import { readConfig } from './config.ts';
import type { Io } from './terminal.ts';
import { VERSION } from './version.ts';

/** The options that say in which cluster runs are looked for. */
export interface ClusterOptions {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly namespace?: string;
  readonly source?: string;
  readonly installation?: string;
}

/** Whether a cluster is to be asked: one was named, or a repository on a server is meant and a kubeconfig is there. */
export function asksCluster(options: ClusterOptions, kind: 'directory' | 'url', io: Io): boolean {
  const { kubeconfig, context, namespace, source, installation } = options;
  if ([kubeconfig, context, namespace, source, installation].some((option) => option !== undefined)) return true;
  const home = io.env['HOME'] ?? homedir();
  return kind === 'url' && (Boolean(io.env['KUBECONFIG']) || existsSync(join(home, '.kube', 'config')));
}

/** Throws what opening a cluster throws (usage). */
export async function openUserCluster(
  { kubeconfig, context }: ClusterOptions,
  io: Io,
  signal: AbortSignal,
): Promise<Cluster> {
  const { openCluster } = await import('../runner/kubernetes/client.ts');
  return openCluster({
    userAgent: `runledger/${VERSION}`,
    env: io.env,
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
    ...(context === undefined ? {} : { context }),
    signal,
  });
}

/** The patterns that a controller's configuration always redacts; none without one. */
export async function masksOf(config: string | undefined): Promise<MaskPatterns | undefined> {
  return config === undefined ? undefined : compileMasks((await readConfig(config)).masks ?? []);
}
