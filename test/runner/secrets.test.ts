import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isCoded } from '../../src/errors.ts';
import { readSecretsFile } from '../../src/runner/process/index.ts';

const secrets = suite('readSecretsFile');

async function reading(content: string, mode = 0o600): Promise<unknown> {
  const folder = await mkdtemp(join(tmpdir(), 'runledger-secrets-'));
  const path = join(folder, 'secrets.yaml');
  try {
    await writeFile(path, content);
    await chmod(path, mode);
    const found = await readSecretsFile(path);
    return Object.fromEntries([...found].map(([name, keys]) => [name, Object.fromEntries(keys)]));
  } catch (error) {
    if (!isCoded(error)) throw error;
    assert.is(error.errorClass, 'usage');
    const everything = `${error.message} ${error.hint} ${error.stack} ${String(error.cause)}`;
    assert.not.match(everything, 'hunter');
    return `${error.code}: ${error.message.replaceAll(folder, '')}`;
  } finally {
    await rm(folder, { recursive: true });
  }
}

secrets('reads YAML and JSON', async () => {
  assert.equal(await reading('report:\n  token: "12"\n  key: |\n    a\n    b\n'), {
    report: { token: '12', key: 'a\nb\n' },
  });
  assert.equal(await reading('{"a":{"b":"c"}}', 0o640), { a: { b: 'c' } });
  assert.equal(await reading(''), {});
});

secrets('refuses a file that everybody may read', async () => {
  assert.match(
    String(await reading('a: { b: hunter22 }', 0o644)),
    /^SecretsFileOpen: .*secrets\.yaml can be read by every user/,
  );
});

secrets('says what is wrong without quoting it', async () => {
  assert.match(String(await reading('a: { b: "hunter22')), /^SecretsFileInvalid: .*neither YAML nor JSON at line 1/);
  assert.match(String(await reading('a:\n  b: 1234')), 'the value of a/b is not a text');
  assert.match(String(await reading('a: hunter22')), 'a holds no keys');
  assert.match(String(await reading('- hunter22')), 'holds no mapping');
  try {
    await readSecretsFile('/no/such/file');
    assert.unreachable();
  } catch (error) {
    assert.ok(isCoded(error, 'SecretsFileUnreadable'), String(error));
  }
});

secrets.run();
