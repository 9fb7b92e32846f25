import { createServer } from "node:http";
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import { portProblem } from "./config.ts";
import type { Log } from "./log.ts";
import type { Running } from "./run-service.ts";

/** Labels by name. Their values come from closed sets: what a caller or a receiver may choose never becomes a series. */
type Labels<L extends string> = Readonly<Record<L, string>>;

/** What a process counts and measures, in Prometheus' terms. */
export type Metrics = {
  counter<L extends string = never>(
    name: string,
    help: string,
    labels?: readonly L[],
  ): (labels: Labels<L>, by?: number) => void;
  /** In seconds. */
  histogram<L extends string = never>(
    name: string,
    help: string,
    labels?: readonly L[],
  ): (labels: Labels<L>, seconds: number) => void;
  /**
   * Measured when it is asked for. What fails, or takes more than 5 s, is left out, so that the rest is told
   * when it matters most.
   */
  gauge<L extends string = never>(
    name: string,
    help: string,
    labels: readonly L[],
    measure: () => Promise<readonly { readonly labels: Labels<L>; readonly value: number }[]>,
  ): void;
  /** As Prometheus reads it. */
  render(): Promise<string>;
};

export const METRICS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** From a commit to the longest attempt. */
const BUCKETS_S = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30];

/** A process's metrics, with those of Node itself. */
export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  return {
    counter(name, help, labelNames = []) {
      const counter = new Counter({ name, help, labelNames: [...labelNames], registers });
      return (labels, by = 1) => counter.inc(labels, by);
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
          // What cannot be measured is not told: neither an old value nor the one that a gauge begins with, 0.
          gauge.reset();
          if (labelNames.length === 0) gauge.remove();
          for (const { labels, value } of measured) gauge.set(labels, value);
        },
      });
    },
    render: () => registry.metrics(),
  };
}

/** Half of the time that Prometheus waits for a whole answer by default. */
const MEASURED_WITHIN_MS = 5_000;

/** @throws Error where it takes too long; the measuring goes on, and its result is dropped */
async function inTime<T>(measuring: Promise<T>): Promise<T> {
  return await new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("it takes too long")), MEASURED_WITHIN_MS);
    measuring.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

/** How long a scraper may take to ask. */
const REQUEST_TIMEOUT_MS = 5_000;

/** Serves `/metrics` on a port of its own, for a process whose other port is open to the world. */
export async function serveMetrics(
  metrics: Metrics,
  { host, port, setting, log }: { host: string; port: number; setting: string; log: Log },
): Promise<Running & { url: string }> {
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, (request, response) => {
    if (request.url !== "/metrics") return void response.writeHead(404).end();
    metrics.render().then(
      (text) => response.writeHead(200, { "content-type": METRICS_CONTENT_TYPE }).end(text),
      (error: unknown) => {
        log.error("metrics.failed", error);
        response.writeHead(500).end();
      },
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(portProblem(error, port, setting)));
    server.listen(port, host, resolve);
  });
  const address = server.address();
  const url = `http://${host.includes(":") ? `[${host}]` : host}:${typeof address === "object" ? address?.port : ""}`;
  return {
    url,
    async stop() {
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
    },
  };
}
