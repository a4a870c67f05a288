import type { Command } from 'commander';
import { usageError } from '../../errors.ts';
import { identityOf, LABELS, MANAGER } from '../../render/labels.ts';
import { openCluster } from '../../runner/kubernetes/client.ts';
import { deleteObjects, listObjects } from '../../runner/kubernetes/objects.ts';
import { removeFinalizer } from '../../runner/kubernetes/release.ts';
import { configMaps, type Pod, pods } from '../../runner/kubernetes/wire.ts';
import { EXIT } from '../exit.ts';
import { type CommonOptions, withLogOptions, withOutput } from '../options.ts';
import { print } from '../print.ts';
import type { Context } from '../program.ts';
import { stopSignals } from '../signals.ts';
import { VERSION } from '../version.ts';

interface ReleaseOptions extends CommonOptions {
  readonly namespace?: string;
  readonly installation?: string;
  readonly source?: string;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly yes?: boolean;
}

export function releaseCommand(command: Command, context: Context): Command {
  withLogOptions(withOutput(command))
    .description('let go of the pods of a ledger that is gone for good: their outcomes are lost')
    .option('-n, --namespace <name>', "the namespace of the jobs; default: the context's")
    .option('--installation <name>', 'only of this installation')
    .option('--source <name>', 'only of this source')
    .option('--kubeconfig <file>', 'default: KUBECONFIG, else ~/.kube/config')
    .option('--context <name>', 'the context of the kubeconfig')
    .option('--yes', 'do it; without it, only say what would be let go')
    .addHelpText('after', NOTE);
  return command.action(async (options: ReleaseOptions) => {
    context.exit(await release(options, context));
  });
}

const NOTE = `
A finished pod is held by a finalizer until its outcome is in the ledger. The controller lets go of it by itself, also
when the remote is down for long. Use this only when no controller will ever write that ledger again, and stop the
controller first.
`;

async function release(options: ReleaseOptions, { io }: Context): Promise<number> {
  const stop = stopSignals(io);
  const signal = stop.soft;
  const cluster = await openCluster({
    userAgent: `runledger/${VERSION}`,
    env: io.env,
    ...(options.kubeconfig === undefined ? {} : { kubeconfig: options.kubeconfig }),
    ...(options.context === undefined ? {} : { context: options.context }),
    signal,
  });
  try {
    const namespace = options.namespace ?? cluster.namespace;
    const labelSelector = selector(options);
    const found = await listObjects(cluster, pods, { namespace, labelSelector }, { signal });
    const runs = new Map(found.items.flatMap(heldRun));
    const held = [...runs].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, run]) => run);
    const tell = (released: boolean): void =>
      print(io, options.output, { namespace, released, runs: held }, () => heldText(held, namespace, released));
    if (held.length === 0 || !options.yes) tell(false);
    if (held.length === 0) return EXIT.ok;
    if (!options.yes) {
      throw usageError('NotConfirmed', `${runs.size} runs would be let go, and how they ended would be in no ledger`, {
        hint: 'add --yes to do it',
      });
    }
    // In this order nothing of a run can start any more before its pod is let go.
    await deleteObjects(cluster, configMaps, { namespace, labelSelector }, { signal });
    for (const pod of found.items) await removeFinalizer({ cluster, namespace }, pod, signal);
    await deleteObjects(cluster, pods, { namespace, labelSelector }, { signal });
    tell(true);
    return EXIT.ok;
  } finally {
    await cluster.close();
    stop.close();
  }
}

/** A run whose pods are held. */
interface HeldRun {
  readonly source: string;
  readonly job: string;
  readonly run: number;
}

const nameOf = ({ source, job, run }: HeldRun): string => `${source}: ${job} #${run}`;

function heldRun(pod: Pod): readonly (readonly [string, HeldRun])[] {
  const identity = identityOf(pod);
  if (!identity) return [];
  const { source, job, run } = identity;
  const held = { source, job, run };
  return [[nameOf(held), held]];
}

function heldText(runs: readonly HeldRun[], namespace: string, released: boolean): string {
  if (runs.length === 0) return `nothing is held in namespace ${namespace}\n`;
  const end = released ? `let go of ${runs.length} runs\n` : '';
  return `${runs.map((run) => `${nameOf(run)}\n`).join('')}${end}`;
}

function selector({ installation, source }: ReleaseOptions): string {
  return [
    `${LABELS.managedBy}=${MANAGER}`,
    ...(installation === undefined ? [] : [`${LABELS.installation}=${installation}`]),
    ...(source === undefined ? [] : [`${LABELS.source}=${source}`]),
  ].join(',');
}
