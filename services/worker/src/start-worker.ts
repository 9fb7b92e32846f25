import { randomUUID } from "node:crypto";
import {
  type AttemptDeps,
  attemptDirectly,
  createHostPlaces,
  createShares,
} from "@posthaste/delivery/activities";
import {
  connectTemporal,
  createSearchability,
  type DeliveryToStart,
  inspectDelivery,
  type Names,
  retryNow,
  type Searchability,
  scheduleRetention,
  startDelivery,
  startErasure,
  startRecovery,
  type Temporal,
  type TemporalOptions,
  unpause,
} from "@posthaste/delivery/client";
import type { DeliveryWorkerOptions } from "@posthaste/delivery/worker";
import type { DisableRule, Lane } from "@posthaste/domain";
import { MINUTE_MS } from "@posthaste/domain";
import { createEgress, type EgressOptions } from "@posthaste/egress";
import {
  createMetrics,
  type Log,
  type OperatorServer,
  type Running,
  readinessOf,
  type StopDeadline,
  serveOperators,
  type Tracer,
} from "@posthaste/runtime";
import {
  countChanges,
  createAttemptLedger,
  forgetOldCounts,
  orderChanges,
  type RetentionAges,
  type Store,
  startClock,
} from "@posthaste/store";
import { createDirectLane, type DirectLane } from "./loops/direct-lane.ts";
import {
  createDirectRound,
  createDispatcher,
  type Dispatcher,
  type DispatchOptions,
} from "./loops/dispatch.ts";
import { type LoopPlan, type Loops, startLoops } from "./loops/loop.ts";
import type { LoopName } from "./loops/loop-names.ts";
import type { WhatIsAway } from "./loops/outage-log.ts";
import { createReconcileRound } from "./loops/reconcile.ts";
import { createReportSetAside, type ReportSetAside } from "./loops/report-set-aside.ts";
import { createWorkflowsRound } from "./loops/start-workflows.ts";
import { createUpkeep, type Upkeep } from "./loops/upkeep.ts";
import { createWorkerMetrics, type WorkerObserver } from "./metrics.ts";
import { createTemporalWorker, type TemporalWorker } from "./temporal/temporal-worker.ts";
import { createWhatIsAway, createWhyAway } from "./what-is-away.ts";

export type WorkerOptions = {
  readonly store: Store;
  readonly log: Log;
  readonly temporal: TemporalOptions;
  readonly names: Names;
  readonly workflowBundle: DeliveryWorkerOptions["workflowBundle"];
  readonly host: string;
  readonly port: number;
  /** The lane of accounts that set none. */
  readonly lane: Lane;
  readonly dispatchLeaseMs: number;
  readonly inFlightMax: number;
  readonly drainPerSecond: number;
  readonly disableRule: DisableRule;
  /** The `user-agent` header of requests. Default: Posthaste and its version. */
  readonly userAgent?: string | undefined;
  readonly retention: RetentionAges;
  readonly retentionIntervalMs: number;
  readonly attemptsMax: number;
  readonly hostAttemptsMax: number;
  /** How long a stop may take, in milliseconds. */
  readonly stopWithinMs: number;
  /** This build's version in the Temporal worker deployment; empty = unversioned. */
  readonly buildId: string;
  readonly reconcileIntervalMs: number;
  readonly egress: EgressOptions;
  readonly tracer: Tracer;
  /** Returns the metrics of Temporal's SDK, in Prometheus' text format. */
  readonly temporalMetrics: () => Promise<string>;
};

/** How often the dispatchers and upkeep poll the database without a nudge. */
const DISPATCH_INTERVAL_MS = 250;
/** Deliveries claimed in one round of the direct lane: enough to amortise it, few enough to share it. */
const DISPATCH_BATCH = 100;
/** How often delivery changes are numbered, so that they do not accumulate while no client follows them. */
const CHANGES_INTERVAL_MS = 1_000;
/** How often delivery changes are counted: the console's counters lag by up to this. */
const COUNT_INTERVAL_MS = 1_000;
/** How often the worker checks that the retention schedule exists, unless retention runs more often. */
const RETENTION_CHECK_MAX_MS = MINUTE_MS;
/** How long a recovery, replay or erasure waits for its workflow without a nudge. */
const WORKFLOWS_INTERVAL_MS = 1_000;

type TemporalClient = ReturnType<typeof connectTemporal>;
/** The loops that claim pending deliveries. */
const DISPATCHERS = ["dispatcher", "failing_dispatcher", "direct_dispatcher"] as const;

/**
 * Starts the loops, the Temporal worker and the internal HTTP server. Temporal need not be available: the
 * worker connects as soon as it is, and again after each interruption.
 *
 * @returns the HTTP server's URL, and `stop`, which finishes the work in flight
 * @throws StartError if the HTTP server's port is in use
 */
export async function startWorker(options: WorkerOptions): Promise<Running & { url: string }> {
  const { store, log } = options;
  const clock = await startClock(store, { log });
  const { now } = clock;
  let loops: Loops<LoopName> | undefined;
  const wake = (...names: LoopName[]) => loops?.wake(...names);

  const client = connectTemporal(options.temporal);
  const temporal = { client, names: options.names };
  const shutdown = { shutdownWithinMs: options.stopWithinMs };
  const temporalWorker = createTemporalWorker({ ...options, ...shutdown, client });
  const whatIsAway = createWhatIsAway(store, client);
  const whyAway = createWhyAway(store, client, temporalWorker);
  const { observer, render } = createWorkerMetrics(createMetrics(), { ...options, clock, whyAway });
  const searchability = createSearchability(client, {
    now,
    onMissing: (why) => log.error("temporal.no_search_attributes", why),
  });
  const start = deliveryStarter({ ...options, temporal, temporalWorker, searchability });
  const egress = createEgress(options.egress);
  const upkeep = createUpkeep({
    store,
    log,
    now,
    straysIntervalMs: options.reconcileIntervalMs,
    onPending: () => wake(...DISPATCHERS),
    onSetAside: observer.setAside,
  });
  const shares = createAllShares(options.attemptsMax);
  const hosts = createHostPlaces(options.hostAttemptsMax);
  const attempts = attemptDeps(
    { ...options, now, shares, hosts, egress: egress.post, retryNow: (id) => retryNow(temporal, id) },
    {
      ...observer,
      attempted(attempt) {
        observer.attempted(attempt);
        wake("dispatcher", "failing_dispatcher");
        if (upkeep.isDraining()) wake("upkeep");
      },
      recovered: () => wake(...DISPATCHERS),
    },
  );
  const dispatch = dispatchOptions({ ...options, now, start, hosts }, observer);
  const directLane = createDirectLane({
    ...dispatch,
    shares: shares.direct,
    ledger: attempts.ledger,
    whatIsAway,
    attempt: (delivery, holdsClaim) => attemptDirectly(attempts, { ...delivery, holdsClaim }),
    onRoom: () => wake("direct_dispatcher"),
  });

  const dispatchers = {
    well: createDispatcher({ ...dispatch, shares: shares.first }, "well"),
    // Attempts for failing subscriptions are made among the retries.
    failing: createDispatcher({ ...dispatch, shares: shares.retries }, "failing"),
  };

  const work = { start, dispatch, shares, dispatchers, directLane, upkeep, temporal, observer, whatIsAway };
  const plans = loopPlans({ options, ...work });
  loops = startLoops(plans, { log, onFailure: observer.loopFailed, whatIsAway });
  temporalWorker.start(attempts, observer.disconnected);
  const settings = { host: "POSTHASTE_WORKER_HOST", port: "POSTHASTE_WORKER_PORT" };
  const listener = await serveOperators(
    { host: options.host, port: options.port, settings },
    {
      metrics: render,
      readiness: async () => readinessOf(await whyAway()),
      // A nudge carries no data, and starts nothing that the dispatcher's timer would not start.
      posts: { "/nudge": () => wake(...DISPATCHERS, "upkeep", "workflow_starter") },
      log,
    },
  );
  log.info("worker.started", { url: listener.url, taskQueue: options.names.taskQueue });
  const starting = { loops, ...dispatchers, directLane };
  const parts = { ...starting, temporalWorker, searchability, egress, listener, client, clock };
  return { url: listener.url, stop: (deadline) => stopParts(parts, deadline) };
}

/** Stops the parts of a worker: first no new work begins, then the work in flight ends. */
async function stopParts(
  parts: {
    readonly loops: Loops<LoopName>;
    readonly well: Dispatcher;
    readonly failing: Dispatcher;
    readonly directLane: DirectLane;
    readonly temporalWorker: TemporalWorker;
    readonly searchability: Searchability;
    readonly egress: ReturnType<typeof createEgress>;
    readonly listener: OperatorServer;
    readonly client: TemporalClient;
    readonly clock: { stop(): Promise<void> };
  },
  deadline: StopDeadline,
): Promise<void> {
  await deadline.waitFor("loops", parts.loops.stop());
  const { well, failing, directLane, temporalWorker } = parts;
  const working = [well, failing, directLane, temporalWorker];
  await Promise.all(working.map((part) => part.stop(deadline)));
  await deadline.waitFor("search_attributes", parts.searchability.stop());
  parts.egress.close();
  await deadline.waitFor("listener", parts.listener.stop());
  // A call that was cut off would fail on a closed connection. The end of the process closes it, too.
  if (!deadline.signal.aborted)
    await deadline.waitFor("temporal_connection", parts.client.connection.close());
  await deadline.waitFor("clock", parts.clock.stop());
}

/** Creates the function that starts a delivery's workflow, in a span that belongs to its event's ingest. */
function deliveryStarter({
  tracer,
  temporal,
  temporalWorker,
  searchability,
}: {
  tracer: Tracer;
  temporal: Temporal;
  temporalWorker: TemporalWorker;
  searchability: Searchability;
}) {
  return async (delivery: DeliveryToStart & { readonly traceparent: string | null }) => {
    const parent = delivery.traceparent ?? undefined;
    const attributes = { "posthaste.delivery.id": delivery.deliveryId };
    await tracer.span("start delivery", { kind: "producer", parent, attributes }, async (span) => {
      const toStart = { ...delivery, startTraceparent: span.traceparent };
      // An eager start on the worker's connection: the response carries the first workflow task.
      const eagerClient = temporalWorker.client();
      if (eagerClient !== undefined) {
        const eager = { ...temporal, client: eagerClient };
        await startDelivery(eager, toStart, { searchability, isEager: true });
      } else await startDelivery(temporal, toStart, { searchability });
    });
  };
}

/** Creates the places of each kind of attempt. */
function createAllShares(attemptsMax: number) {
  return {
    first: createShares(attemptsMax),
    direct: createShares(attemptsMax),
    // Retries are not urgent, and most of them fail.
    retries: createShares(Math.ceil(attemptsMax / 2)),
  };
}

function attemptDeps(
  options: Omit<WorkerOptions, "egress"> &
    Required<Pick<AttemptDeps, "now" | "shares" | "hosts" | "egress" | "retryNow">>,
  observer: WorkerObserver,
): AttemptDeps {
  const { store, log, now, tracer, disableRule, retention, egress, shares, hosts, userAgent } = options;
  return {
    ...{ store, log, now, tracer, disableRule, retention, egress, shares, hosts, userAgent, observer },
    ledger: createAttemptLedger(store),
    retryNow: options.retryNow,
    concurrencyDefault: options.inFlightMax,
  };
}

function dispatchOptions(
  options: WorkerOptions & Pick<DispatchOptions, "now" | "start" | "hosts">,
  observer: WorkerObserver,
): Omit<DispatchOptions, "shares"> {
  return {
    store: options.store,
    log: options.log,
    now: options.now,
    start: options.start,
    owner: randomUUID(),
    laneDefault: options.lane,
    batch: DISPATCH_BATCH,
    leaseMs: options.dispatchLeaseMs,
    inFlightMax: options.inFlightMax,
    hosts: options.hosts,
    drainPerSecond: options.drainPerSecond,
    onStarted: observer.started,
    onSetAside: observer.rowsSetAside,
  };
}

/** Returns the plan of every loop. */
function loopPlans({
  options,
  start,
  dispatch,
  shares,
  dispatchers,
  directLane,
  upkeep,
  temporal,
  observer,
  whatIsAway,
}: {
  options: WorkerOptions;
  start: ReturnType<typeof deliveryStarter>;
  dispatch: Omit<DispatchOptions, "shares">;
  shares: ReturnType<typeof createAllShares>;
  dispatchers: { readonly well: Dispatcher; readonly failing: Dispatcher };
  directLane: DirectLane;
  upkeep: Upkeep;
  temporal: Temporal;
  observer: WorkerObserver;
  whatIsAway: WhatIsAway;
}) {
  const { store, log, reconcileIntervalMs, retentionIntervalMs } = options;
  const { now } = dispatch;
  const onSetAside = observer.rowsSetAside;
  const shared = { store, log, now, whatIsAway, onSetAside };
  const report = createReportSetAside(log, onSetAside);
  const workflows = {
    startRecovery: (recovery: Parameters<typeof startRecovery>[1]) => startRecovery(temporal, recovery),
    startErasure: (erasure: Parameters<typeof startErasure>[1]) => startErasure(temporal, erasure),
  };
  const calls = {
    inspect: (id: Parameters<typeof inspectDelivery>[1]) => inspectDelivery(temporal, id),
    start,
    retryNow: (id: Parameters<typeof retryNow>[1]) => retryNow(temporal, id),
    unpause: (id: Parameters<typeof unpause>[1]) => unpause(temporal, id),
  };
  return {
    dispatcher: { intervalMs: DISPATCH_INTERVAL_MS, round: dispatchers.well.round },
    failing_dispatcher: { intervalMs: DISPATCH_INTERVAL_MS, round: dispatchers.failing.round },
    direct_dispatcher: {
      intervalMs: DISPATCH_INTERVAL_MS,
      round: createDirectRound({ ...dispatch, shares: shares.direct }, directLane),
    },
    upkeep: { intervalMs: DISPATCH_INTERVAL_MS, round: upkeep.round },
    workflow_starter: {
      intervalMs: WORKFLOWS_INTERVAL_MS,
      round: createWorkflowsRound({ ...shared, ...workflows }),
    },
    change_orderer: {
      intervalMs: CHANGES_INTERVAL_MS,
      round: async () => {
        const count = await orderChanges(store, now(), (refused) => report("order_changes", refused));
        return count > 0 ? "more" : "done";
      },
    },
    change_counter: { intervalMs: COUNT_INTERVAL_MS, round: createCountRound(store, now, report) },
    retention_scheduler: {
      intervalMs: Math.min(RETENTION_CHECK_MAX_MS, retentionIntervalMs),
      round: createScheduleRound(temporal, retentionIntervalMs),
    },
    reconciler: {
      intervalMs: reconcileIntervalMs,
      round: createReconcileRound({ ...shared, temporal: calls, onReconciled: observer.reconciled }),
    },
  } satisfies Record<LoopName, LoopPlan>;
}

function createCountRound(store: Store, now: () => number, report: ReportSetAside): LoopPlan["round"] {
  return async () => {
    const count = await countChanges(store, (uncounted) =>
      report(
        "count_changes",
        uncounted.map(({ accountId, error }) => ({ item: accountId, error })),
      ),
    );
    if (count > 0) return "more";
    return (await forgetOldCounts(store, now())) > 0 ? "more" : "done";
  };
}

/**
 * Creates the round that recreates the retention schedule if Temporal has lost it. Only the first round sets
 * this worker's interval on an existing schedule.
 */
function createScheduleRound(temporal: Temporal, intervalMs: number): LoopPlan["round"] {
  let isScheduled = false;
  return async () => {
    await scheduleRetention(temporal, intervalMs, { ifThere: isScheduled ? "leave" : "update" });
    isScheduled = true;
    return "done";
  };
}
