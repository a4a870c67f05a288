import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createCatalogBuilder } from '../../src/job/catalog.ts';
import { formatProblem } from '../../src/job/problems.ts';
import { snapshotOf } from './world.ts';

const SET = `apiVersion: runledger.dev/v1
kind: RunnerSet
metadata: { name: linux-small }
spec:
  maxRunners: 4
  image: alpine:3.20
`;
const job = (...lines: readonly string[]): string => `apiVersion: runledger.dev/v1
kind: Job
metadata: { name: a }
spec:
  runsOn: linux-small
${lines.map((line) => `  ${line}\n`).join('')}`;

const said = async (files: Readonly<Record<string, string>>): Promise<readonly string[]> => {
  const catalog = await createCatalogBuilder().build(snapshotOf(files), { knownFiles: new Set() });
  const ofJobs = [...catalog.invalidJobs.values()].flatMap(({ problems }) => problems);
  return [...ofJobs, ...catalog.problems].map(formatProblem);
};
const OUT = '; leave it out, or write runsOn: { set: linux-small, fallback: pod } for a pod of its own';

const runsOn = suite('what a job on a runner set may not say');

runsOn('a job that a runner can take is fine, with its image or without', async () => {
  assert.equal(await said({ 'a.yaml': job('run: x'), 'set.yaml': SET }), []);
  assert.equal(await said({ 'a.yaml': job('run: x', 'image: alpine:3.20'), 'set.yaml': SET }), []);
});

runsOn('a set that is not there', async () => {
  assert.equal(await said({ 'a.yaml': job('run: x').replace('linux-small', 'linux-smal'), 'set.yaml': SET }), [
    'a.yaml:5:11: spec.runsOn: there is no runner set "linux-smal"; did you mean "linux-small"?',
  ]);
});

const CASES: readonly (readonly [line: string, says: string])[] = [
  ['image: busybox', '7:10: spec.image: "busybox" is not the image of runner set linux-small, alpine:3.20'],
  ['user: 1000', '7:9: spec.user: 1000 is not the user of a runner, 65532'],
  ['pod: { nodeSelector: { a: b } }', "7:3: spec.pod: can't change a runner, which is there already"],
  ['resources: { limits: { cpu: 1 } }', "7:3: spec.resources: can't change a runner; they are those of its set"],
  ['services: { db: { image: x } }', '7:3: spec.services: need containers that a runner does not have'],
  ['hooks: { before: x }', '7:3: spec.hooks: need containers that a runner does not have'],
  ['finally: [{ name: n, run: x }]', '7:3: spec.finally: needs containers that a runner does not have'],
  [
    'files: [{ path: /etc/x, content: x }]',
    '7:19: spec.files[0].path: "/etc/x" is absolute; in a runner, files lie in $RUNLEDGER_FILES',
  ],
];
for (const [line, says] of CASES)
  runsOn(line, async () => {
    assert.equal(await said({ 'a.yaml': job('run: x', line), 'set.yaml': SET }), [`a.yaml:${says}${OUT}`]);
    const withWayOut = job('run: x', line).replace('linux-small', '{ set: linux-small, fallback: pod }');
    assert.equal(await said({ 'a.yaml': withWayOut, 'set.yaml': SET }), []);
  });

runsOn('two sets of one name', async () => {
  assert.equal(await said({ 'a.yaml': SET, 'b.yaml': SET }), [
    'a.yaml:1:1: metadata.name: another runner set is called linux-small: b.yaml:1; rename one of them',
    'b.yaml:1:1: metadata.name: another runner set is called linux-small: a.yaml:1; rename one of them',
  ]);
});

runsOn('a set that makes no sense', async () => {
  const set = `${SET}  minRunners: 5
  idleTimeout: 0s
  schedule: [{ cron: "0 25 * * *", timeZone: Zurich, for: 1h, minRunners: 9 }]
`;
  assert.equal(await said({ 'set.yaml': set }), [
    'set.yaml:7:15: spec.minRunners: 5 is more than maxRunners, 4',
    'set.yaml:8:16: spec.idleTimeout: "0s" is no time at all; write at least 1s',
    'set.yaml:9:22: spec.schedule[0].cron: "0 25 * * *": "25" is no hour, 0 to 23',
    'set.yaml:9:46: spec.schedule[0].timeZone: "Zurich" is not a time zone; did you mean "Europe/Zurich"?',
    'set.yaml:9:75: spec.schedule[0].minRunners: 9 is more than maxRunners, 4',
  ]);
});

runsOn.run();
