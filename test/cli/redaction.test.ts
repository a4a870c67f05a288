// test-timeout: 300s
import fc from 'fast-check';
import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cli } from '../support/cli.ts';
import { commitFiles, git, gitEnv, initRepository, temporaryDirectory } from '../support/git.ts';

/** A job: its secrets, what it prints, and where that is cut into writes. */
interface Plot {
  readonly secrets: readonly string[];
  readonly output: string;
  readonly cuts: readonly number[];
}

/** Every form of a secret, worked out here anew: by itself and as a part of a longer text in base64. */
function formsOf(secret: string): string[] {
  const lines = [secret, ...secret.split('\n')].filter((line) => Array.from(line.trim()).length >= 6);
  return lines.flatMap((line) => {
    const bytes = Buffer.from(line);
    const within = [0, 1, 2].flatMap((shift) =>
      (['base64', 'base64url'] as const).map((encoding) => {
        const text = Buffer.concat([Buffer.alloc(shift), bytes]).toString(encoding);
        return text.slice(Math.ceil((shift * 8) / 6), Math.floor(((shift + bytes.length) * 8) / 6));
      }),
    );
    return within.concat(line, encodeURIComponent(line), JSON.stringify(line).slice(1, -1));
  });
}

const secret = fc
  .string({ minLength: 8, maxLength: 60, unit: fc.constantFrom(...Array.from('abcXYZ0189+/=%&"\\ \n-_.~äß€')) })
  .filter((text) => Array.from(text.trim()).length >= 8 && !text.startsWith('\n') && new Set(text).size > 4);

const noise = fc.string({ maxLength: 12, unit: fc.constantFrom(' ', 'k', 'm', 'q', '7', ':', '\n', '\t', '<') });

const plot: fc.Arbitrary<Plot> = fc.array(secret, { minLength: 1, maxLength: 4 }).chain((secrets) => {
  const one = fc.constantFrom(...secrets);
  const shown: fc.Arbitrary<string> = fc.oneof(
    one,
    one.map((text) => encodeURIComponent(text)),
    one.map((text) => JSON.stringify({ text })),
    fc
      .tuple(fc.constantFrom('', 'x', 'xy'), one, noise)
      .map(([before, text, after]) => Buffer.from(`${before}${text}${after}`).toString('base64')),
    one.map((text) => Buffer.from(`u:${text}`).toString('base64url')),
    one.map((text) => text.split('\n').join('\n  ')),
  );
  const part: fc.Arbitrary<string> = fc.oneof(
    { weight: 4, arbitrary: noise },
    { weight: 4, arbitrary: shown },
    shown.map((text) => `\n::set-outcome-var found=${text.replaceAll('\n', ' ')}\n`),
    shown.map((text) => `\n::start-multiline-outcome-var notes\n${text}\n::end-multiline-outcome-var\n`),
    shown.map((text) => `\n::error file=${text.replaceAll(/[\n,:=]/g, '')},line=3::${text.replaceAll('\n', ' ')}\n`),
    one.map((text) => `\n::warning::\u001b[31m${text.slice(0, 4)}\u001b[0m${text.slice(4).replaceAll('\n', ' ')}\n`),
    fc.constantFrom('\n::set-outcome-var broken\n', '\n::end-multiline-outcome-var\n', '\r', '\0'),
  );
  return fc.record({
    secrets: fc.constant(secrets),
    output: fc.array(part, { minLength: 3, maxLength: 25 }).map((parts) => parts.join('')),
    cuts: fc.array(fc.nat(400), { maxLength: 6 }),
  });
});

const JOBS = 40;
const test = suite('redaction');

test('no form of a secret survives anywhere in a clone of the ledger', async () => {
  const seed = Number(process.env['RUNLEDGER_TEST_SEED'] ?? Date.now() % 1_000_000);
  const plots = fc.sample(plot, { numRuns: JOBS, seed });
  const { path, remove } = await temporaryDirectory();
  try {
    const folder = await initRepository(join(path, 'jobs'));
    const files: Record<string, string> = {};
    const values: Record<string, Record<string, string>> = {};
    for (const [index, { secrets, output, cuts }] of plots.entries()) {
      const bytes = Buffer.from(output);
      const places = [...new Set([0, ...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length])].sort(
        (a, b) => a - b,
      );
      const pieces = join(path, `pieces-${index}`);
      await mkdir(pieces);
      for (let at = 1; at < places.length; at += 1)
        await writeFile(join(pieces, String(at).padStart(3, '0')), bytes.subarray(places[at - 1], places[at]));
      values[`s${index}`] = Object.fromEntries(secrets.map((text, at) => [`k${at}`, text]));
      const env = Object.fromEntries(
        secrets.map((_, at) => [`S${at}`, { secret: { name: `s${index}`, key: `k${at}` } }]),
      );
      const manifest = {
        apiVersion: 'runledger.dev/v1',
        kind: 'Job',
        metadata: { name: `job-${index}` },
        spec: {
          env,
          steps: [
            { name: 'print', run: `for piece in ${pieces}/*; do cat "$piece"; sleep 0.01; done; exit ${index % 2}` },
          ],
        },
      };
      files[`job-${index}.yaml`] = JSON.stringify(manifest);
    }
    await commitFiles(folder, files);
    const secretsFile = join(path, 'secrets.json');
    await writeFile(secretsFile, JSON.stringify(values), { mode: 0o600 });
    const ran = await cli(['reconcile', '--secrets', secretsFile], { cwd: folder });
    assert.ok(ran.code === 0 || ran.code === 1, ran.stderr);

    const clone = join(path, 'clone.git');
    await git(path, 'clone', '--quiet', '--bare', folder, clone);
    const everything = everyObject(clone, await git(clone, 'rev-list', '--objects', 'runledger/status'));
    assert.match(everything, 'job-39', 'the ledger has the runs');
    assert.match(everything, '***');
    for (const [index, { secrets }] of plots.entries())
      for (const text of secrets)
        for (const form of formsOf(text))
          for (const where of [everything, ran.stdout, ran.stderr])
            assert.not.ok(
              where.includes(form),
              `seed ${seed}, job-${index}: ${JSON.stringify(form)} of ${JSON.stringify(text)}`,
            );
  } finally {
    await remove();
  }
});

/** The content of every commit, tree and blob that a branch holds. */
function everyObject(repository: string, list: string): string {
  const ids = list
    .split('\n')
    .map((line) => line.split(' ')[0])
    .join('\n');
  const content = execFileSync('git', ['cat-file', '--batch'], {
    cwd: repository,
    env: gitEnv,
    input: `${ids}\n`,
    maxBuffer: 1024 ** 3,
  });
  return content.toString();
}

test.run();
