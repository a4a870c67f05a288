import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';

/** One measured thing. */
export interface Row {
  readonly name: string;
  /** Such as `ms`, `MB`, `runs`. */
  readonly unit: string;
  readonly values: readonly number[];
  /** What the judged figure should stay below, or above if `atLeast`. */
  readonly goal?: number;
  readonly atLeast?: boolean;
  /** The figure that the goal is about; the median unless said otherwise. */
  readonly judge?: 'median' | 'p99';
  /** The alternative, measured in the same run: the ratio of the judged figures is shown. */
  readonly against?: readonly number[];
}

/** The value below which a share (0 to 1) of the values lies, by nearest rank; NaN for no values. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** Prints the rows as a table, and writes them as JSON to `bench/results/<name>.json`, raw values included. */
export function printReport(name: string, title: string, rows: readonly Row[]): void {
  const results = rows.map((row) => {
    const judged = (values: readonly number[]): number => quantile(values, row.judge === 'p99' ? 0.99 : 0.5);
    const figure = judged(row.values);
    return {
      ...row,
      median: quantile(row.values, 0.5),
      p99: quantile(row.values, 0.99),
      min: quantile(row.values, 0),
      max: quantile(row.values, 1),
      ...(row.against === undefined ? {} : { ratio: figure / judged(row.against) }),
      ...(row.goal === undefined ? {} : { reached: row.atLeast === true ? figure >= row.goal : figure <= row.goal }),
    };
  });
  const machine = { cores: availableParallelism(), node: process.version, git: gitVersion() };
  console.log(`\n${title}\n${machine.cores} cores, node ${machine.node}, ${machine.git}\n`);
  const head = ['', 'unit', 'n', 'median', 'p99', 'min … max', 'ratio', 'goal', ''];
  const lines = results.map((row) => [
    row.name,
    row.unit,
    String(row.values.length),
    shown(row.median),
    shown(row.p99),
    `${shown(row.min)} … ${shown(row.max)}`,
    row.ratio === undefined ? '' : `${shown(row.ratio)}×`,
    row.goal === undefined
      ? ''
      : `${row.judge === 'p99' ? 'p99 ' : ''}${row.atLeast === true ? '≥' : '≤'} ${shown(row.goal)}`,
    row.reached === undefined ? '' : row.reached ? 'reached' : 'MISSED',
  ]);
  printTable([head, ...lines]);
  const folder = join(import.meta.dirname, 'results');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify({ name, title, machine, rows: results }, null, 2)}\n`);
  console.log(`\nwritten to bench/results/${name}.json`);
}

function printTable(lines: readonly (readonly string[])[]): void {
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  for (const line of lines) {
    const cells = line.map((text, column) =>
      column === 0 || column >= 7 ? text.padEnd(widths[column]!) : text.padStart(widths[column]!),
    );
    console.log(cells.join('  ').trimEnd());
  }
}

function shown(value: number): string {
  if (!Number.isFinite(value)) return '-';
  const digits = Math.abs(value) >= 100 || Number.isInteger(value) ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toFixed(digits);
}

function gitVersion(): string {
  try {
    return execFileSync('git', ['--version'], { encoding: 'utf8' }).trim();
  } catch {
    return 'no git';
  }
}
