/** Sends so many megabytes of a log through a recorder; MAX_RSS_FILE gets the process's largest resident set. */
import { readFileSync } from 'node:fs';
import { createRecorder } from '../../src/logs/recorder.ts';

const [file = '', secretsFile = '', megabytes = '10'] = process.argv.slice(2);
const corpus = readFileSync(file);
const secrets = JSON.parse(readFileSync(secretsFile, 'utf8')) as string[];
const recorder = createRecorder({
  secrets: secrets.map((value, index) => ({ label: `secret ${index}`, value })),
  limits: { maxBytes: 256 * 1024, maxLine: 16 * 1024 },
  now: () => new Date(),
});
const CHUNK = 64 * 1024;
let at = 0;
for (let left = Number(megabytes) * 1e6; left > 0; left -= CHUNK) {
  // As from a socket: memory of its own for each chunk.
  recorder.write('run', 'stdout', Buffer.from(corpus.subarray(at, at + CHUNK)));
  at = at + CHUNK < corpus.length ? at + CHUNK : 0;
}
recorder.end();
