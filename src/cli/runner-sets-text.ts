import type { RunnerSetStatus } from '../schemas/index.ts';
import { ago, type Cell, table, type Paint } from './terminal.ts';

const COLUMNS = [
  { title: 'SET', shrinkTo: 12 },
  { title: 'READY' },
  { title: 'MIN' },
  { title: 'MAX' },
  { title: 'SLOTS' },
  { title: 'DESIRED' },
  { title: 'IDLE' },
  { title: 'BUSY' },
  { title: 'STARTING' },
  { title: 'AS OF' },
  { title: 'WHY', shrinkTo: 10 },
];

/** The runner sets of a ledger as a table. */
export function runnerSetsText(sets: readonly RunnerSetStatus[], width: number, paint: Paint): string {
  if (sets.length === 0)
    return 'the ledger tells of no runner set: the controller keeps those that manifests describe\n';
  const rows = sets.map((status): readonly Cell[] => {
    const ready = status.conditions.find(({ type }) => type === 'Ready');
    const isReady = ready?.status === 'True';
    const numbers = [
      Math.max(status.minRunners, status.scheduledMin),
      status.maxRunners,
      status.slots,
      status.desired,
      status.idle,
      status.busy,
      status.starting,
    ];
    return [
      { text: status.set },
      { text: isReady ? '✓ yes' : '✗ no', style: isReady ? 'green' : 'red' },
      ...numbers.map((value) => ({ text: String(value) })),
      { text: ago(status.at, new Date()) },
      { text: isReady ? '' : `${ready?.reason ?? ''}: ${ready?.message ?? ''}` },
    ];
  });
  return table(COLUMNS, rows, width, paint);
}
