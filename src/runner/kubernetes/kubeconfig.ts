import { X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { KubeConfig } from '@kubernetes/client-node';
import { load } from 'js-yaml';
import { messageOf, usageError, type CodedError } from '../../errors.ts';
import { loadKubeConfig } from './client-node.ts';

export interface KubeconfigOptions {
  /** A file; absent: those of $KUBECONFIG, then ~/.kube/config, then the pod's own service account. */
  readonly kubeconfig?: string | undefined;
  /** Absent: the file's current context. */
  readonly context?: string | undefined;
  /** True: the pod's own service account and nothing else. */
  readonly inCluster?: boolean | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where `/var/run/secrets/...` begins; tests pass a folder. */
  readonly root?: string | undefined;
}

/** Which cluster, as whom; `config` knows the credentials. */
export interface Target {
  readonly config: KubeConfig;
  /** The API server's URL, as written, without a trailing slash. */
  readonly server: string;
  readonly context: string;
  /** The context's namespace; `default` when it names none. */
  readonly namespace: string;
  /** Where this was read, for messages. */
  readonly origin: string;
}

const ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

const newConfig = async (): Promise<KubeConfig> => new (await loadKubeConfig())();

async function fromAccount({ env, root = '' }: KubeconfigOptions): Promise<Target> {
  if (!env['KUBERNETES_SERVICE_HOST'] || !existsSync(`${root}${ACCOUNT}/token`)) {
    throw usageError('NotInCluster', `there is no service account to use: ${root}${ACCOUNT}/token does not exist`, {
      hint: 'Run in a pod whose service account token is mounted, or give a kubeconfig.',
    });
  }
  const config = await newConfig();
  config.loadFromCluster(root);
  return targetOf(config, 'the service account of the pod');
}

/** The usage error for a file that can't be read as a kubeconfig. Parsers quote what they read: their words stay out. */
const unreadable = (file: string, error: unknown): CodedError => {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === 'ENOENT') {
    return usageError('KubeconfigMissing', `the kubeconfig ${file} does not exist`, {
      hint: 'Give the right path with --kubeconfig or KUBECONFIG.',
    });
  }
  const why = code === '' ? 'it is not valid YAML' : code;
  return usageError('KubeconfigInvalid', `the kubeconfig ${file} can't be read: ${why}`, {
    hint: 'Check it with: kubectl config view',
  });
};

/** `tokenFile:` of a user, which client-node looks for under another name: read again every minute, as kubectl does. */
function addTokenFiles(config: KubeConfig, content: unknown, folder: string): void {
  const entries = (content as { users?: unknown }).users;
  for (const entry of Array.isArray(entries) ? (entries as { name?: string; user?: { tokenFile?: string } }[]) : []) {
    const file = entry?.user?.tokenFile;
    const index = config.users.findIndex(({ name }) => name === entry?.name);
    const user = config.users[index];
    if (typeof file !== 'string' || user === undefined || user.token) continue;
    const authProvider = { name: 'tokenFile', config: { tokenFile: path.resolve(folder, file) } };
    config.users[index] = { ...user, authProvider };
  }
}

async function loadFile(file: string): Promise<KubeConfig> {
  let text: string;
  let content: unknown;
  try {
    text = await readFile(file, 'utf8');
    content = text.trim() === '' ? null : load(text);
  } catch (error) {
    throw unreadable(file, error);
  }
  if (typeof content !== 'object' || content === null || !('clusters' in content || 'contexts' in content)) {
    throw usageError('KubeconfigInvalid', `${file} is not a kubeconfig: it has no clusters and no contexts`, {
      hint: 'Check it with: kubectl config view',
    });
  }
  const config = await newConfig();
  try {
    config.loadFromString(text, { onInvalidEntry: 'filter' });
  } catch (error) {
    throw unreadable(file, error);
  }
  config.makePathsAbsolute(path.resolve(path.dirname(file)));
  addTokenFiles(config, content, path.dirname(file));
  return config;
}

/** Several files as one: what an earlier file names wins, as with kubectl; files that are not there are passed over. */
async function loadFiles(files: readonly string[]): Promise<KubeConfig> {
  const there = files.length > 1 ? files.filter((file) => existsSync(file)) : files;
  const configs = await Promise.all((there.length > 0 ? there : files.slice(0, 1)).map(loadFile));
  const [whole, ...others] = configs as [KubeConfig, ...KubeConfig[]];
  const lacks = <T extends { name: string }>(list: readonly T[], more: readonly T[]): T[] =>
    more.filter(({ name }) => !list.some((entry) => entry.name === name));
  for (const other of others) {
    whole.clusters = [...whole.clusters, ...lacks(whole.clusters, other.clusters)];
    whole.users = [...whole.users, ...lacks(whole.users, other.users)];
    whole.contexts = [...whole.contexts, ...lacks(whole.contexts, other.contexts)];
    whole.currentContext ||= other.currentContext;
  }
  return whole;
}

function checkServer(server: string, skipsTls: boolean, origin: string): void {
  if (!URL.canParse(server) || !/^https?:$/.test(new URL(server).protocol)) {
    throw usageError('KubeconfigInvalid', `the server ${server} of ${origin} is not an http or https URL`);
  }
  if (server.startsWith('http:') && !skipsTls) {
    throw usageError('InsecureServer', `the server ${server} of ${origin} would be reached without encryption`, {
      hint: 'Use its https URL; or, for a proxy on this machine, set insecure-skip-tls-verify: true for the cluster.',
    });
  }
}

/** A client certificate that has run out is answered with a bare 401 or a cut connection: look before. */
async function checkCertificate(config: KubeConfig, origin: string): Promise<void> {
  const user = config.getCurrentUser();
  if (!user?.certFile && !user?.certData) return;
  let until: string;
  try {
    const pem = user.certFile ? await readFile(user.certFile) : Buffer.from(user.certData!, 'base64');
    until = new X509Certificate(pem).validTo;
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? String(error.code) : 'unknown format';
    throw usageError(
      'KubeconfigInvalid',
      `the client certificate of user "${user.name}" of ${origin} can't be read: ${why}`,
    );
  }
  if (Date.parse(until) < Date.now()) {
    throw usageError(
      'CertificateExpired',
      `the client certificate of user "${user.name}" of ${origin} expired on ${until}`,
      {
        hint: 'Get a new one from whoever runs the cluster, or log in again.',
      },
    );
  }
}

function targetOf(config: KubeConfig, origin: string): Target {
  const context = config.getContextObject(config.getCurrentContext() ?? '');
  if (!context) {
    throw usageError('ContextUnknown', `${origin} has no current context`, {
      hint: 'Name one with --context, or set it: kubectl config use-context NAME',
    });
  }
  const cluster = config.getCluster(context.cluster);
  if (!cluster) {
    throw usageError(
      'KubeconfigInvalid',
      `context "${context.name}" of ${origin} names cluster "${context.cluster}", which has no valid entry there`,
    );
  }
  if (context.user && !config.getUser(context.user)) {
    throw usageError(
      'KubeconfigInvalid',
      `context "${context.name}" of ${origin} names user "${context.user}", which has no valid entry there`,
    );
  }
  checkServer(cluster.server, cluster.skipTLSVerify, origin);
  return { config, server: cluster.server, context: context.name, namespace: context.namespace ?? 'default', origin };
}

/**
 * Reads which cluster is meant and with which credentials. Throws CodedError (usage) that says which file and what in
 * it: `KubeconfigMissing`, `KubeconfigInvalid`, `ContextUnknown`, `InsecureServer`, `CertificateExpired`,
 * `NotInCluster`.
 */
export async function loadTarget(options: KubeconfigOptions): Promise<Target> {
  const { kubeconfig, env, root = '' } = options;
  if (options.inCluster) return fromAccount(options);
  const home = env['HOME'] ? path.join(env['HOME'], '.kube', 'config') : '';
  const named = kubeconfig
    ? [kubeconfig]
    : (env['KUBECONFIG'] ?? '').split(path.delimiter).filter((file) => file !== '');
  const files = named.length > 0 ? named : existsSync(home) ? [home] : [];
  if (files.length === 0) {
    if (existsSync(`${root}${ACCOUNT}/token`)) return fromAccount(options);
    throw usageError(
      'KubeconfigMissing',
      `there is no kubeconfig: KUBECONFIG is not set and ${home || '~/.kube/config'} does not exist`,
      {
        hint: 'Give one with --kubeconfig or KUBECONFIG.',
      },
    );
  }
  const origin = `the kubeconfig ${files.join(path.delimiter)}`;
  const config = await loadFiles(files);
  if (options.context !== undefined) {
    if (!config.getContextObject(options.context)) {
      const known = config.contexts.map(({ name }) => name);
      throw usageError('ContextUnknown', `${origin} has no context "${options.context}"`, {
        hint: known.length > 0 ? `It has: ${known.join(', ')}.` : 'It has none at all.',
      });
    }
    config.setCurrentContext(options.context);
  }
  const target = targetOf(config, origin);
  await checkCertificate(config, origin);
  return target;
}

/** Why credentials could not be had, without the words of the helper's output, which may hold them. */
export const credentialsFailed = (target: Target, error: unknown): string => {
  const command = target.config.getCurrentUser()?.exec?.command;
  const words =
    error instanceof SyntaxError ? 'its answer is not JSON' : messageOf(error).trim().split('\n')[0]!.slice(0, 200);
  return `no credentials for ${target.server}${command ? ` from the command ${command}` : ''}: ${words}`;
};
