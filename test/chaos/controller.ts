/**
 * The controller as shipped, but for one thing: at the point of a run's life that CHAOS_POINT names, for the CHAOS_NTH time
 * that it is reached, the process kills itself (or stops itself, with CHAOS_SIGNAL=SIGSTOP).
 */
import { controller, type ControllerOptions } from '../../src/cli/commands/controller.ts';

const {
  CHAOS_POINT: wanted,
  CHAOS_NTH: nth = '1',
  CHAOS_SIGNAL: signal = 'SIGKILL',
  CHAOS_OPTIONS: options = '{}',
} = process.env;
let left = Number(nth);
const { stdin, stdout, stderr, env } = process;
const io = { stdin, stdout, stderr, env, cwd: process.cwd() };
process.exitCode = await controller(
  JSON.parse(options) as ControllerOptions,
  { io, exit: () => undefined },
  async (point) => {
    if (point !== wanted) return;
    left -= 1;
    if (left !== 0) return;
    stderr.write(`${JSON.stringify({ chaos: point, signal })}\n`);
    process.kill(process.pid, signal);
    // Stopped: goes on here when it is continued. Killed: never gets here.
  },
);
