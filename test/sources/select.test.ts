import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { isManifestPath, noIgnoreRules } from '../../src/sources/select.ts';

const test = suite('which files are manifests');

test('YAML files, but not in dot-folders nor in packages', () => {
  for (const path of ['a.yaml', 'a.yml', 'x/y/z.yaml', 'a.b.yml', '.hidden.yaml'])
    assert.ok(isManifestPath(path), path);
  for (const path of [
    'a.yaml.txt',
    'yaml',
    '.yaml',
    'x/.yml',
    '.git/a.yaml',
    'x/.github/a.yml',
    'node_modules/a/b.yaml',
    'x/node_modules/c.yml',
    'a.YAML',
    'a.json',
  ]) {
    assert.not.ok(isManifestPath(path), path);
  }
});

test('ignore files hold for their folder and below; the deepest that speaks decides', () => {
  const rules = noIgnoreRules
    .with('', '1', '# comment\n*.tmp.yaml\n/drafts/\nold/*\n!old/kept.yaml\n')
    .with('team', '2', '/own.yaml\n!special.tmp.yaml\n');
  for (const path of ['x.tmp.yaml', 'a/b/x.tmp.yaml', 'old/a.yaml', 'team/own.yaml'])
    assert.ok(rules.ignores(path, 'file'), path);
  for (const path of ['x.yaml', 'old/kept.yaml', 'own.yaml', 'team/a/own.yaml', 'team/special.tmp.yaml']) {
    assert.not.ok(rules.ignores(path, 'file'), path);
  }
  assert.ok(rules.ignores('drafts', 'folder'));
  assert.not.ok(rules.ignores('team/drafts', 'folder'));
  assert.not.ok(noIgnoreRules.ignores('x.tmp.yaml', 'file'));
});

test.run();
