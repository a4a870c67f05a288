/**
 * Shows runledger at work, with nothing but Node: makes a repository out of examples/jobs in a temporary folder,
 * reconciles it with the process runner, and shows the ledger that this wrote.
 */
import git from 'isomorphic-git';
import fs, { cpSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_LEDGER } from '../src/cli/compose.ts';
import { runProgram } from '../src/cli/program.ts';
import { paintFor, type Io } from '../src/cli/terminal.ts';
import { openLocalBranch } from '../src/git/local-branch.ts';
import { outcomePath, README_PATH } from '../src/ledger/layout.ts';
import { openLedger } from '../src/ledger/writer.ts';

const { stdin, stdout, stderr, env } = process;
const paint = paintFor(stdout, env);
const say = (text: string): void => void stdout.write(`${text}\n`);
const heading = (text: string): void => say(`\n${paint('bold', text)}`);

const dir = mkdtempSync(join(tmpdir(), 'runledger-demo-'));
const io: Io = { stdin, stdout, stderr, env, cwd: dir };

/** Types a command as a person would, and runs it. */
async function type(...args: string[]): Promise<number> {
  say(`\n${paint('cyan', `$ runledger ${args.join(' ')}`)}`);
  return runProgram(args, io);
}

heading('1. A repository with job files');
cpSync(join(import.meta.dirname, '../examples/jobs'), join(dir, 'jobs'), { recursive: true });
await git.init({ fs, dir, defaultBranch: 'main' });
for (const path of fs.readdirSync(join(dir, 'jobs'), { recursive: true, encoding: 'utf8' })) {
  if (fs.statSync(join(dir, 'jobs', path)).isFile())
    await git.add({ fs, dir, filepath: `jobs/${path.replaceAll('\\', '/')}` });
}
await git.commit({ fs, dir, message: 'Add jobs', author: { name: 'demo', email: 'demo@localhost' } });
say(
  `${dir}\n${fs
    .readdirSync(join(dir, 'jobs'))
    .map((name) => `  jobs/${name}`)
    .join('\n')}`,
);

heading('2. What would run, and why');
await type('reconcile', '--dry-run');

heading('3. Run it: one of the jobs fails on purpose, and one warns');
await type('reconcile');

heading('4. Once more: nothing changed, so nothing runs');
await type('reconcile');

heading(`5. The ledger: the branch ${DEFAULT_LEDGER} of the same repository`);
const branch = await openLocalBranch({ gitdir: join(dir, '.git'), branch: DEFAULT_LEDGER });
const done = new AbortController();
const ledger = openLedger({
  branch,
  author: { name: 'demo', email: 'demo@localhost' },
  now: () => Date.now(),
  signal: done.signal,
});
const view = await ledger.read(done.signal);
const show = async (title: string, path: string): Promise<void> => {
  say(`\n${paint('cyan', `$ git show ${DEFAULT_LEDGER}:${path}`)}   ${paint('gray', title)}`);
  say(
    Buffer.from((await view.read(path)) ?? '')
      .toString()
      .trimEnd(),
  );
};
await show('the table that the web page of the repository shows', README_PATH);
await show('the outcome of the run that failed', outcomePath('smoke-test', 1));
say(`\n${paint('cyan', `$ git log --oneline ${DEFAULT_LEDGER}`)}`);
for (const { id, message } of await branch.log(view.head ?? '', 10))
  say(`${paint('yellow', id.slice(0, 7))} ${message.split('\n')[0]}`);
done.abort();
await type('logs', 'nightly-report');

heading('Next');
say(`  cd ${dir}
  change a job in jobs/, and run \`runledger reconcile\` again
  (in a checkout of runledger: npm run --silent runledger -- reconcile ${dir})
  README.md has the first steps with a repository of your own; rm -r ${dir} removes this one`);
