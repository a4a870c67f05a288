import { Option, type Command } from 'commander';
import { usageError } from '../errors.ts';
import type { RunnerKind } from '../schemas/index.ts';
import { LOG_FORMATS, LOG_LEVELS, type LogOptions } from './logger.ts';

export const OUTPUTS = ['text', 'json', 'yaml'] as const;
export type Output = (typeof OUTPUTS)[number];

/** What every command takes. */
export interface CommonOptions extends LogOptions {
  readonly output: Output;
}

export function withLogOptions(command: Command): Command {
  return command
    .addOption(new Option('--log-level <level>', 'how much is logged on standard error').choices(LOG_LEVELS))
    .addOption(
      new Option('--log-format <format>', 'how it is logged; default: pretty on a terminal, else json').choices(
        LOG_FORMATS,
      ),
    );
}

export function withOutput(command: Command): Command {
  return command.addOption(
    new Option('-o, --output <format>', 'how results are printed').choices(OUTPUTS).default('text'),
  );
}

/** The options that say which repository is meant and where its ledger is. */
export interface RepositoryOptions {
  readonly branch?: string;
  readonly path?: string;
  readonly ledger?: string;
  readonly caFile?: string;
  readonly interval?: string;
}

export function withRepositoryOptions(command: Command): Command {
  return command
    .option('--branch <name>', "a URL's branch that holds the manifests; default: the repository's default branch")
    .option('--path <folder>', 'the folder within the repository that holds the manifests; default: all of it')
    .option('--ledger <branch>', 'the branch that outcomes are committed to, or none; default: runledger/status')
    .option('--ca-file <file>', 'certificates (PEM) to trust besides the known ones, for a URL');
}

export function withTarget(command: Command): Command {
  return command.option('-C, --in <target>', 'the repository: a folder or an http(s) URL', '.');
}

/** Collects repeated `--param K=V`. */
export const collect = (value: string, previous: readonly string[] = []): readonly string[] => [...previous, value];

/** The options that say how runs are executed. */
export interface RunnerOptions {
  readonly runner?: RunnerKind;
  readonly secrets?: string;
  readonly concurrency?: string;
  readonly dryRun?: boolean;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly namespace?: string;
  readonly image?: string;
  readonly installation?: string;
  readonly store?: string;
  readonly serve?: string;
}

export function withRunnerOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--runner <kind>', 'how runs are executed; default for a folder: process').choices([
        'process',
        'kubernetes',
      ]),
    )
    .option('--secrets <file>', "the process runner's Secrets: YAML or JSON, name to key to value")
    .option('--concurrency <n>', 'how many runs the process runner executes at once; default: the number of processors')
    .option(
      '--store <store>',
      'where artifacts go: a folder, or s3://BUCKET; default: RUNLEDGER_STORE, else with the state',
    )
    .option('--kubeconfig <file>', 'for --runner kubernetes; default: KUBECONFIG, else ~/.kube/config')
    .option('--context <name>', 'the context of the kubeconfig; default: the current one')
    .option('-n, --namespace <name>', "where pods are created; default: the context's namespace")
    .option('--image <image>', "runledger's own image, for the gates of jobs with several steps")
    .option('--serve <url>', 'where pods reach this machine (http://host:port), for checkout and artifacts')
    .option('--installation <name>', 'keeps several runledgers in one namespace apart; default: cli');
}

/** Reads `--param NAME=VALUE`. Throws `ParameterForm`. */
export function parametersOf(given: readonly string[]): Readonly<Record<string, string>> {
  const pairs = given.map((text) => {
    const equals = text.indexOf('=');
    if (equals < 1) throw usageError('ParameterForm', `--param ${text}: write it as NAME=VALUE`);
    return [text.slice(0, equals), text.slice(equals + 1)] as const;
  });
  return Object.fromEntries(pairs);
}
