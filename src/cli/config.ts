import { readFile } from 'node:fs/promises';
import { messageOf, usageError } from '../errors.ts';
import { forgeAddress, FORGES } from '../forge/address.ts';
import type { Credentials } from '../git/url.ts';
import { compileMasks } from '../logs/mask-patterns.ts';
import { schemaFindings } from '../job/validate.ts';
import type { Finding } from '../job/explain.ts';
import type { FieldPath } from '../job/positions.ts';
import { formatProblem, placeFindings } from '../job/problems.ts';
import { readYaml } from '../job/yaml.ts';
import { templateTrouble } from '../notify/templates.ts';
import type { Config, SourceAuth, SourceConfig, ValueFrom } from '../schemas/index.ts';
import { parseStore } from './store-address.ts';
import type { Io } from './terminal.ts';

/**
 * Reads the configuration of a controller. Throws `ConfigUnreadable` and `ConfigInvalid` (usage), the latter with every problem
 * and its place.
 */
export async function readConfig(path: string): Promise<Config> {
  const bytes = await readFile(path).catch((error: unknown) => {
    throw usageError('ConfigUnreadable', `the configuration can't be read: ${messageOf(error)}`);
  });
  const { file, fault } = readYaml(bytes);
  if (fault) throw usageError('ConfigInvalid', `${path}:${fault.line}:${fault.column}: ${fault.message}`);
  if (file.documents.length !== 1)
    throw usageError('ConfigInvalid', `${path} holds ${file.documents.length} documents; it has to be one`);
  const [document] = file.documents;
  const findings = schemaFindings('config', document);
  const problems = placeFindings(path, file, 0, findings.length > 0 ? findings : checks(document as Config));
  if (problems.length > 0) throw usageError('ConfigInvalid', problems.map(formatProblem).join('\n'));
  const config = document as Config;
  checkSources(config, path);
  return config;
}

const checks = (config: Config): readonly Finding[] => [
  ...maskFindings(config.masks ?? []),
  ...config.sources.flatMap((source, index) => [
    ...forgeFindings(source, index, 'statuses'),
    ...forgeFindings(source, index, 'pullRequests'),
  ]),
  ...pullRequestFindings(config),
  ...notificationFindings(config),
];

/** Masks are searched for in every byte that jobs print: only what can be searched for in linear time is one. */
function maskFindings(masks: readonly string[]): readonly Finding[] {
  return masks.flatMap((mask, index): readonly Finding[] => {
    try {
      compileMasks([mask]);
      return [];
    } catch (error) {
      return [{ path: ['masks', index], place: 'value', message: `${JSON.stringify(mask)} ${messageOf(error)}` }];
    }
  });
}

/** Statuses and pull requests need a forge that is known, and something to log in with. */
function forgeFindings(source: SourceConfig, index: number, field: 'statuses' | 'pullRequests'): readonly Finding[] {
  if (source[field] !== true) return [];
  const finding = (message: string): readonly Finding[] => [{ path: ['sources', index, field], place: 'key', message }];
  if (source.url === undefined) return finding('needs a repository: write url');
  if (tokenOf(source) === undefined) return finding('needs a token: write forge: { tokenFrom: … }');
  try {
    forgeAddress(source.url, source.forge);
    return [];
  } catch (error) {
    return finding(`needs a forge: ${messageOf(error)}; write forge: { kind: ${FORGES.join(' | ')} }`);
  }
}

/** A pull request has one ledger: two sources that follow its target would take its runs from each other. */
function pullRequestFindings({ sources }: Config): readonly Finding[] {
  const seen = new Map<string, string>();
  return sources.flatMap(({ name, url = '', branch = 'main', pullRequests }, index): readonly Finding[] => {
    if (pullRequests !== true) return [];
    const target = `${url.replace(/(\.git)?\/*$/, '')} ${branch}`;
    const other = seen.get(target);
    seen.set(target, name);
    const message = `source ${other} follows the pull requests of this branch already; one source of a branch can`;
    return other === undefined ? [] : [{ path: ['sources', index, 'pullRequests'], place: 'key', message }];
  });
}

/** Where the token for the API of a source's forge lies; undefined: nowhere. */
export const tokenOf = ({ forge, auth }: SourceConfig): ValueFrom | undefined =>
  forge?.tokenFrom ?? auth?.tokenFrom ?? auth?.passwordFrom;

/** Texts of notifications are judged before any run has ended. */
function notificationFindings({ notifications = [], sources }: Config): readonly Finding[] {
  const names = new Set(sources.map(({ name }) => name));
  return notifications.flatMap((notification, index): readonly Finding[] => {
    const { format = 'json', text, body } = notification;
    const at = (...path: FieldPath): FieldPath => ['notifications', index, ...path];
    const unknown = (notification.sources ?? []).flatMap((name, place): readonly Finding[] =>
      names.has(name) ? [] : [{ path: at('sources', place), place: 'value', message: `there is no source ${name}` }],
    );
    const odd = format === 'slack' ? (['body', body, 'json'] as const) : (['text', text, 'slack'] as const);
    const misplaced: readonly Finding[] =
      odd[1] === undefined ? [] : [{ path: at(odd[0]), place: 'key', message: `goes with format: ${odd[2]}` }];
    return [...unknown, ...misplaced, ...textFindings(text, at('text')), ...textFindings(body, at('body'))];
  });
}

function textFindings(value: unknown, path: FieldPath): readonly Finding[] {
  if (typeof value === 'string') {
    const message = templateTrouble(value);
    return message === undefined ? [] : [{ path, place: 'value', message }];
  }
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, child]) =>
    textFindings(child, [...path, Array.isArray(value) ? Number(key) : key]),
  );
}

/** Names are unique, and so is each ledger: two writers of one would each take the other's jobs for removed. */
function checkSources({ sources }: Config, path: string): void {
  const names = new Set<string>();
  const ledgers = new Set<string>();
  for (const { name, url, dir, ledger } of sources) {
    if (names.has(name)) throw usageError('ConfigInvalid', `${path}: two sources are called ${name}`);
    names.add(name);
    const key = `${url ?? dir ?? ''} ${ledger?.branch ?? 'runledger/status'}`;
    if (ledgers.has(key))
      throw usageError(
        'ConfigInvalid',
        `${path}: source ${name} has the repository and ledger branch of another source`,
      );
    ledgers.add(key);
  }
}

/** A configuration of one source, from flags or RUNLEDGER_* variables, where there is no file. */
export function configFromEnv(env: Io['env']): Config {
  const url = env['RUNLEDGER_URL'];
  if (url === undefined || url === '') {
    const hint = 'give --config FILE, or set RUNLEDGER_URL (and RUNLEDGER_BRANCH, RUNLEDGER_PATH, RUNLEDGER_NAMESPACE)';
    throw usageError('ConfigMissing', 'there is no configuration', { hint });
  }
  const optional = (field: string, variable: string): object => (env[variable] ? { [field]: env[variable] } : {});
  return {
    apiVersion: 'runledger.dev/v1',
    kind: 'Config',
    sources: [
      {
        name: env['RUNLEDGER_SOURCE'] || 'default',
        url,
        ...optional('branch', 'RUNLEDGER_BRANCH'),
        ...optional('path', 'RUNLEDGER_PATH'),
        ...optional('namespace', 'RUNLEDGER_NAMESPACE'),
        ...optional('interval', 'RUNLEDGER_INTERVAL'),
        ...optional('caFile', 'RUNLEDGER_CA_FILE'),
        ...(env['RUNLEDGER_GIT_TOKEN'] ? { auth: { tokenFrom: { env: 'RUNLEDGER_GIT_TOKEN' } } } : {}),
        ...(env['RUNLEDGER_GIT_PASSWORD']
          ? {
              auth: {
                usernameFrom: { env: 'RUNLEDGER_GIT_USERNAME' },
                passwordFrom: { env: 'RUNLEDGER_GIT_PASSWORD' },
              },
            }
          : {}),
        ...(env['RUNLEDGER_WEBHOOK_SECRET'] ? { webhook: { secretFrom: { env: 'RUNLEDGER_WEBHOOK_SECRET' } } } : {}),
      },
    ],
    ...(env['RUNLEDGER_STORE'] ? { artifacts: { store: parseStore(env['RUNLEDGER_STORE'], env) } } : {}),
  };
}

/** A secret value that the configuration refers to. Throws `ValueMissing`, which names the variable or file and never the value. */
export async function resolveValue(from: ValueFrom, env: Io['env']): Promise<string> {
  if ('env' in from) {
    const value = env[from.env];
    if (value === undefined || value === '') throw usageError('ValueMissing', `the variable ${from.env} is not set`);
    return value;
  }
  const text = await readFile(from.file, 'utf8').catch((error: unknown) => {
    throw usageError('ValueMissing', `the file ${from.file} can't be read: ${messageOf(error)}`);
  });
  // An empty secret of a webhook is one that everybody knows.
  if (text.trim() === '') throw usageError('ValueMissing', `the file ${from.file} is empty`);
  return text.trim();
}

export async function credentialsOf(auth: SourceAuth | undefined, env: Io['env']): Promise<Credentials | undefined> {
  if (auth?.passwordFrom) {
    const username = auth.usernameFrom ? await resolveValue(auth.usernameFrom, env) : 'git';
    return { kind: 'basic', username, password: await resolveValue(auth.passwordFrom, env) };
  }
  return auth?.tokenFrom ? { kind: 'token', token: await resolveValue(auth.tokenFrom, env) } : undefined;
}

/** `runledger <bot@acme.dev>` as name and address. */
export function authorOf(text: string | undefined): { readonly name: string; readonly email: string } {
  const [, name, email] = /^\s*(.*?)\s*<([^<>]*)>\s*$/.exec(text ?? '') ?? [];
  return { name: name || text?.trim() || 'runledger', email: email || 'runledger@localhost' };
}
