import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { cli } from '../support/cli.ts';
import { initRepository, temporaryDirectory } from '../support/git.ts';

const test = suite('the plan as text');

test('says what becomes of runner sets', async () => {
  const { path: folder, remove } = await temporaryDirectory();
  try {
    await initRepository(folder);
    const kind = 'apiVersion: runledger.dev/v1\nkind: RunnerSet\nmetadata: { name: small }\n';
    writeFileSync(path.join(folder, 'set.yaml'), `${kind}spec: { maxRunners: 1, image: "a:1" }\n`);
    const { stdout, stderr } = await cli(['reconcile', '--dry-run'], { cwd: folder });
    assert.match(stdout, 'note: runner set small is new: 0 to 1 runner, a:1; a controller keeps it', stderr);
  } finally {
    await remove();
  }
});

test.run();
