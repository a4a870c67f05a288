/** The recording of a page: what a terminal showed while somebody did what the page says. */
import { steady } from './alike.ts';
import type { PageRun } from './play.ts';

const HEAD = `# A walk through the tutorial

What a terminal shows to whoever follows [tutorial.md](tutorial.md), recorded by \`npm run walk\`. Times, durations and commit ids are
stand-ins, so that it changes only when runledger does; a test records it again and compares.

`;

/** The page \`docs/walk.md\` for what was done. Whole lines are those of the terminal; a prompt shows the folder. */
export function walkOf({ steps }: PageRun): string {
  let folder = '~';
  const lines = steps.flatMap((step) => {
    if ('path' in step) return [`${folder} $ cat > ${step.path} <<'END'`, ...step.text.trimEnd().split('\n'), 'END'];
    const shown = steady(step.output).trimEnd();
    const typed = `${folder} $ ${step.command.replaceAll('\n', '\n> ')}`;
    folder = /^cd (\S+)$/.exec(step.command)?.[1]?.replace(/^/, '~/') ?? folder;
    return [
      typed,
      ...(shown === '' ? [] : shown.split('\n')),
      ...(step.code === 0 ? [] : [`(exit code ${step.code})`]),
    ];
  });
  return `${HEAD}\`\`\`text\n${lines.map((line) => `${line.trimEnd()}\n`).join('')}\`\`\`\n`;
}
