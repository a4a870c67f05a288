import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A manifest of about 40 lines, as teams write them. */
export function realisticJob(name: string, index: number): string {
  return `# yaml-language-server: $schema=../../schemas/job.json
apiVersion: runledger.dev/v1
kind: Job
metadata:
  name: ${name}
  labels: { team: team-${index % 20}, tier: batch }
spec:
  description: Loads partition ${index} of the orders table and checks that it is complete
  parameters:
    REGION: { default: eu, enum: [eu, us], message: eu or us }
    DAYS: { default: '7', pattern: '[0-9]+' }
  env:
    LOG_LEVEL: info
    PARTITION: '${index}'
    DATABASE_URL: { secret: { name: warehouse, key: url } }
  files:
    - path: conf/load.yaml
      content: |
        source: s3://orders/${index}
        table: orders_${index}
        retries: 3
  image: registry.example.com/data/loader:1.${index % 50}.0
  steps:
    - name: extract
      run: |
        python extract.py --partition "$PARTITION" --region "$RUNLEDGER_PARAM_REGION"
        wc -l out/*.csv
    - name: load
      timeout: 20m
      env: { BATCH: '500' }
      run: |
        python load.py --config "$RUNLEDGER_FILES/conf/load.yaml"
        echo "::set-outcome-var rows=$(cat out/rows)"
    - { name: check, command: [/usr/local/bin/check], args: [--table, orders_${index}] }
  resources:
    requests: { cpu: 500m, memory: 512Mi }
    limits: { memory: 1Gi }
  timeouts: { start: 5m, run: 1h, grace: 30s }
  exitCodes: { warning: [42], skipped: [43] }
  keep: { runs: 30, for: 90d }
`;
}

/** Writes `count` manifests in folders of 100 below `folder`/jobs and commits them. */
export function writeRepository(folder: string, count: number): void {
  const git = (...args: string[]): void => void execFileSync('git', ['-C', folder, ...args], { stdio: 'ignore' });
  mkdirSync(folder, { recursive: true });
  git('init', '-q', '-b', 'main');
  for (let index = 0; index < count; index += 1) {
    const directory = join(folder, 'jobs', String(Math.floor(index / 100)).padStart(3, '0'));
    if (index % 100 === 0) mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, `job-${index}.yaml`), realisticJob(`job-${index}`, index));
  }
  git('add', '-A');
  git('-c', 'user.name=bench', '-c', 'user.email=bench@localhost', 'commit', '-q', '-m', 'jobs');
}
