import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { LedgerView } from '../../src/ledger/port.ts';
import type { RunRequest } from '../../src/reconciler/plan.ts';
import type { Outcome, RunnerKind } from '../../src/schemas/index.ts';

const FOLDER = join(import.meta.dirname, '../../examples/jobs');

/** The names of the example jobs. */
export const EXAMPLES: readonly string[] = readdirSync(FOLDER).flatMap((name) =>
  name.endsWith('.yaml') ? [name.slice(0, -'.yaml'.length)] : [],
);

/** Copies the examples into `jobs/` of a repository; `image` takes the place of the public one. */
export function copyExamples(repository: string, image?: string): void {
  const folder = join(repository, 'jobs');
  cpSync(FOLDER, folder, { recursive: true });
  if (image === undefined) return;
  for (const name of EXAMPLES) {
    const file = join(folder, `${name}.yaml`);
    writeFileSync(file, readFileSync(file, 'utf8').replaceAll(/alpine:[\d.]+/g, image));
  }
}

/** What examples want to find: https://kubernetes.io/docs/concepts/configuration/secret. */
export const SECRETS = { 'team-chat': { token: 'tell-everybody-4711', key: 'not-a-real-private-key' } } as const;

const ask = (job: string, id: string, params: Readonly<Record<string, string>> = {}): RunRequest => ({
  job,
  id,
  params,
  args: [],
});

/** A day and a half later the schedules are due. */
export const LATER_MS = 36 * 3_600_000;

/** What is asked for of the examples that run on request. */
export const REQUESTS: readonly RunRequest[] = [
  ask('deploy-production', 'dry'),
  ask('deploy-production', 'wet', { VERSION: '1.2.0', DRY_RUN: 'no' }),
  ...['preview', 'reindex', 'link-check'].flatMap((job) => [ask(job, 'one'), ask(job, 'two')]),
  ...['notify-team', 'api-tests', 'canary', 'slow-query'].map((job) => ask(job, 'one')),
];

/** An outcome with its log. */
export interface Ended {
  readonly outcome: Outcome;
  readonly log: string;
}

/** The runs of one example, those that came later by the clock last. */
type Expectation = (runs: readonly Ended[], runner: RunnerKind) => void;

type Vars = Readonly<Record<string, string>>;
const resultsOf = (runs: readonly Ended[]): readonly string[] =>
  runs.map(({ outcome: { result, reason } }) => `${result} ${reason}`);
const varsOf = (runs: readonly Ended[]): readonly Vars[] => runs.map(({ outcome }) => outcome.vars ?? {});
const tasksOf = ([run]: readonly Ended[]): readonly (readonly [string, string])[] =>
  run?.outcome.tasks.map(({ name, result }) => [name, result] as const) ?? [];
const well =
  (vars: Vars = {}): Expectation =>
  (runs) => {
    assert.equal(resultsOf(runs), ['succeeded Completed']);
    assert.equal(varsOf(runs), [vars]);
  };
const times = (count: number): Expectation => {
  const all = Array.from({ length: count }, () => 'succeeded Completed');
  return (runs) => assert.equal(resultsOf(runs), all);
};

/** What becomes of each example. */
export const EXPECTED: Readonly<Record<string, Expectation>> = {
  hello: well(),
  'nightly-report': well({ rows: '2' }),
  'import-data': (runs) => {
    // The second for a change of the data alone.
    assert.equal(varsOf(runs), [{ orders: '3' }, { orders: '4' }]);
    assert.is(runs[1]?.outcome.trigger.kind, 'commit');
  },
  'index-nightly': (runs) => {
    const instants = runs.map(({ outcome }) => outcome.trigger.kind);
    assert.ok(instants.length <= 1 && instants.every((kind) => kind === 'schedule'), 'at most the latest instant');
  },
  'usage-report': (runs) => {
    const instants = runs.flatMap(({ outcome: { trigger } }) => (trigger.kind === 'schedule' ? [trigger.at] : []));
    assert.equal(
      resultsOf(runs.slice(-3)),
      Array.from({ length: 3 }, () => 'succeeded Completed'),
    );
    const [first = 0, second = 0, third = 0] = instants.slice(-3).map((at) => Date.parse(at));
    const hours = 3_600_000;
    assert.equal([second - first, third - second], [8 * hours, 8 * hours]);
  },
  'nightly-cleanup': (runs) => {
    assert.is(resultsOf(runs)[0], 'skipped ConditionFalse');
    assert.equal(runs[0]?.outcome.tasks[0]?.attempts, [], 'nothing is started');
    assert.equal([runs.at(-1)?.outcome.trigger.kind, resultsOf(runs).at(-1)], ['schedule', 'succeeded Completed']);
  },
  'config-lint': (runs) => assert.equal(resultsOf(runs), ['warning ExitCode']),
  'sync-mirror': (runs) => assert.equal(resultsOf(runs), ['skipped ExitCode']),
  'smoke-test': (runs) => {
    assert.equal(resultsOf(runs), ['failed ExitCode']);
    const { exitCode, step, annotations } = runs[0]!.outcome;
    assert.equal([exitCode, step], [3, 'request']);
    assert.equal(
      annotations?.map(({ level, file }) => [level, file]),
      [['error', 'service.txt']],
    );
    assert.not.match(runs[0]!.log, 'this step does not run');
  },
  'check-scripts': well(),
  'review-scripts': (runs, runner) => {
    // Nothing but a pull request runs it.
    if (runner === 'kubernetes') return assert.equal(runs, []);
    well({ leftovers: '1' })(runs, runner);
    const [{ outcome }] = runs as readonly [Ended];
    assert.is(outcome.trigger.kind, 'pullRequest');
    assert.equal(
      outcome.annotations?.map(({ level, file, line }) => [level, file, line]),
      [['warning', 'jobs/scripts/new.sh', 2]],
    );
  },
  site: (runs) => {
    assert.equal(resultsOf(runs), ['succeeded Completed']);
    const paths = runs[0]?.outcome.artifacts?.map(({ path }) => path);
    assert.equal(paths, ['pages.txt', 'public/index.html', 'public/pages/one.html']);
  },
  'integration-report': (runs, runner) => {
    well({ summary: '12 passed' })(runs, runner);
    assert.match(runs[0]!.log, 'all went well');
    assert.not.match(runs[0]!.log, 'somebody should look');
  },
  'flaky-download': (runs) => {
    assert.equal(
      runs[0]?.outcome.tasks[0]?.attempts.map(({ exitCode }) => exitCode),
      [75, 0],
    );
    assert.equal(resultsOf(runs), ['succeeded Completed']);
  },
  'slow-query': (runs) => {
    assert.equal(resultsOf(runs), ['timed-out StepTimeout']);
    assert.equal(varsOf(runs), [{ slow: 'attempt 2' }]);
    assert.equal(
      runs[0]?.outcome.tasks[0]?.attempts.map(({ result, reason }) => `${result} ${reason}`),
      ['timed-out StepTimeout', 'timed-out StepTimeout'],
    );
  },
  compatibility: (runs) =>
    assert.equal(
      tasksOf(runs),
      ['22-linux', '24-linux', '24-windows', '25-linux'].map((name) => [name, 'succeeded']),
    ),
  'test-suites': (runs) =>
    assert.equal(
      tasksOf(runs),
      ['unit', 'browser', 'load'].map((name) => [name, 'succeeded']),
    ),
  canary: (runs) => {
    assert.equal(tasksOf(runs), [
      ['eu', 'failed'],
      ['us', 'cancelled'],
      ['asia', 'cancelled'],
    ]);
    assert.equal(resultsOf(runs), ['failed ExitCode']);
    assert.equal(
      runs[0]?.outcome.tasks.slice(1).map(({ reason }) => reason),
      ['Aborted', 'Aborted'],
    );
  },
  'release-build': well({ version: '1.1.0' }),
  'release-notes': (runs) => {
    times(1)(runs, 'process');
    assert.equal(runs[0]?.outcome.trigger, { kind: 'needs', job: 'release-build', run: 1 });
  },
  'publish-package': well({ published: 'stable/publish-package@1.1.0' }),
  'deploy-staging': well(),
  'deploy-production': (runs) => {
    assert.equal(varsOf(runs), [{}, { deployed: '1.2.0' }]);
    times(2)(runs, 'process');
  },
  preview: (runs) => assert.equal(resultsOf(runs), ['cancelled Superseded', 'succeeded Completed']),
  reindex: (runs) => assert.equal(resultsOf(runs), ['succeeded Completed', 'skipped ConcurrencySkipped']),
  'link-check': times(2),
  'notify-team': (runs) => {
    times(1)(runs, 'process');
    assert.match(runs[0]!.log, 'told the team with ***');
    for (const value of Object.values(SECRETS['team-chat'])) assert.not.match(runs[0]!.log, value);
  },
  'build-tools': (runs, runner) => {
    well({ built: 'main release' })(runs, runner);
    assert.match(runs[0]!.log, /version stdout (Linux|Darwin)/);
  },
  'api-tests': well({ user: '1002' }),
  'verbose-build': ([run]) => {
    const { log, annotations } = run!.outcome;
    assert.equal([run!.outcome.result, log?.complete], ['succeeded', false]);
    assert.ok((log?.bytes ?? 0) <= 10_000, `${log?.bytes} bytes`);
    assert.match(run!.log, 'the password is ***');
    assert.not.match(run!.log, 'swordfish');
    assert.equal(
      annotations?.map(({ level, line, message }) => [level, line, message]),
      [['warning', 3, 'unused variable']],
    );
  },
  // Suspended.
  maintenance: (runs) => assert.equal(runs, []),
};

/** Checks the runs of every example but those left out. Throws with the name of each that is otherwise. */
export function checkExamples(ended: readonly Ended[], runner: RunnerKind, leftOut: readonly string[] = []): void {
  const wrong: string[] = [];
  for (const [job, expect] of Object.entries(EXPECTED)) {
    if (leftOut.includes(job)) continue;
    const runs = ended.filter(({ outcome }) => outcome.job === job).sort((a, b) => a.outcome.run - b.outcome.run);
    try {
      expect(runs, runner);
    } catch (error) {
      const seen = runs.map(
        ({ outcome: { run, result, reason, message } }) => `#${run} ${result} ${reason}: ${message}`,
      );
      wrong.push([`${job}: ${String(error)}`, (error as { details?: string }).details, ...seen].join('\n'));
    }
  }
  if (wrong.length > 0) throw new Error(wrong.join('\n\n'));
}

/** The outcomes with their logs, as a ledger has them. */
export const withLogs = (view: Pick<LedgerView, 'read'>, outcomes: readonly Outcome[]): Promise<readonly Ended[]> =>
  Promise.all(
    outcomes.map(async (outcome) => ({
      outcome,
      log: Buffer.from((await view.read(outcome.log?.path ?? '')) ?? []).toString(),
    })),
  );
