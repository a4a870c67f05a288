import type { Command } from 'commander';
import { EXIT } from '../exit.ts';
import { print } from '../print.ts';
import type { Context } from '../program.ts';
import { runNumber } from '../recorded.ts';
import {
  ask,
  type Asked,
  type AskOptions,
  assertKnown,
  type Surroundings,
  waitForAnswer,
  waitLimit,
  withAskOptions,
} from '../requests.ts';
import type { Io } from '../terminal.ts';

export function cancelCommand(command: Command, context: Context): Command {
  withAskOptions(command)
    .description('ask for the end of what a job runs')
    .argument('<job>', 'the name of the job')
    .option('--run <number>', 'only this run; default: all that are queued or running');
  return command.action(async (job: string, options: AskOptions) => {
    context.exit(await cancel(job, options, context));
  });
}

async function cancel(job: string, options: AskOptions, { io }: Context): Promise<number> {
  const run = options.run === undefined ? undefined : runNumber(options.run);
  waitLimit(options);
  return ask(
    options,
    io,
    async ({ view, catalog }) => {
      if (!view.statuses.has(job)) assertKnown(job, await catalog(), view);
      return { action: 'cancel', job, ...(run === undefined ? {} : { run }) };
    },
    (asked, surroundings) => report(asked, surroundings, options, io),
  );
}

async function report(asked: Asked, surroundings: Surroundings, options: AskOptions, io: Io): Promise<number> {
  const { request, id, branch } = asked;
  const what = request.run === undefined ? `what ${request.job} runs` : `${request.job} #${request.run}`;
  const text = `requested on ${branch}: the end of ${what}\n`;
  if (!options.wait) {
    const where = options.in === '.' ? '' : ` -C ${surroundings.repository.location}`;
    print(
      io,
      options.output,
      { id, commit: asked.commit, request },
      () => `${text}\nNext:\n  runledger get ${request.job}${where}   # how it ended\n`,
    );
    return EXIT.ok;
  }
  if (options.output === 'text') io.stderr.write(text);
  const answer = await waitForAnswer(asked, surroundings, options);
  print(io, options.output, { id, request, answer }, () => `${answer.verdict}: ${answer.message}\n`);
  return answer.verdict === 'accepted' ? EXIT.ok : EXIT.failed;
}
