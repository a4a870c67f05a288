import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { createPoolMetrics, type PoolMetrics } from './pool-metrics.ts';
import { METRICS, type MetricDefinition } from './metric-table.ts';

/** What is read of a source whenever somebody asks for the metrics. */
export interface SourceGauges {
  /** Jobs that wait to be looked at. */
  readonly workDepth: number;
  readonly workAgeSeconds: number;
  readonly lagSeconds: number;
}

/** What is counted of one source. Times are in seconds. */
export interface SourceMetrics {
  /** A run has its first attempt, and waited for it. */
  readonly started: (trigger: string, queueSeconds: number) => void;
  /** The first step of a run began this long after its first attempt was made. */
  readonly began: (startSeconds: number) => void;
  readonly finished: (result: string, reason: string, seconds: number) => void;
  readonly recorded: (seconds: number) => void;
  readonly passed: (
    seconds: number,
    failed: boolean,
    runs: { readonly active: number; readonly queued: number },
  ) => void;
  readonly trouble: () => void;
  readonly git: (operation: string, result: string, seconds: number) => void;
  readonly logBytes: (bytes: number) => void;
  readonly redaction: () => void;
  readonly event: (result: string) => void;
  readonly hook: (verdict: string) => void;
  readonly sets: PoolMetrics;
  /** This process leads the source from now on, until the returned function is called. */
  readonly lead: (read: () => SourceGauges) => () => void;
}

export const DELIVERY_KINDS = ['status', 'notification', 'comment'] as const;
export type DeliveryKind = (typeof DELIVERY_KINDS)[number];

/** What the controller counts. Everything has a registry of its own; there is none for the process. */
export interface Metrics {
  readonly source: (name: string) => SourceMetrics;
  readonly apiCall: (
    call: { readonly verb: string; readonly resource: string; readonly code: string },
    seconds: number,
  ) => void;
  /** A try to send something outside, or one that was given up. */
  readonly delivery: (kind: DeliveryKind, result: string) => void;
  /** `waiting` says how many are not sent yet, whenever somebody asks, until the returned function is called. */
  readonly outbox: (kind: DeliveryKind, waiting: () => number) => () => void;
  /** In the text format of Prometheus. */
  text(): Promise<{ readonly contentType: string; readonly text: string }>;
}

/** `version` is that of this program; `sources`: all that this process takes part in. */
export function createMetrics(version: string, sources: readonly string[] = []): Metrics {
  const registry = new Registry();
  const instruments = createInstruments(registry);
  collectDefaultMetrics({ register: registry });
  instruments.build.set({ version, node_version: process.versions.node }, 1);
  for (const source of sources) instruments.leader.set({ source }, 0);
  const led = new Map<string, () => SourceGauges>();
  const outboxes = new Map<() => number, DeliveryKind>();
  return {
    source: (name) => sourceMetrics(instruments, led, name),
    apiCall({ verb, resource, code }, seconds) {
      instruments.calls.inc({ verb, resource, code });
      instruments.callDuration.observe({ verb }, seconds);
    },
    delivery: (kind, result) => instruments.deliveries.inc({ kind, result }),
    outbox(kind, waiting) {
      outboxes.set(waiting, kind);
      return () => outboxes.delete(waiting);
    },
    async text() {
      for (const kind of DELIVERY_KINDS) {
        const own = Array.from(outboxes).filter(([, of]) => of === kind);
        instruments.deliveriesWaiting.set(
          { kind },
          own.reduce((sum, [waiting]) => sum + waiting(), 0),
        );
      }
      for (const [source, read] of led) {
        const { workDepth, workAgeSeconds, lagSeconds } = read();
        instruments.workDepth.set({ source }, workDepth);
        instruments.workAge.set({ source }, workAgeSeconds);
        instruments.lag.set({ source }, lagSeconds);
      }
      return { contentType: registry.contentType, text: await registry.metrics() };
    },
  };
}

type Key = keyof typeof METRICS;
type OfType<Type extends MetricDefinition['type']> = {
  [K in Key]: (typeof METRICS)[K]['type'] extends Type ? K : never;
}[Key];
type Instruments = Readonly<Record<OfType<'counter'>, Counter>> &
  Readonly<Record<OfType<'gauge'>, Gauge>> &
  Readonly<Record<OfType<'histogram'>, Histogram>>;

function createInstruments(registry: Registry): Instruments {
  const made = Object.entries<MetricDefinition>(METRICS).map(([key, { name, type, help, labels, buckets = [] }]) => {
    const options = { name, help, labelNames: [...labels], registers: [registry] };
    if (type === 'counter') return [key, new Counter(options)] as const;
    if (type === 'gauge') return [key, new Gauge(options)] as const;
    return [key, new Histogram({ ...options, buckets: [...buckets] })] as const;
  });
  return Object.fromEntries(made);
}

function sourceMetrics(to: Instruments, led: Map<string, () => SourceGauges>, source: string): SourceMetrics {
  const own = { source };
  const sets = createPoolMetrics(to, source);
  const shown = [to.active, to.queued, to.workDepth, to.workAge, to.lag];
  return {
    started(trigger, seconds) {
      to.started.inc({ source, trigger });
      to.queueDuration.observe(own, seconds);
    },
    began: (seconds) => to.startDuration.observe(own, seconds),
    finished(result, reason, seconds) {
      to.finished.inc({ source, result, reason });
      to.runDuration.observe(own, seconds);
    },
    recorded: (seconds) => to.recordDuration.observe(own, seconds),
    passed(seconds, failed, { active, queued }) {
      to.passes.inc({ source, result: failed ? 'error' : 'ok' });
      to.passDuration.observe(own, seconds);
      if (!led.has(source)) return;
      to.active.set(own, active);
      to.queued.set(own, queued);
    },
    trouble: () => to.errors.inc(own),
    git(operation, result, seconds) {
      to.git.inc({ source, operation, result });
      if (result === 'ok') to.gitDuration.observe({ source, operation }, seconds);
    },
    logBytes: (bytes) => to.logBytes.inc(own, bytes),
    redaction: () => to.redactions.inc(own),
    event: (result) => to.events.inc({ source, result }),
    hook: (verdict) => to.hooks.inc({ source, verdict }),
    sets,
    lead(read) {
      led.set(source, read);
      to.leader.set(own, 1);
      return () => {
        led.delete(source);
        // What another process knows by now is not said here.
        for (const gauge of shown) gauge.remove(own);
        sets.forget();
        to.leader.set(own, 0);
      };
    },
  };
}
