/**
 * A process that begins a run and then lives on, for tests that end it: `node owner.ts STATE_DIR SPEC_JSON`. Prints
 * `claimed` or `exists`, and then `ended` once its attempts have ended.
 */
import { createProcessRunner } from '../../src/runner/process/index.ts';
import { begin, HOST, recordOf, waitForEnd } from './world.ts';

const [stateDir = '', spec = '{}'] = process.argv.slice(2);
const runner = createProcessRunner({
  stateDir,
  secrets: new Map(),
  events: { changed: () => undefined, output: () => undefined },
  env: process.env,
  now: () => new Date(),
  hostname: HOST,
});
const record = recordOf(JSON.parse(spec));
process.stdout.write(`${await begin(runner, record)}\n`);
await waitForEnd(runner, record);
process.stdout.write('ended\n');
setInterval(() => undefined, 60_000);
