import type { Command } from 'commander';
import { asksCluster } from '../cluster-logs.ts';
import { AREAS, type Check } from '../doctor/check.ts';
import type { ClusterQuestions } from '../doctor/cluster.ts';
import { folderChecks, remoteChecks } from '../doctor/git.ts';
import { hereChecks } from '../doctor/here.ts';
import { ledgerCheck } from '../doctor/ledger.ts';
import { EXIT } from '../exit.ts';
import { withLogOptions, withOutput, withRepositoryOptions, withTarget } from '../options.ts';
import { print } from '../print.ts';
import type { Context } from '../program.ts';
import type { ReadingOptions } from '../reading.ts';
import { stopSignals } from '../signals.ts';
import { parseTarget } from '../target.ts';
import { type Io, type Paint, paintFor } from '../terminal.ts';

interface DoctorOptions extends ReadingOptions, ClusterQuestions {}

/** What `-o json` prints. */
interface Diagnosis {
  /** Whether nothing failed. */
  readonly ok: boolean;
  readonly checks: readonly Check[];
}

export function doctorCommand(command: Command, context: Context): Command {
  withLogOptions(withOutput(withTarget(withRepositoryOptions(command))))
    .description(
      'look at what runledger stands on: versions, the cluster, permissions, git, clocks; and say what to do',
    )
    .option('--kubeconfig <file>', 'the cluster; default: KUBECONFIG, else ~/.kube/config, else that of the pod')
    .option('--context <name>', 'the context of the kubeconfig; default: the current one')
    .option('-n, --namespace <name>', "the namespace of the jobs; default: the context's")
    .option('--lease-namespace <name>', 'the namespace of the controller; default: that of the jobs');
  return command.action(async (options: DoctorOptions) => {
    context.exit(await doctor(options, context.io));
  });
}

async function doctor(options: DoctorOptions, io: Io): Promise<number> {
  const target = parseTarget(options.in, io.cwd);
  const stop = stopSignals(io, { first: () => undefined, second: () => undefined });
  const signal = stop.soft;
  try {
    const here = hereChecks(process.versions.node, `${process.platform} ${process.arch}`);
    const found = await Promise.all([clusterOf(options, io, signal), gitOf(target, options, io, signal)]);
    if (signal.aborted) return EXIT.interrupted;
    const checks = [...here, ...found.flat()];
    const diagnosis: Diagnosis = { ok: checks.every(({ state }) => state !== 'fail'), checks };
    print(io, options.output, diagnosis, () => diagnosisText(diagnosis, paintFor(io.stdout, io.env)));
    return diagnosis.ok ? EXIT.ok : EXIT.usage;
  } finally {
    stop.close();
  }
}

async function clusterOf(options: DoctorOptions, io: Io, signal: AbortSignal): Promise<readonly Check[]> {
  const isInPod = Boolean(io.env['KUBERNETES_SERVICE_HOST']);
  if (!isInPod && !asksCluster(options, 'url', io)) {
    const message = 'there is no kubeconfig; runs are executed by processes of this machine';
    return [
      { area: 'cluster', name: 'reachable', state: 'skipped', message, hint: 'name a cluster with --kubeconfig' },
    ];
  }
  return (await import('../doctor/cluster.ts')).clusterChecks(options, io, signal);
}

async function gitOf(
  target: ReturnType<typeof parseTarget>,
  options: DoctorOptions,
  io: Io,
  signal: AbortSignal,
): Promise<readonly Check[]> {
  const git =
    target.kind === 'url' ? await remoteChecks(target.url, options, io, signal) : await folderChecks(target.path);
  // Where nothing can be read, the ledger would only say so again.
  const [read] = git;
  return read?.state === 'fail' ? git : [...git, await ledgerCheck(options.in, options, io, signal)];
}

const LOOK = {
  ok: { mark: '✓', style: 'green' },
  warn: { mark: '!', style: 'yellow' },
  fail: { mark: '✗', style: 'red' },
  skipped: { mark: '–', style: 'gray' },
} as const;

export function diagnosisText({ checks }: Diagnosis, paint: Paint): string {
  const width = Math.max(...checks.map(({ name }) => name.length));
  const areas = AREAS.flatMap((area) => {
    const own = checks.filter((check) => check.area === area);
    if (own.length === 0) return [];
    const lines = own.map(({ name, state, message, hint }) => {
      const { mark, style } = LOOK[state];
      const line = `  ${paint(style, mark)} ${name.padEnd(width)}  ${message}\n`;
      return hint === undefined ? line : `${line}${' '.repeat(width + 6)}${paint('gray', `→ ${hint}`)}\n`;
    });
    return [`${paint('bold', area)}\n${lines.join('')}`];
  });
  const count = (state: Check['state']): number => checks.filter((check) => check.state === state).length;
  const [warnings, failures] = [count('warn'), count('fail')];
  const totals = `${count('ok')} fine, ${warnings} ${warnings === 1 ? 'warning' : 'warnings'}, ${failures} failed\n`;
  return `${areas.join('')}${totals}`;
}
