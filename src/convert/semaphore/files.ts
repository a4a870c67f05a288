import { defined, type Draft, nonEmpty } from '../draft.ts';
import type { Fields } from '../reader.ts';
import { hidden, looksSecret } from '../secrets.ts';
import { decoded } from './values.ts';

/** Files with relative paths lie in the home of the agent's user: a hook puts them there. */
export function files(root: Fields, draft: Draft, keys: string[]): void {
  const moves: string[] = [];
  const made = [...root.items('files'), ...(root.has('file') ? root.items('file') : [])].map((file) => {
    const path = file.text('path') ?? '';
    const content = decoded(file, 'content');
    const mode = modeOf(file);
    const isSecret = looksSecret(path, content);
    const key = hidden(path.replaceAll('/', '-').replace(/^[~-]+/, ''), draft);
    if (isSecret) keys.push(key.key);
    const home = path.startsWith('/') ? undefined : path.replace(/^~\//, '');
    if (home !== undefined) moves.push(...moveOf(home, mode));
    return defined({
      path: home === undefined ? path : `home/${home}`,
      mode,
      ...(isSecret ? { secret: key } : { content }),
    });
  });
  draft.spec['files'] = nonEmpty(made);
  if (moves.length > 0) draft.spec['hooks'] = { before: `${moves.join('\n')}\n` };
}

const quoted = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`;

function moveOf(home: string, mode: string | undefined): readonly string[] {
  const target = `"$HOME"/${quoted(home)}`;
  return [
    ...(home.includes('/') ? [`mkdir -p "$(dirname ${target})"`] : []),
    `cp "$RUNLEDGER_FILES"/${quoted(`home/${home}`)} ${target}`,
    `chmod ${mode ?? '0644'} ${target}`,
  ];
}

function modeOf(file: Fields): string | undefined {
  const mode = file.text('mode');
  if (mode === undefined || mode === '') return undefined;
  if (/^0?[0-7]{3}$/.test(mode)) return mode.padStart(4, '0');
  file.error('mode', `${JSON.stringify(mode)} is no file mode; write 0644`);
  return undefined;
}
