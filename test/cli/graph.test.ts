import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { graphMermaid } from '../../src/cli/graph-mermaid.ts';
import { graphText } from '../../src/cli/graph-text.ts';
import type { GraphEdge, JobGraph } from '../../src/cli/graph.ts';
import { cli } from '../support/cli.ts';
import { startGitServer } from '../support/git-server.ts';
import { temporaryDirectory } from '../support/git.ts';

interface World {
  folder: string;
  remove: () => Promise<void>;
}

const test = suite<World>('the graph of jobs');

test.before.each(async (context) => {
  const { path: folder, remove } = await temporaryDirectory();
  Object.assign(context, { folder, remove });
});
test.after.each(({ remove }) => remove());

const job = (name: string, spec: string): string =>
  `apiVersion: runledger.dev/v1\nkind: Job\nmetadata: { name: ${name} }\nspec:\n${spec.replace(/^/gm, '  ')}\n`;

const JOBS = {
  'build.yaml': job('build', 'run: make'),
  'lint.yaml': job('lint', 'needs: [build]\nrun: lint'),
  'test.yaml': job('test', 'needs: [build]\nrun: test'),
  'deploy.yaml': job('deploy', 'needs: [lint, test]\nrun: deploy'),
  'alarm.yaml': job('alarm', 'needs: [{ job: test, results: [failed, error] }]\nrun: alarm'),
  'nightly.yaml': job('nightly', 'on: { schedule: { cron: "30 2 * * *", timeZone: Europe/Zurich } }\nrun: report'),
  'off.yaml': job('off', 'suspend: true\nrun: x'),
  'by-hand.yaml': job('by-hand', 'on: {}\nrun: x'),
};

test('a folder is shown as a tree, with what starts each root', async ({ folder }) => {
  for (const [name, text] of Object.entries(JOBS)) writeFileSync(path.join(folder, name), text);
  const { code, stdout } = await cli(['graph', folder], { cwd: folder });
  assert.is(code, 0);
  assert.is(
    stdout,
    [
      'build  commit',
      '├─ lint',
      '│  └─ deploy  needs test too',
      '└─ test',
      '   ├─ alarm  after failed or error',
      '   └─ deploy  ↑',
      'by-hand  on request',
      'nightly  schedule 30 2 * * * Europe/Zurich',
      'off  commit · suspended',
      '',
    ].join('\n'),
  );
});

test('invalid jobs are marked, and the exit code says so', async ({ folder }) => {
  writeFileSync(path.join(folder, 'a.yaml'), job('a', 'run: x\nimagee: y'));
  writeFileSync(path.join(folder, 'b.yaml'), job('b', 'needs: [a]\nrun: x'));
  writeFileSync(path.join(folder, 'c.yaml'), job('c', 'needs: [nope]\nrun: x'));
  const text = await cli(['graph'], { cwd: folder });
  assert.is(text.code, 3);
  assert.match(text.stdout, /^a {2}invalid: a\.yaml:6:3: spec\.imagee: unknown field/m);
  assert.match(text.stdout, /^└─ b$/m);
  assert.match(text.stdout, /^c {2}invalid: .*no job "nope"/m);
  const mermaid = await cli(['graph', '-o', 'mermaid'], { cwd: folder });
  assert.match(mermaid.stdout, /j0\["a \(invalid\)"\]:::invalid/);
});

test('runner sets are shown, and which jobs run on them', async ({ folder }) => {
  const kind = 'apiVersion: runledger.dev/v1\nkind: RunnerSet\nmetadata: { name: small }\n';
  writeFileSync(
    path.join(folder, 'set.yaml'),
    `${kind}spec: { minRunners: 2, maxRunners: 20, slots: 40, image: "a:1" }\n`,
  );
  writeFileSync(path.join(folder, 'lint.yaml'), job('lint', 'runsOn: small\nrun: lint'));
  writeFileSync(path.join(folder, 'e2e.yaml'), job('e2e', 'runsOn: { set: small, fallback: pod }\nrun: e2e'));
  const { code, stdout } = await cli(['graph', folder], { cwd: folder });
  assert.is(code, 0);
  assert.is(
    stdout,
    'e2e  commit · on small\nlint  commit · on small\nrunner set small  2 to 20 runners, 40 slots, a:1\n',
  );
  const { stdout: mermaid } = await cli(['graph', folder, '-o', 'mermaid'], { cwd: folder });
  assert.match(mermaid, 's0[["small: 2 to 20 runners, 40 slots, a:1"]]');
  assert.match(mermaid, 'j0 -.- s0');
  assert.match(mermaid, 'j1 -.- s0');
});

test('a URL is shown too, as JSON', async ({ folder }) => {
  const server = await startGitServer({ root: path.join(folder, 'server') });
  try {
    const repository = await server.createRepository('jobs.git');
    const revision = await repository.commit(JOBS);
    const home = path.join(folder, 'home');
    mkdirSync(home);
    const { code, stdout, stderr } = await cli(['graph', repository.url, '-o', 'json'], { cwd: home });
    assert.is(code, 0, stderr);
    const graph = JSON.parse(stdout) as JobGraph & { revision: string };
    assert.is(graph.revision, revision);
    assert.equal(
      graph.edges.map(({ from, to }) => `${from} ${to}`),
      ['build lint', 'build test', 'lint deploy', 'test alarm', 'test deploy'],
    );
    assert.is(await repository.git('branch', '--list'), '* main', 'nothing was written');
  } finally {
    await server.close();
  }
});

test('Mermaid gets ids of our own, and no text as syntax', () => {
  const triggers = ['schedule */5 * * * * "; end'];
  const graph: JobGraph = {
    jobs: [
      { name: 'end', path: 'a.yaml', state: 'valid', triggers },
      { name: 'graph', path: 'a.yaml', state: 'suspended', triggers: [] },
    ],
    edges: [{ from: 'end', to: 'graph', results: ['failed'] }],
    runnerSets: [],
  };
  const text = graphMermaid(graph);
  assert.is(
    text,
    [
      'flowchart LR',
      '  t0(["schedule #42;/5 #42; #42; #42; #42; #34;#59; end"]):::trigger',
      '  j0["end"]',
      '  j1["graph (suspended)"]:::suspended',
      '  t0 -.-> j0',
      '  j0 -- "failed" --> j1',
      '  classDef trigger stroke-dasharray: 3 3',
      '  classDef suspended color:#888,stroke:#888',
      '  classDef invalid color:#b00,stroke:#b00',
      '',
    ].join('\n'),
  );
});

test('a chain of 5,000 jobs fits the terminal', () => {
  const names = Array.from({ length: 5_000 }, (_, index) => `job-${String(index).padStart(4, '0')}`);
  const edges = names
    .slice(1)
    .map((to, index): GraphEdge => ({ from: names[index] ?? '', to, results: ['succeeded', 'warning'] }));
  const jobs = names.map((name) => ({ name, path: 'a.yaml', state: 'valid' as const, triggers: [] }));
  const lines = graphText({ jobs, edges, runnerSets: [] }, 60, (_style, text) => text)
    .trimEnd()
    .split('\n');
  assert.is(lines.length, 5_000);
  assert.ok(lines.every((line) => line.length <= 60));
  assert.match(lines.at(-1) ?? '', /^4999… └─ job-4999$/);
});

test.run();
