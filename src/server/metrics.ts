import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/** What the controller counts, by Prometheus' conventions: base units, bounded label values. */
export interface Metrics {
  readonly started: (source: string, trigger: string) => void;
  readonly finished: (source: string, result: string, reason: string, seconds: number) => void;
  readonly recorded: (source: string, lagSeconds: number) => void;
  readonly leader: (source: string, leads: boolean) => void;
  readonly trouble: (source: string) => void;
  readonly hook: (source: string, verdict: string) => void;
  text(): Promise<{ readonly contentType: string; readonly text: string }>;
}

const RUN_BUCKETS = [1, 5, 15, 60, 300, 900, 3600, 14_400];
const LAG_BUCKETS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const started = new Counter({
    name: 'runledger_runs_started_total',
    help: 'Runs that were started.',
    labelNames: ['source', 'trigger'],
    registers,
  });
  const finished = new Counter({
    name: 'runledger_runs_finished_total',
    help: 'Runs that ended.',
    labelNames: ['source', 'result', 'reason'],
    registers,
  });
  const duration = new Histogram({
    name: 'runledger_run_duration_seconds',
    help: 'From the first step to the end of a run.',
    labelNames: ['source'],
    buckets: RUN_BUCKETS,
    registers,
  });
  const lag = new Histogram({
    name: 'runledger_ledger_lag_seconds',
    help: "From a run's end to its outcome being in the ledger.",
    labelNames: ['source'],
    buckets: LAG_BUCKETS,
    registers,
  });
  const leader = new Gauge({
    name: 'runledger_leader',
    help: '1 where this process leads the source.',
    labelNames: ['source'],
    registers,
  });
  const trouble = new Counter({
    name: 'runledger_errors_total',
    help: 'Errors of passes, starts and records.',
    labelNames: ['source'],
    registers,
  });
  const hooks = new Counter({
    name: 'runledger_webhooks_total',
    help: 'Webhooks by what became of them.',
    labelNames: ['source', 'verdict'],
    registers,
  });
  return {
    started: (source, trigger) => started.inc({ source, trigger }),
    finished(source, result, reason, seconds) {
      finished.inc({ source, result, reason });
      duration.observe({ source }, seconds);
    },
    recorded: (source, seconds) => lag.observe({ source }, seconds),
    leader: (source, leads) => leader.set({ source }, leads ? 1 : 0),
    trouble: (source) => trouble.inc({ source }),
    hook: (source, verdict) => hooks.inc({ source, verdict }),
    text: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
  };
}
