import path from 'node:path';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { attemptKey, checkKey, jobPrefix, keyPart, runOf, runPrefix } from '../../src/artifacts/key.ts';
import { createEntryTable, entryPath, linkFault, nameFault } from '../../src/artifacts/paths.ts';

const test = suite('keys and paths');

const name = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('..', '.', '', 'a', 'A', 'a/b', '.incoming', 'a_1', 'con', '-', 'ä'),
);

test('a key says what it is of', () => {
  const key = { source: 'acme', job: 'nightly-report', run: 12, task: 'default', attempt: 1 };
  assert.is(attemptKey(key), 'acme/nightly-report/12/default/1.tar.zst');
  assert.is(attemptKey(key, 'log'), 'acme/nightly-report/12/default/1.log');
  assert.is(runPrefix(key), 'acme/nightly-report/12/');
  assert.match(
    attemptKey({ ...key, task: 'Ubuntu/24.04 x' }),
    /^acme\/nightly-report\/12\/ubuntu-24\.04-x_[0-9a-f]{16}\/1\.tar\.zst$/,
  );
});

test('whatever the names are, a key is taken by the stores, stays in its folder, and says its run', () => {
  fc.assert(
    fc.property(name, name, name, fc.integer({ min: 1, max: 1e9 }), (source, job, task, run) => {
      const key = attemptKey({ source, job, run, task, attempt: 1 });
      checkKey(key);
      checkKey(jobPrefix({ source, job }));
      assert.is(path.posix.normalize(key), key);
      assert.is(key.split('/').length, 5);
      assert.not(key.startsWith('/') || /(^|\/)\./.test(key) || key.length > 400);
      assert.is(runOf(key, jobPrefix({ source, job })), run);
    }),
  );
});

test('different names have different parts, also where capitals do not count', () => {
  fc.assert(
    fc.property(name, name, (a, b) => {
      assert.is(keyPart(a).toLowerCase() === keyPart(b).toLowerCase(), a === b);
    }),
  );
  // A name that looks like the part of another one.
  assert.is.not(keyPart(keyPart('A')), keyPart('A'));
});

/** Where a path leads, walked through at most 40 links as a kernel does; undefined: out of the root. */
function walk(
  links: ReadonlyMap<string, string>,
  from: readonly string[],
  target: string,
  budget = { left: 40 },
): readonly string[] | undefined {
  let at = [...from];
  for (const part of target.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') {
      if (at.length === 0) return undefined;
      at.pop();
      continue;
    }
    const link = links.get([...at, part].join('/'));
    if (link === undefined) {
      at.push(part);
      continue;
    }
    budget.left -= 1;
    if (budget.left < 0) return [];
    const next = walk(links, at, link, budget);
    if (next === undefined) return undefined;
    at = [...next];
  }
  return at;
}

test('no set of links that is let through leads out, however they are put together', () => {
  const part = fc.constantFrom('a', 'b', 'c', '..', '.', '');
  const somePath = fc.array(part, { minLength: 1, maxLength: 6 }).map((parts) => parts.join('/'));
  let taken = 0;
  fc.assert(
    fc.property(fc.array(fc.tuple(somePath, somePath), { maxLength: 6 }), (entries) => {
      const table = createEntryTable({ maxEntries: 100 });
      const links = new Map<string, string>();
      for (const [name, target] of entries) {
        const own = entryPath(name);
        if (nameFault(name) || own === '' || table.add(own, 'link') || linkFault(own, target)) continue;
        links.set(own, target);
      }
      taken += links.size;
      for (const [own, target] of links) {
        const reached = walk(links, own.split('/').slice(0, -1), target);
        assert.is.not(reached, undefined, JSON.stringify([...links]));
      }
    }),
    { numRuns: 5_000 },
  );
  assert.ok(taken > 1_000, `${taken} links were tried`);
});

test('the walk that judges them would see a link out', () => {
  const links = new Map([['p/q/s', '../..']]);
  assert.is(walk(links, [], 'p/q/s/../bystander'), undefined);
  assert.is(linkFault('t', 'p/q/s/../bystander'), 'is a link with ".." behind a name');
});

test.run();
