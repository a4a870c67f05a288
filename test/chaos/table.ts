import type { Played } from './round.ts';

type Sums = { -readonly [Field in 'runs' | 'recorded' | 'pods' | 'fenced' | 'restarts' | 'seconds']: number } & {
  problems: number;
};

const HEAD = ['fault', 'node', 'runs', 'in the ledger', 'pods', 'fenced', 'restarts', 'seconds', 'verdict'] as const;
const verdict = (problems: number): string => (problems === 0 ? 'ok' : `${problems} PROBLEMS`);

/** One line a round, in columns. */
export function tableOf(played: readonly Played[]): string {
  const sums: Sums = { runs: 0, recorded: 0, pods: 0, fenced: 0, restarts: 0, seconds: 0, problems: 0 };
  const rows = played.map((one) => {
    for (const field of ['runs', 'recorded', 'pods', 'fenced', 'restarts', 'seconds'] as const)
      sums[field] += one[field];
    sums.problems += one.problems.length;
    const name = one.missed === undefined ? one.fault : `${one.fault} (did not happen)`;
    return row(name, one.real ? 'real' : 'simulated', one, one.problems.length);
  });
  const all = [[...HEAD], ...rows, row('all', '', sums, sums.problems)];
  const widths = HEAD.map((_, column) => Math.max(...all.map((cells) => cells[column]?.length ?? 0)));
  return all
    .map((cells) =>
      cells
        .map((cell, column) =>
          /^\d/.test(cell) ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

const row = (fault: string, node: string, sums: Omit<Sums, 'problems'>, problems: number): string[] => [
  fault,
  node,
  ...[sums.runs, sums.recorded, sums.pods, sums.fenced, sums.restarts, Math.round(sums.seconds)].map(String),
  verdict(problems),
];
