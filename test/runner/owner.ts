/**
 * A process that starts a run and then lives on, for tests that end it: `node owner.ts STATE_DIR SPEC_JSON`. Prints
 * `started` or `exists`, and then `ended` once the run has ended.
 */
import { createProcessRunner } from '../../src/runner/process/index.ts';
import { HOST, never, recordOf, waitForEnd } from './world.ts';

const [stateDir = '', spec = '{}'] = process.argv.slice(2);
const runner = createProcessRunner({
  stateDir,
  secrets: new Map(),
  concurrency: 1,
  events: { changed: () => undefined, output: () => undefined },
  env: process.env,
  now: () => new Date(),
  hostname: HOST,
});
const record = recordOf(JSON.parse(spec));
process.stdout.write(`${await runner.start(record, [], never)}\n`);
await waitForEnd(runner, record);
process.stdout.write('ended\n');
setInterval(() => undefined, 60_000);
