/** A fenced block of a Markdown page. */
export interface Block {
  /** Where its content begins: a line of the page, from 1. */
  readonly line: number;
  /** The first word behind the fence: `sh`, `console`, `yaml`, … */
  readonly language: string;
  /** The words after it, such as `needs=cluster` or `write=jobs/a.yaml`; forges show none of them. */
  readonly marks: Readonly<Record<string, string>>;
  /** The content without the indentation of the fence. */
  readonly text: string;
}

/** What a console block shows: a command, and what it prints. */
export interface Exchange {
  readonly command: string;
  readonly output: string;
}

const FENCE = /^( *)(`{3,})([\w-]*)(.*)$/;

/** The fenced blocks of a page, in its order. Throws on a fence that is not closed. */
export function blocksOf(page: string): readonly Block[] {
  const lines = page.split('\n');
  const blocks: Block[] = [];
  for (let index = 0; index < lines.length; index += 1) {
    const [, indent = '', fence = '', language = '', rest = ''] = FENCE.exec(lines[index] ?? '') ?? [];
    if (fence === '') continue;
    const end = lines.findIndex((line, at) => at > index && line.trim() === fence);
    if (end < 0) throw new Error(`line ${index + 1}: this fence is not closed`);
    const content = lines
      .slice(index + 1, end)
      .map((line) => (line.startsWith(indent) ? line.slice(indent.length) : line));
    blocks.push({ line: index + 2, language, marks: marksOf(rest), text: content.map((line) => `${line}\n`).join('') });
    index = end;
  }
  return blocks;
}

function marksOf(words: string): Readonly<Record<string, string>> {
  const marks = words.split(/\s+/).filter(Boolean);
  return Object.fromEntries(
    marks.map((mark) => mark.split(/=(.*)/s).slice(0, 2)).map(([name = '', value = '']) => [name, value]),
  );
}

/** Splits a console block: `$ ` begins a command, `> ` goes on with it, the rest is what it prints. */
export function exchangesOf(text: string): readonly Exchange[] {
  const exchanges: { command: string; output: string }[] = [];
  for (const line of text.split('\n').slice(0, -1)) {
    const current = exchanges.at(-1);
    if (line.startsWith('$ ')) exchanges.push({ command: line.slice(2), output: '' });
    else if (current === undefined) throw new Error(`a console block begins with a command ("$ …"), not with: ${line}`);
    else if (line.startsWith('> ') && current.output === '') current.command += `\n${line.slice(2)}`;
    else current.output += `${line}\n`;
  }
  return exchanges;
}
