import type { Io } from '../cli/terminal.ts';
import type { StopSignals } from '../cli/signals.ts';
import { VERSION } from '../cli/version.ts';
import { openForge } from '../forge/open.ts';
import type { Forge } from '../forge/port.ts';
import { headline } from '../pulls/report.ts';
import { readSubject, type Subject } from '../pulls/subject.ts';
import { type ActionEvent, readEvent } from './event.ts';
import { isFailure } from './failure.ts';
import { type ActionInputs, readInputs } from './inputs.ts';
import { type Desk, post, tell } from './publish.ts';
import { openSetting } from './setting.ts';
import { checkHead } from './sources.ts';
import { reconcile, type StepParts, type StepResult, validate } from './step.ts';
import { eventLine } from './telling.ts';
import { createFence } from './workflow.ts';

/** What a step of a workflow runs in. */
export interface ActionWorld {
  readonly io: Io;
  /** The payload of the event, parsed. */
  readonly payload: unknown;
  readonly desk: Desk;
  readonly stop: StopSignals;
}

/**
 * One step of a workflow, from its inputs to what people see of it; resolves to its exit code. Throws CodedErrors where it can't be
 * done at all; nothing has been executed then, or what was is in the ledger.
 */
export async function runAction({ io, payload, desk, stop }: ActionWorld): Promise<number> {
  const inputs = readInputs(io.env);
  const event = readEvent(io.env, payload);
  const setting = await openSetting(inputs, event, io, stop.hard, (message) => desk.print(message));
  let forge: Forge | undefined;
  try {
    let subject: Subject | undefined;
    if (event.pullRequest && inputs.command !== 'validate') {
      forge = await openForgeOf(event, inputs, io);
      const { number, head } = event.pullRequest;
      const hints = { head, approved: inputs.approvedSha };
      subject = await readSubject(forge, await forge.pullRequest(number, stop.soft), hints, stop.soft);
      const merge = event.name === 'pull_request' ? io.env['GITHUB_SHA'] : undefined;
      await checkHead(setting.repository, { number, sha: subject.head, merge });
    }
    const result = await fenced(desk, (emit) => {
      const parts: StepParts = { inputs, event, setting, subject, io, emit, stop };
      return inputs.command === 'validate' ? validate(parts) : reconcile(parts);
    });
    await tell(result, desk);
    if (forge && subject) await post(result, subject, inputs, forge, desk, stop.hard);
    desk.print(`runledger: ${headline(result.report)}`);
    return isFailure(result.report.verdict, inputs.failOn) ? 1 : 0;
  } finally {
    await forge?.close();
    await setting.close();
  }
}

/** What jobs print comes into the log, and is no command to the platform. */
async function fenced(desk: Desk, work: (emit: StepParts['emit']) => Promise<StepResult>): Promise<StepResult> {
  const fence = createFence(desk.secretWord(), (line) => desk.print(line));
  fence.begin();
  try {
    return await work((event) => {
      const line = eventLine(event);
      if (line !== undefined) fence.line(line);
    });
  } finally {
    fence.end();
  }
}

const openForgeOf = ({ remote, api, forge: kind }: ActionEvent, { token }: ActionInputs, { env }: Io): Promise<Forge> =>
  openForge({ remote, kind, api, token: async () => token, userAgent: `runledger/${VERSION}`, env });
