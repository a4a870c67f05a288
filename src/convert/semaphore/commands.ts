import { type Draft, nonEmpty } from '../draft.ts';
import type { Fields } from '../reader.ts';

const SHELL = ['bash', '-e'];

/** The commands, and what runs after them. */
export function steps(root: Fields, draft: Draft): void {
  const commands = commandsOf(root, 'commands');
  if (commands === undefined) root.error('commands', 'is missing or empty; there is nothing to run');
  draft.spec['steps'] = [{ name: 'commands', run: commands, shell: SHELL }];
  const epilogues = [
    ['epilogue-always', 'epilogue_always_commands', 'always'],
    ['epilogue-on-pass', 'epilogue_on_pass_commands', 'onSuccess'],
    ['epilogue-on-fail', 'epilogue_on_fail_commands', 'onFailure'],
  ] as const;
  const last = epilogues.flatMap(([name, key, when]) => {
    const run = commandsOf(root, key);
    return run === undefined ? [] : [{ name, when, run, shell: SHELL }];
  });
  draft.spec['finally'] = nonEmpty(last);
  if (last.length > 0)
    draft.todo(
      ['spec', 'finally'],
      'these ran in the session of the commands; variables and folders that were set there are not seen here',
    );
}

/** Commands one after the other as one script; undefined where there are none. */
export function commandsOf(root: Fields, key: string): string | undefined {
  const commands = root.items(key).map((command) => {
    const alias = command.text('alias') ?? '';
    const directive = command.text('directive');
    if (directive === undefined) command.error('directive', 'is missing; it is the command');
    const name = alias === '' ? '' : `# ${alias.replaceAll(/[\p{C}\s]+/gu, ' ')}\n`;
    return `${name}${(directive ?? '').trimEnd()}\n`;
  });
  return commands.length === 0 ? undefined : commands.join('');
}
