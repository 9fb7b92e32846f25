import type { AttemptObserver } from "@posthaste/delivery/activities";
import { isTerminal } from "@posthaste/domain";
import type { Metrics } from "@posthaste/runtime";
import { type Backlog, measureBacklog, type Store } from "@posthaste/store";
import type { ReconcileAction } from "./loops/reconcile.ts";
import type { UpkeepWork } from "./loops/upkeep.ts";

/** Scrapers that come more often get the same answer: counting a large backlog is not free. */
const BACKLOG_FRESH_MS = 5_000;

/** What the worker tells as it happens; the metrics count it. */
export type WorkerObserver = AttemptObserver & {
  /** A round of the dispatcher started this many workflows. */
  readonly started: (count: number) => void;
  readonly setAside: (work: UpkeepWork) => void;
  readonly reconciled: (action: ReconcileAction) => void;
  /** A round of this loop failed. */
  readonly loopFailed: (loop: string) => void;
  /** The connection to Temporal broke. */
  readonly disconnected: () => void;
};

/**
 * Counts what the worker tells, and measures what waits.
 *
 * @param temporalMetrics what Temporal's SDK measures, as Prometheus reads it
 */
export function createWorkerMetrics(
  metrics: Metrics,
  {
    store,
    now,
    checkReady,
    temporalMetrics,
  }: {
    store: Store;
    now: () => number;
    checkReady: () => Promise<Readonly<Record<string, "ok" | "away">>>;
    temporalMetrics: () => Promise<string>;
  },
): { observer: WorkerObserver; render(): Promise<string> } {
  const attempts = metrics.counter("posthaste_attempts_total", "Attempts made, by what they came to.", [
    "outcome",
  ]);
  const attemptSeconds = metrics.histogram(
    "posthaste_attempt_duration_seconds",
    "How long attempts took, until the answer was complete or given up.",
    ["outcome"],
  );
  const ended = metrics.counter("posthaste_deliveries_ended_total", "Deliveries that ended, by how.", [
    "state",
  ]);
  const started = metrics.counter("posthaste_deliveries_started_total", "Workflows of deliveries started.");
  const faults = metrics.counter(
    "posthaste_faults_total",
    "Attempts that a fault of ours cut off; they are made again.",
  );
  const waits = metrics.counter(
    "posthaste_waits_total",
    "Retries that had to wait for their turn, by their subscription's rate or concurrency.",
  );
  const early = metrics.counter(
    "posthaste_early_attempts_total",
    "Retries that Temporal handed out before they were due; none was sent.",
  );
  const failures = metrics.counter("posthaste_loop_failures_total", "Rounds that failed, by loop.", ["loop"]);
  const setAside = metrics.counter(
    "posthaste_upkeep_set_aside_total",
    "Pieces of upkeep that failed and were set aside for a while, by kind; the rest went on.",
    ["work"],
  );
  const reconciled = metrics.counter(
    "posthaste_reconciled_total",
    "Overdue deliveries looked at, by what was done.",
    ["action"],
  );
  const retained = metrics.counter(
    "posthaste_retention_deleted_total",
    "Rows deleted for their age, by kind.",
    ["kind"],
  );
  const disconnected = metrics.counter(
    "posthaste_temporal_disconnects_total",
    "Times the connection to Temporal broke.",
  );

  const backlog = fresh(() => measureBacklog(store, now()), now);
  metrics.gauge(
    "posthaste_backlog_deliveries",
    "Deliveries that wait, by state; overdue ones should have moved minutes ago. Counted up to 100,000.",
    ["state"],
    async () => {
      const { oldestPendingAt: _, ...counts } = await backlog();
      return Object.entries(counts).map(([state, value]) => ({ labels: { state }, value }));
    },
  );
  metrics.gauge(
    "posthaste_backlog_age_seconds",
    "How long the oldest pending delivery has waited for its first attempt.",
    [],
    async () => {
      const { oldestPendingAt } = await backlog();
      return [
        { labels: {}, value: oldestPendingAt === null ? 0 : Math.max(0, now() - oldestPendingAt) / 1_000 },
      ];
    },
  );
  metrics.gauge(
    "posthaste_dependency_up",
    "1 where what the worker needs is there.",
    ["dependency"],
    async () =>
      Object.entries(await checkReady()).map(([dependency, state]) => ({
        labels: { dependency },
        value: state === "ok" ? 1 : 0,
      })),
  );

  return {
    observer: {
      attempted({ outcome, durationMs, state }) {
        attempts({ outcome });
        attemptSeconds({ outcome }, durationMs / 1_000);
        if (isTerminal(state)) ended({ state });
      },
      faulted: () => faults({}),
      waited: () => waits({}),
      handedOutEarly: () => early({}),
      // The API counts the deliveries that ingest creates; these are in the recovery itself.
      recovered: () => {},
      deleted: (kind, count) => retained({ kind }, count),
      started: (count) => started({}, count),
      setAside: (work) => setAside({ work }),
      reconciled: (action) => reconciled({ action }),
      loopFailed: (loop) => failures({ loop }),
      disconnected: () => disconnected({}),
    },
    async render() {
      // What the SDK says may be away without hiding what we know.
      const [own, sdk] = await Promise.all([metrics.render(), temporalMetrics().catch(() => "")]);
      return `${own}${sdk}`;
    },
  };
}

/** Makes one measurement at a time, however slow. Scrapers who come meanwhile share it. */
function fresh(measure: () => Promise<Backlog>, now: () => number): () => Promise<Backlog> {
  let last: { readonly at: number; readonly backlog: Promise<Backlog> } | undefined;
  let isUnderWay = false;
  return () => {
    if (last !== undefined && (isUnderWay || now() - last.at < BACKLOG_FRESH_MS)) return last.backlog;
    isUnderWay = true;
    const backlog = measure().finally(() => {
      isUnderWay = false;
    });
    last = { at: now(), backlog };
    return backlog;
  };
}
