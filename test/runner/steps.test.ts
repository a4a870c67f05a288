import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { INHERITED } from '../../src/runner/process/index.ts';
import type { Step } from '../../src/schemas/index.ts';
import { withWorld } from './world.ts';

const steps = suite('steps of a process run');

steps('end with their exit code, and a failing one ends the run', () =>
  withWorld(async (world) => {
    for (const code of [0, 3, 42, 43, 255]) {
      const { ending, text } = await world.run({
        steps: [
          { name: 'first', run: `echo one; exit ${code}` },
          { name: 'second', run: 'echo two' },
        ],
      });
      assert.equal(ending, { kind: 'exited', step: code === 0 ? 'second' : 'first', exitCode: code });
      assert.is(text, code === 0 ? 'first stdout one\nsecond stdout two\n' : 'first stdout one\n');
    }
  }),
);

steps('run with -e in /bin/sh unless the step says another shell', () =>
  withWorld(async (world) => {
    const strict = await world.run({ run: 'false\necho on' });
    assert.equal(strict.ending, { kind: 'exited', step: 'run', exitCode: 1 });
    const lax = await world.run({ steps: [{ name: 'lax', shell: ['/bin/sh'], run: 'false\necho on' }] });
    assert.is(lax.text, 'lax stdout on\n');
  }),
);

steps('are signalled by others as the facts say', () =>
  withWorld(async (world) => {
    const { ending } = await world.run({ run: 'kill -SEGV $$' });
    assert.equal(ending, { kind: 'signalled', step: 'run', signal: 'SIGSEGV' });
  }),
);

steps('get arguments as they are written, never through a shell', () =>
  withWorld(async (world) => {
    const odd = ['two words', '$HOME', '"; exit 9 #', '*', ''];
    const direct = await world.run(
      {
        steps: [
          { name: 'direct', command: ['/bin/sh', '-c', 'for a; do echo "<$a>"; done', 'x'], args: odd.slice(0, 3) },
        ],
      },
      { record: { args: odd.slice(3) } },
    );
    assert.is(direct.text, odd.map((arg) => `direct stdout <${arg}>\n`).join(''));
    const script = await world.run(
      {
        steps: [
          { name: 'before', run: 'echo $#' },
          { name: 'last', run: 'for a; do echo "<$a>"; done' },
        ],
      },
      { record: { args: odd } },
    );
    assert.is(script.text, `before stdout 0\n${odd.map((arg) => `last stdout <${arg}>\n`).join('')}`);
  }),
);

steps('run a script as a file, whatever is in it', () =>
  withWorld(async (world) => {
    const { text } = await world.run({
      run: `cat <<'EOF'\n"' \\ $(x) \${y}\nEOF\ncase "$0" in */scripts/*) echo file;; esac`,
    });
    assert.is(text, `run stdout "' \\ $(x) \${y}\nrun stdout file\n`);
  }),
);

steps('that can not be started are an error that says why', () =>
  withWorld(async (world) => {
    const why = async (step: Partial<Step>): Promise<string> => {
      const { ending, started } = await world.run({ steps: [{ name: 's', ...step }] });
      assert.is(started, null);
      return ending?.kind === 'startError' ? ending.message : `${ending?.kind}`;
    };
    assert.is(await why({ command: ['/no/such/program'] }), 'there is no "/no/such/program"');
    assert.is(await why({ command: ['no-such-program'] }), 'there is no "no-such-program" on the PATH');
    assert.is(await why({ command: ['/etc/passwd'] }), '"/etc/passwd" may not be executed');
    assert.is(await why({ run: 'true', workingDirectory: 'nowhere' }), 'its working directory does not exist');
    assert.match(await why({ command: ['a\0b'] }), 'null bytes');
  }),
);

steps('see an environment that is built from scratch', () =>
  withWorld(async (world) => {
    const { text } = await world.run(
      {
        env: { LOG_LEVEL: 'info', BOTH: 'job', RUNLEDGER_JOB: 'forged' },
        steps: [{ name: 's', command: ['/usr/bin/env'], env: { BOTH: 'step', 'odd.name': 'x' } }],
      },
      {
        env: { PATH: '/usr/bin:/bin', TZ: 'UTC', LANG: 'C', SECRET_OF_PARENT: 'x', HOME: '/root', NODE_OPTIONS: '' },
        record: { params: { REGION: 'eu' } },
      },
    );
    const seen = new Map(
      text
        .trimEnd()
        .split('\n')
        .map((line): [string, string] => {
          const [name = '', ...value] = line.replace('s stdout ', '').split('=');
          return [name, value.join('=')];
        }),
    );
    const folder = join(world.stateDir, 'runs', 'report-1', 'attempts', 'default.1');
    assert.equal(Object.fromEntries(seen), {
      BOTH: 'step',
      CI: 'true',
      HOME: join(folder, 'home'),
      LANG: 'C',
      LOG_LEVEL: 'info',
      PATH: '/usr/bin:/bin',
      RUNLEDGER_ATTEMPT: '1',
      RUNLEDGER_FILES: join(folder, 'files'),
      RUNLEDGER_JOB: 'report',
      RUNLEDGER_OUTPUT: join(folder, 'output'),
      RUNLEDGER_PARAM_REGION: 'eu',
      RUNLEDGER_REVISION: '4f0c'.repeat(10),
      RUNLEDGER_RUN: '1',
      RUNLEDGER_SHARED: join(folder, 'shared'),
      RUNLEDGER_SLOTS: '1',
      RUNLEDGER_TASK: 'default',
      RUNLEDGER_TRIGGER: 'commit',
      RUNLEDGER_WORKSPACE: join(folder, 'workspace'),
      TMPDIR: join(folder, 'tmp'),
      TZ: 'UTC',
      'odd.name': 'x',
    });
    assert.not.ok((INHERITED as readonly string[]).includes('HOME'));
  }),
);

steps('share a workspace, a home and a shared folder, and read nothing from a terminal', () =>
  withWorld(async (world) => {
    const { text, ending } = await world.run({
      steps: [
        {
          name: 'a',
          run: 'pwd > "$RUNLEDGER_SHARED/where"; mkdir sub; echo x > ~/file; cat; touch "$TMPDIR/t" "$RUNLEDGER_OUTPUT/o"',
        },
        {
          name: 'b',
          workingDirectory: 'sub',
          run: 'test "$(pwd)" = "$(cat "$RUNLEDGER_SHARED/where")/sub"; cat ~/file',
        },
      ],
    });
    assert.equal(ending, { kind: 'exited', step: 'b', exitCode: 0 }, text);
    assert.is(text, 'b stdout x\n');
    assert.equal(readdirSync(join(world.stateDir, 'runs')), []);
    assert.equal(readdirSync(join(world.stateDir, 'trash')), []);
  }),
);

steps('find their files read-only, with their modes, from secrets too', () =>
  withWorld(async (world) => {
    const { text, ending, output } = await world.run(
      {
        files: [{ path: 'ssh/id', secret: { name: 'deploy', key: 'id' }, mode: '0400' }],
        run: [
          'cd "$RUNLEDGER_FILES"',
          'ls -l conf/a.yaml bin/x ssh/id | cut -c1-10',
          'bin/x',
          'cat conf/a.yaml ssh/id',
        ].join('\n'),
      },
      {
        files: [
          { path: 'conf/a.yaml', mode: 0o644, content: Buffer.from('a: 1\n') },
          { path: 'bin/x', mode: 0o755, content: Buffer.from('#!/bin/sh\necho from x\n') },
        ],
        secrets: { deploy: { id: 'KEY-OF-DEPLOY\n' } },
      },
    );
    assert.equal(ending, { kind: 'exited', step: 'run', exitCode: 0 }, text);
    assert.is(
      text,
      '-r-xr-xr-x|-r--r--r--|-r--------|from x|a: 1|***'
        .split('|')
        .map((line) => `run stdout ${line}\n`)
        .join(''),
    );
    assert.is(output?.complete, true);
  }),
);

steps('get secrets, which are redacted in log, variables, annotations and the live view', () =>
  withWorld(async (world) => {
    const { text, output } = await world.run(
      {
        env: { TOKEN: { secret: { name: 'report', key: 'token' } } },
        run: [
          'test ${#TOKEN} = 12',
          'echo "token $TOKEN"',
          'echo "::set-outcome-var t=$TOKEN" >&2',
          'echo "::error file=x,line=2::bad $TOKEN"',
          'printf %s "user:$TOKEN" | base64',
        ].join('\n'),
      },
      { secrets: { report: { token: 'hunter22abcd', other: 'x' } } },
    );
    assert.match(text, 'run stdout token ***\n');
    assert.equal(output?.vars, { t: '***' });
    assert.equal(output?.annotations, [{ level: 'error', message: 'bad ***', file: 'x', line: 2 }]);
    const encoded = Buffer.from('user:hunter22abcd').toString('base64');
    for (const seen of [text, world.lines.map((line) => line.text).join('\n')]) {
      assert.not.match(seen, 'hunter22abcd');
      assert.not.match(seen, encoded.slice(8, 20));
    }
  }),
);

steps('do not start while a secret is missing, and all that are missing are named', () =>
  withWorld(async (world) => {
    const { ending, started } = await world.run(
      {
        env: { A: { secret: { name: 'report', key: 'nope' } }, B: { secret: { name: 'none', key: 'k' } } },
        run: `touch ${join(world.dir, 'ran')}`,
      },
      { secrets: { report: { token: 'x' } } },
    );
    assert.equal(ending, {
      kind: 'secretMissing',
      message:
        'secret "report" has no key "nope"; there is no secret "none" (its key "k" is needed): give it with --secrets FILE',
    });
    assert.is(started, null);
    assert.not.ok(existsSync(join(world.dir, 'ran')));
  }),
);

steps('leave a log as bounded and as safe as the job says', () =>
  withWorld(async (world) => {
    const { output, text } = await world.run({
      logs: { maxBytes: '4Ki' },
      run: 'i=0; while [ $i -lt 500 ]; do echo "line $i"; i=$((i+1)); done; printf "no line break\\000"',
    });
    assert.ok((output?.log.length ?? 0) <= 4096);
    assert.is(output?.complete, false);
    assert.match(text, 'run stdout line 0\n');
    assert.match(text, 'left out …\n');
    assert.ok(text.endsWith('run stdout no line break\\x00\n'), text.slice(-100));
  }),
);

steps('may print 100 MB and need no memory or disk for it', () =>
  withWorld(async (world) => {
    let most = 0;
    const before = process.memoryUsage().rss;
    const timer = setInterval(() => {
      world.lines.length = 0; // they are this test's own
      most = Math.max(most, process.memoryUsage().rss);
    }, 20).unref();
    const line = 'x'.repeat(999);
    const { output, ending } = await world.run({ run: `yes ${line} | head -c 100000000; du -sk ../ | cut -f1` });
    clearInterval(timer);
    assert.equal(ending, { kind: 'exited', step: 'run', exitCode: 0 });
    assert.ok((output?.log.length ?? 0) <= 256 * 1024);
    assert.ok(most - before < 250e6, `${most - before} bytes more`);
    const kilobytes = Number(/(\d+)\n$/.exec(Buffer.from(output?.log ?? []).toString())?.[1]);
    assert.ok(kilobytes > 1000 && kilobytes < 20_000, `${kilobytes} kB`);
  }),
);

steps.run();
