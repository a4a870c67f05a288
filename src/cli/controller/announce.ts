import { duration, oneLine } from '../../ledger/text.ts';
import type { ReconcilerEvent } from '../../reconciler/ports.ts';
import type { RunNotice } from '../../runner/port.ts';
import { isWell } from '../exit.ts';
import { durationOf } from '../terminal.ts';

/** What whoever looks at a run in the cluster is told of it; undefined: nothing. Pure. */
export function noticeOf(event: ReconcilerEvent): RunNotice | undefined {
  switch (event.kind) {
    case 'started': {
      if (!event.first) return undefined;
      const count = event.attempts.length === 1 ? '' : ` with ${event.attempts.length} tasks at once`;
      const message = `run ${event.key.run} of ${event.key.job} started${count} (trigger ${event.trigger})`;
      return { key: event.key, kind: 'started', isWell: true, reason: 'Started', message };
    }
    case 'finished': {
      const { job, run, result, reason, message } = event.outcome;
      const why = reason === 'Completed' || message === '' ? '' : `: ${oneLine(message, 800)}`;
      const told = `run ${run} of ${job} ${result} in ${duration(durationOf(event.outcome))}${why}`;
      return { key: { job, run }, kind: 'ended', isWell: isWell(result, false), reason, message: told };
    }
    case 'trouble': {
      const { key, code = 'Error', message } = event;
      return key && { key, kind: 'trouble', isWell: false, reason: code, message: oneLine(message, 1_000) };
    }
    case 'planned':
    case 'claimed':
    case 'output':
    case 'recorded':
    case 'refused':
    case 'passed':
    case 'waiting':
    case 'notice':
      return undefined;
  }
}
