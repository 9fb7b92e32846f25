import { type AttemptObserver, GIVE_UP_REASONS } from "@posthaste/delivery/activities";
import { DELIVERY_STATES, isTerminal, OUTCOMES } from "@posthaste/domain";
import { type Metrics, measureClock, measureLog, type WhyAway } from "@posthaste/runtime";
import { type Clock, measureBacklog, measureUpkeep, RETENTION_KINDS, type Store } from "@posthaste/store";
import { LOOP_NAMES, type LoopName } from "./loops/loop-names.ts";
import { RECONCILE_ACTIONS, type ReconcileAction } from "./loops/reconcile.ts";
import { SET_ASIDE_WORK, type SetAsideWork } from "./loops/report-set-aside.ts";
import { UPKEEP_WORK, type UpkeepWork } from "./loops/upkeep.ts";

/** How long a measurement of the backlog is reused, because counting a large backlog is expensive. */
const BACKLOG_FRESH_MS = 5_000;

/** The callbacks through which the worker reports what happens. */
export type WorkerObserver = AttemptObserver & {
  /** Called after a round of a dispatcher with the number of workflows started. */
  readonly started: (count: number) => void;
  /** Called when a piece of upkeep is set aside. */
  readonly setAside: (work: UpkeepWork) => void;
  /** Called when rows are set aside that a loop cannot handle, with their number. */
  readonly rowsSetAside: (work: SetAsideWork, count: number) => void;
  /** Called for each delivery that the reconciler examines. */
  readonly reconciled: (action: ReconcileAction) => void;
  /** Called for each failed round, with the loop's name. */
  readonly loopFailed: (loop: LoopName) => void;
  /** Called when the connection to Temporal breaks. */
  readonly disconnected: () => void;
};

export type MetricsOptions = {
  readonly store: Store;
  readonly clock: Clock;
  /** Attempts that a subscription may have at once if its owner chose no concurrency. */
  readonly inFlightMax: number;
  readonly whyAway: WhyAway;
  /** Returns the metrics of Temporal's SDK, in Prometheus' text format. */
  readonly temporalMetrics: () => Promise<string>;
};

/**
 * Registers the worker's metrics: counters that the returned observer feeds, and gauges that measure the
 * backlog and the dependencies at each scrape.
 *
 * @param metrics where the metrics are registered
 * @returns the observer, and `render`, which returns all metrics in Prometheus' text format
 */
export function createWorkerMetrics(
  metrics: Metrics,
  { store, clock, inFlightMax, whyAway, temporalMetrics }: MetricsOptions,
): { observer: WorkerObserver; render(): Promise<string> } {
  measureBacklogAndDependencies(metrics, { store, now: clock.now, inFlightMax, whyAway });
  measureClock(metrics, clock);
  measureLog(metrics);
  return {
    observer: createObserver(metrics),
    async render() {
      // The worker's metrics are served even if the SDK's cannot be read.
      const [worker, sdk] = await Promise.all([metrics.render(), temporalMetrics().catch(() => "")]);
      return `${worker}${sdk}`;
    },
  };
}

/** Registers the counters, and returns what feeds them. */
function createObserver(metrics: Metrics): WorkerObserver {
  const attempts = metrics.counter("posthaste_attempts_total", "Attempts, by outcome.", {
    outcome: OUTCOMES,
  });
  const attemptSeconds = metrics.histogram(
    "posthaste_attempt_duration_seconds",
    "Duration of attempts, until the response was complete or abandoned.",
    ["outcome"],
  );
  const ended = metrics.counter("posthaste_deliveries_ended_total", "Deliveries ended, by final state.", {
    state: DELIVERY_STATES.filter(isTerminal),
  });
  const started = metrics.counter("posthaste_deliveries_started_total", "Delivery workflows started.");
  const faults = metrics.counter("posthaste_faults_total", "Attempts cut off by a fault; each runs again.");
  const keyWaits = metrics.counter(
    "posthaste_unknown_key_waits_total",
    "Work that waited for a sealing key.",
  );
  const givenUp = metrics.counter(
    "posthaste_deliveries_given_up_total",
    "Deliveries cancelled because of a fault that no repetition mends, by reason.",
    { reason: GIVE_UP_REASONS },
  );
  const waits = metrics.counter(
    "posthaste_waits_total",
    "Retries that waited: for their subscription's rate or concurrency, or for a place of their account or at their host.",
  );
  const early = metrics.counter(
    "posthaste_early_attempts_total",
    "Retries that Temporal dispatched before they were due; none was sent.",
  );
  const failures = metrics.counter("posthaste_loop_failures_total", "Failed rounds, by loop.", {
    loop: LOOP_NAMES,
  });
  const setAside = metrics.counter(
    "posthaste_upkeep_set_aside_total",
    "Pieces of upkeep that failed and were set aside, by kind; the others continued.",
    { work: UPKEEP_WORK },
  );
  const rowsSetAside = metrics.counter(
    "posthaste_rows_set_aside_total",
    "Rows that a loop could not handle and set aside, by what it could not do; the others continued.",
    { work: SET_ASIDE_WORK },
  );
  const reconciled = metrics.counter(
    "posthaste_reconciled_total",
    "Overdue deliveries examined, by action taken.",
    { action: RECONCILE_ACTIONS },
  );
  const retained = metrics.counter(
    "posthaste_retention_deleted_total",
    "Rows deleted past their retention, by kind.",
    { kind: RETENTION_KINDS },
  );
  const disconnected = metrics.counter(
    "posthaste_temporal_disconnects_total",
    "Failed tries to connect to Temporal, and ends of the worker by an error; what the SDK reconnects is not counted.",
  );
  return {
    attempted({ outcome, durationMs, state }) {
      attempts({ outcome });
      attemptSeconds({ outcome }, durationMs / 1_000);
      if (isTerminal(state)) ended({ state });
    },
    faulted: () => faults({}),
    lackedKey: () => keyWaits({}),
    gaveUp: (reason) => givenUp({ reason }),
    waited: () => waits({}),
    handedOutEarly: () => early({}),
    // No metric: the recovery itself counts its deliveries.
    recovered: () => {},
    deleted: (kind, count) => retained({ kind }, count),
    started: (count) => started({}, count),
    setAside: (work) => setAside({ work }),
    rowsSetAside: (work, count) => rowsSetAside({ work }, count),
    reconciled: (action) => reconciled({ action }),
    loopFailed: (loop) => failures({ loop }),
    disconnected: () => disconnected({}),
  };
}

/** Registers the gauges. */
function measureBacklogAndDependencies(
  metrics: Metrics,
  {
    store,
    now,
    inFlightMax,
    whyAway,
  }: Pick<MetricsOptions, "store" | "inFlightMax" | "whyAway"> & Pick<Clock, "now">,
): void {
  const backlog = fresh(() => measureBacklog(store, { now: now(), inFlightMax }), now);
  const upkeep = fresh(() => measureUpkeep(store), now);
  metrics.gauge(
    "posthaste_backlog_deliveries",
    "Waiting deliveries, by state; `overdue`: started, and the next attempt is two minutes late. Counted up to 100,000.",
    ["state"],
    async () => {
      const { oldestPendingAt: _, ...counts } = await backlog();
      return Object.entries(counts).map(([state, value]) => ({ labels: { state }, value }));
    },
  );
  metrics.gauge(
    "posthaste_backlog_age_seconds",
    "How long the oldest pending delivery has waited that no rate, concurrency, drain or replay holds back.",
    [],
    async () => {
      const { oldestPendingAt } = await backlog();
      return [
        { labels: {}, value: oldestPendingAt === null ? 0 : Math.max(0, now() - oldestPendingAt) / 1_000 },
      ];
    },
  );
  metrics.gauge(
    "posthaste_backlog_upkeep",
    "Pieces of upkeep that are not finished, by kind. Counted up to 10,000.",
    ["work"],
    async () => Object.entries(await upkeep()).map(([work, value]) => ({ labels: { work }, value })),
  );
  metrics.gauge(
    "posthaste_dependency_up",
    "1 if the dependency is available, otherwise 0.",
    ["dependency"],
    async () =>
      Object.entries(await whyAway()).map(([dependency, why]) => ({
        labels: { dependency },
        value: why === undefined ? 1 : 0,
      })),
  );
}

/**
 * Caches a measurement, and runs at most one at a time: scrapes that arrive during a slow one
 * share its result.
 */
function fresh<T>(measure: () => Promise<T>, now: () => number): () => Promise<T> {
  let last: { readonly at: number; readonly measured: Promise<T> } | undefined;
  let isMeasuring = false;
  return () => {
    if (last !== undefined && (isMeasuring || now() - last.at < BACKLOG_FRESH_MS)) return last.measured;
    isMeasuring = true;
    const measured = measure().finally(() => {
      isMeasuring = false;
    });
    last = { at: now(), measured };
    return measured;
  };
}
