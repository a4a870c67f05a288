import { Option, type Command } from 'commander';
import { closest } from 'fastest-levenshtein';
import { resolve } from 'node:path';
import { usageError } from '../../errors.ts';
import { createCatalogBuilder } from '../../job/catalog.ts';
import { tasksOf } from '../../job/fan-out.ts';
import { resolveFiles } from '../../job/files.ts';
import { coveredOf } from '../../job/inputs.ts';
import { resolveParameters } from '../../job/parameters.ts';
import { formatProblem } from '../../job/problems.ts';
import { taskRecord } from '../../job/task-spec.ts';
import { runRecord } from '../../reconciler/record.ts';
import { renderBudget } from '../../render/budget.ts';
import { renderClaim } from '../../render/claim.ts';
import { UNKNOWN_UID } from '../../render/context.ts';
import { renderPayload } from '../../render/payload.ts';
import { renderPod } from '../../render/pod.ts';
import { toYaml } from '../../render/yaml.ts';
import { EXIT } from '../exit.ts';
import { sourceOfPath } from '../folder.ts';
import { addressFrom } from '../address.ts';
import { defaultImage } from '../kubernetes.ts';
import { sourceName } from '../source-name.ts';
import type { LogOptions } from '../logger.ts';
import { collect, parametersOf, withLogOptions } from '../options.ts';
import type { Context } from '../program.ts';
import { stopSignals } from '../signals.ts';

interface RenderOptions extends LogOptions {
  readonly in: string;
  readonly namespace: string;
  readonly installation: string;
  readonly image?: string;
  readonly run: string;
  readonly param?: readonly string[];
  readonly output: 'json' | 'yaml';
}

export function renderCommand(command: Command, context: Context): Command {
  withLogOptions(command)
    .description('print the Kubernetes objects that a run of a job would create; asks no cluster')
    .argument('<job>', 'the name of the job')
    .option('-C, --in <folder>', 'the folder with the manifests', '.')
    .option('-n, --namespace <name>', 'the namespace of the objects', 'default')
    .option('--installation <name>', 'the installation that their names are made for', 'runledger')
    .option('--image <image>', "runledger's own image, for the gates of jobs with several steps")
    .option('--run <number>', 'the number of the run', '1')
    .option('--param <name=value>', 'a parameter of the job; may be repeated', collect)
    .addOption(
      new Option('-o, --output <format>', 'yaml: a document for each object; json: one List of them')
        .choices(['yaml', 'json'])
        .default('yaml'),
    );
  return command.action(async (job: string, options: RenderOptions) => {
    context.exit(await render(job, options, context));
  });
}

async function render(name: string, options: RenderOptions, { io }: Context): Promise<number> {
  const stop = stopSignals(io);
  const folder = resolve(io.cwd, options.in);
  const { source, knownFiles } = await sourceOfPath(folder);
  const snapshot = await source.fetch(stop.soft);
  const catalog = await createCatalogBuilder().build(snapshot, { knownFiles });
  stop.close();
  const invalid = catalog.invalidJobs.get(name);
  if (invalid) {
    io.stderr.write(invalid.problems.map((problem) => `invalid: ${formatProblem(problem)}\n`).join(''));
    return EXIT.invalid;
  }
  const job = catalog.jobs.get(name);
  if (!job) {
    const names = [...catalog.jobs.keys()];
    throw usageError(
      'JobUnknown',
      `there is no job "${name}" here`,
      names.length > 0 ? { hint: `did you mean ${closest(name, names)}?` } : {},
    );
  }
  const params = resolveParameters(job.manifest.spec, parametersOf(options.param ?? []));
  const action = {
    job: name,
    action: 'run',
    run: Number(options.run),
    trigger: { kind: 'commit', revision: catalog.revision },
    reason: 'Rendered',
    message: '',
  } as const;
  const covered = await coveredOf(job, snapshot);
  const record = runRecord({
    action,
    desired: job,
    revision: catalog.revision,
    covered,
    request: undefined,
    params,
    chain: catalog.revision,
    now: new Date(0).toISOString(),
  });
  const { namespace, installation } = options;
  const context = { namespace, installation, source: sourceName(folder), epoch: 0 };
  const claim = renderClaim(record, context);
  const owner = (object: { metadata?: { name?: string } }) => ({ name: object.metadata?.name ?? '', uid: UNKNOWN_UID });
  const payload = renderPayload({ record, files: await resolveFiles(job, snapshot), context, claim: owner(claim) });
  const image = options.image ?? defaultImage(io);
  const address = addressFrom(io.env['RUNLEDGER_ADDRESS']) ?? 'http://runledger.runledger.svc:8080';
  const podContext = { ...context, image, imagePullSecrets: [], podDefaults: {}, payload: owner(payload), address };
  const tasks = tasksOf(record.spec).filter((task) => !taskRecord(record, task).nothingLeft);
  const pods = tasks.map((task) => renderPod({ record, task, attempt: 1, context: podContext }));
  const objects = [claim, payload, ...pods, renderBudget(context)];
  const list = { apiVersion: 'v1', kind: 'List', items: objects };
  if (options.output === 'json') io.stdout.write(`${JSON.stringify(list, null, 2)}\n`);
  else io.stdout.write(toYaml(objects));
  return EXIT.ok;
}
