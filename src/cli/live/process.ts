import { hostname } from 'node:os';
import { liveTar } from '../../artifacts/live-tar.ts';
import { attemptOutput, createProcessRunner } from '../../runner/process/index.ts';
import type { AttemptState } from '../../runner/port.ts';
import type { Io } from '../terminal.ts';
import type { GoingTask, LiveReader } from './picture.ts';

/** The runs that some process of this machine executes. */
export function processReader(stateDir: string, io: Io): LiveReader {
  const runner = createProcessRunner({
    stateDir,
    secrets: new Map(),
    events: { changed: () => undefined, output: () => undefined },
    env: io.env,
    now: () => new Date(),
    hostname: hostname(),
    observe: true,
  });
  return {
    async list(signal) {
      const runs = await runner.list(signal);
      return runs.map(({ record, attempts, cancelled }) => ({
        job: record.job,
        run: record.run,
        trigger: record.trigger,
        revision: record.revision,
        queued: record.queued,
        isCancelled: cancelled !== undefined,
        tasks: attempts.map(goingTask),
      }));
    },
    async output(run, { task, attempt }, signal) {
      const { stream, warnings } = await liveTar(attemptOutput(stateDir, run, { task, number: attempt }), signal);
      return { stream, ended: warnings.then((all) => all.map(({ path, message }) => `${path} ${message}`)) };
    },
    close: async () => undefined,
  };
}

const goingTask = ({ task, number, started, finished, ending, pod, node }: AttemptState): GoingTask => ({
  task,
  attempt: number,
  phase: ending !== null ? 'ended' : started === null ? 'starting' : 'running',
  started,
  finished,
  ...(pod === undefined ? {} : { pod }),
  ...(node === undefined ? {} : { node }),
});
