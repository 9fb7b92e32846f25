import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { countLostLines } from "./log.ts";

/** Labels by name. Values come from closed sets, so neither a caller nor a receiver can create a series. */
type Labels<L extends string> = Readonly<Record<L, string>>;

/** A process's Prometheus metrics. Each method registers one metric; the returned function updates it. */
export type Metrics = {
  /**
   * Registers a counter; each call adds `by` (default 1).
   *
   * @param values the values of each label. Each combination is 0 from the start: Prometheus takes a series
   *   that begins at 1 for one that did not grow, and would miss what happens first. A label without values
   *   has too many of them, and its series begin when they first count
   */
  counter<L extends string = never>(
    name: string,
    help: string,
    values?: Readonly<Record<L, readonly string[]>>,
  ): (labels: Labels<L>, by?: number) => void;
  /** Registers a histogram of durations in seconds, with buckets from 1 ms to 30 s. */
  histogram<L extends string = never>(
    name: string,
    help: string,
    labels?: readonly L[],
  ): (labels: Labels<L>, seconds: number) => void;
  /**
   * Registers a gauge that is measured at each scrape. A measurement that fails or takes more than 5 s is
   * left out of that scrape, so an outage does not hide the other metrics.
   */
  gauge<L extends string = never>(
    name: string,
    help: string,
    labels: readonly L[],
    measure: () => Promise<readonly { readonly labels: Labels<L>; readonly value: number }[]>,
  ): void;
  /** Returns all metrics in Prometheus' text format. */
  render(): Promise<string>;
};

export const METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** Bounds in seconds, from a database commit to the longest attempt. */
const BUCKETS_S = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30];

/** Creates a process's metrics, including Node's default metrics. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  return {
    counter<L extends string>(name: string, help: string, values?: Readonly<Record<L, readonly string[]>>) {
      const listed = Object.entries<readonly string[]>(values ?? {});
      const counter = new Counter({ name, help, labelNames: listed.map(([label]) => label), registers });
      for (const labels of combinations(listed)) counter.inc(labels, 0);
      return (labels: Labels<L>, by = 1) => counter.inc(labels, by);
    },
    histogram(name, help, labelNames = []) {
      const histogram = new Histogram({
        name,
        help,
        labelNames: [...labelNames],
        registers,
        buckets: BUCKETS_S,
      });
      return (labels, seconds) => histogram.observe(labels, seconds);
    },
    gauge(name, help, labelNames, measure) {
      const gauge: Gauge = new Gauge({
        name,
        help,
        labelNames: [...labelNames],
        registers,
        async collect() {
          const measured = await inTime(measure()).catch(() => []);
          // After a failed measurement the gauge has no value: neither the last one nor its initial 0.
          gauge.reset();
          if (labelNames.length === 0) gauge.remove();
          for (const { labels, value } of measured) gauge.set(labels, value);
        },
      });
    },
    render: () => registry.metrics(),
  };
}

/** Returns every combination of the values of labels. */
function combinations(listed: readonly (readonly [string, readonly string[]])[]): Record<string, string>[] {
  return listed.reduce<Record<string, string>[]>(
    (all, [label, values]) => all.flatMap((one) => values.map((value) => ({ ...one, [label]: value }))),
    [{}],
  );
}

/** The deadline of one measurement: half of Prometheus' default scrape timeout. */
const MEASURED_WITHIN_MS = 5_000;

/**
 * Waits for a measurement until its deadline.
 *
 * @throws Error after the deadline; the measurement continues, and its result is dropped
 */
async function inTime<T>(measurement: Promise<T>): Promise<T> {
  return await new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("the measurement timed out")), MEASURED_WITHIN_MS);
    measurement.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/**
 * Registers how far this machine's clock is from the installation's; every process that compares times
 * reports it.
 */
export function measureClock(metrics: Metrics, { aheadMs }: { readonly aheadMs: () => number }): void {
  metrics.gauge(
    "posthaste_clock_ahead_seconds",
    "How far this machine's clock is ahead of the database's; negative: behind. Posthaste goes by the database's.",
    [],
    async () => [{ labels: {}, value: aheadMs() / 1_000 }],
  );
}

/** Registers how many of the process's log lines were lost; every process reports it. */
export function measureLog(metrics: Metrics): void {
  const count = metrics.counter(
    "posthaste_log_lines_lost_total",
    "Log lines that were lost, because standard output took none for too long.",
  );
  countLostLines(() => count({}));
}
