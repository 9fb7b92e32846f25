import { randomUUID } from "node:crypto";
import {
  type AttemptDeps,
  attemptDirectly,
  createEgress,
  type EgressOptions,
} from "@posthaste/delivery/activities";
import {
  connectTemporal,
  createSearchability,
  type DeliveryToStart,
  inspectDelivery,
  isTemporalThere,
  retryNow,
  scheduleRetention,
  startDelivery,
  startErasure,
  startRecovery,
  type TemporalOptions,
  unpause,
} from "@posthaste/delivery/client";
import type { DeliveryWorkerOptions } from "@posthaste/delivery/worker";
import type { DisableRule, Lane } from "@posthaste/domain";
import { countedLog, createMetrics, type Log, type Running, type Tracer } from "@posthaste/runtime";
import {
  countChanges,
  createAttemptLedger,
  forgetOldCounts,
  orderChanges,
  pingStore,
  type RetentionAges,
  type Store,
} from "@posthaste/store";
import { createDirectLane } from "./direct-lane.ts";
import { createDirectRound, createDispatchRound, type DispatchOptions } from "./dispatch.ts";
import { listen } from "./listen.ts";
import { createWorkerMetrics } from "./metrics.ts";
import { createReconcileRound } from "./reconcile.ts";
import { runTemporalWorker } from "./run-temporal-worker.ts";
import { createAskedForRound } from "./start-asked-for.ts";
import { startLoop } from "./start-loop.ts";
import { createUpkeep } from "./upkeep.ts";

export type WorkerOptions = {
  readonly store: Store;
  readonly log: Log;
  readonly temporal: TemporalOptions;
  readonly workflowBundle: DeliveryWorkerOptions["workflowBundle"];
  readonly host: string;
  readonly port: number;
  /** Of accounts that chose none. */
  readonly lane: Lane;
  readonly dispatchIntervalMs: number;
  readonly dispatchBatch: number;
  readonly dispatchLeaseMs: number;
  readonly inFlightMax: number;
  readonly drainPerSecond: number;
  readonly disableRule: DisableRule;
  readonly retention: RetentionAges;
  readonly retentionIntervalMs: number;
  readonly attemptsMax: number;
  /** Empty: none. */
  readonly buildId: string;
  readonly reconcileIntervalMs: number;
  readonly egress: EgressOptions;
  readonly tracer: Tracer;
  /** What Temporal's SDK measures, as Prometheus reads it. */
  readonly temporalMetrics: () => Promise<string>;
};

/** Whoever follows deliveries has their changes ordered more often; this keeps them from heaping up. */
const CHANGES_INTERVAL_MS = 1_000;
/** What the console shows of the last minutes is behind by this. */
const COUNT_INTERVAL_MS = 1_000;
/**
 * How often it is asked whether the retention's schedule is still there, if the retention itself is not more
 * frequent.
 */
const RETENTION_CHECK_MAX_MS = 60_000;
/** How long a recovery waits for its workflow where no nudge comes. */
const RECOVERIES_INTERVAL_MS = 1_000;

/**
 * Starts the dispatcher, the reconciler and the Temporal worker. Temporal may come later, or go and come
 * back.
 */
export async function startWorker(options: WorkerOptions): Promise<Running & { url: string }> {
  const { store, tracer } = options;
  const now = () => Date.now();
  const checkReady = async () => {
    // The SDK's worker says that it runs for as long as it tries to poll, so Temporal itself is asked, too.
    const [database, isThere] = await Promise.all([
      pingStore(store).then(
        () => "ok" as const,
        () => "away" as const,
      ),
      isTemporalThere(client),
    ]);
    return { database, temporal: isThere && temporalWorker.polls() ? ("ok" as const) : ("away" as const) };
  };
  const metrics = createWorkerMetrics(createMetrics(), {
    store,
    now,
    checkReady,
    temporalMetrics: options.temporalMetrics,
  });
  const log = countedLog(options.log, metrics.onLine);
  const client = connectTemporal(options.temporal);

  const searchability = createSearchability(client, {
    now,
    onMissing: (why) => log.error("temporal.no_search_attributes", why),
  });
  const start = async (delivery: DeliveryToStart & { readonly traceparent: string | null }) => {
    const parent = delivery.traceparent ?? undefined;
    const attributes = { "posthaste.delivery.id": delivery.deliveryId };
    await tracer.span("start delivery", { kind: "producer", parent, attributes }, async (span) => {
      const toStart = { ...delivery, startTraceparent: span.traceparent };
      const own = temporalWorker.client();
      // The worker's own connection brings the first task with the answer.
      if (own !== undefined) await startDelivery(own, toStart, { searchability, isEager: true });
      else await startDelivery(client, toStart, { searchability });
    });
  };

  const egress = createEgress(options.egress);
  const attempts: AttemptDeps = {
    store,
    ledger: createAttemptLedger(store),
    log,
    now,
    tracer,
    concurrencyDefault: options.inFlightMax,
    disableRule: options.disableRule,
    retention: options.retention,
    egress: egress.post,
    onAttempted: () => {
      dispatcher.wake();
      failingDispatcher.wake();
      if (upkeep.isDraining()) upkeepLoop.wake();
    },
  };
  const dispatch: DispatchOptions = {
    store,
    log,
    now,
    start,
    owner: randomUUID(),
    laneDefault: options.lane,
    batch: options.dispatchBatch,
    leaseMs: options.dispatchLeaseMs,
    inFlightMax: options.inFlightMax,
    drainPerSecond: options.drainPerSecond,
  };
  const loop = { intervalMs: options.dispatchIntervalMs, log };
  const dispatcher = startLoop({ ...loop, name: "dispatcher", round: createDispatchRound(dispatch, "well") });
  const failingDispatcher = startLoop({
    ...loop,
    name: "failing_dispatcher",
    round: createDispatchRound(dispatch, "failing"),
  });
  const directLane = createDirectLane({
    ...dispatch,
    ledger: attempts.ledger,
    attempt: (id) => attemptDirectly(attempts, id),
    attemptsMax: options.attemptsMax,
    onRoom: () => directDispatcher.wake(),
  });
  const directDispatcher = startLoop({
    ...loop,
    name: "direct_dispatcher",
    round: createDirectRound(dispatch, directLane),
  });
  const upkeep = createUpkeep({
    store,
    log,
    now,
    straysIntervalMs: options.reconcileIntervalMs,
    onPending: () => {
      dispatcher.wake();
      failingDispatcher.wake();
      directDispatcher.wake();
    },
  });
  const upkeepLoop = startLoop({ ...loop, name: "upkeep", round: upkeep.round });
  const askedForStarter = startLoop({
    name: "asked_for_starter",
    intervalMs: RECOVERIES_INTERVAL_MS,
    log,
    round: createAskedForRound({
      store,
      log,
      now,
      startRecovery: (recovery) => startRecovery(client, recovery),
      startErasure: (id) => startErasure(client, id),
    }),
  });
  let scheduled = false;
  const retentionScheduler = startLoop({
    name: "retention_scheduler",
    intervalMs: Math.min(RETENTION_CHECK_MAX_MS, options.retentionIntervalMs),
    log,
    round: async () => {
      // This worker's interval is told once; whether the schedule is still there is asked for ever: Temporal
      // may lose it.
      const ifThere = scheduled ? "leave" : "update";
      await scheduleRetention(client, options.retentionIntervalMs, { ifThere });
      scheduled = true;
      return "done";
    },
  });
  const changeOrderer = startLoop({
    name: "change_orderer",
    intervalMs: CHANGES_INTERVAL_MS,
    log,
    round: async () => ((await orderChanges(store)) > 0 ? "more" : "done"),
  });
  const changeCounter = startLoop({
    name: "change_counter",
    intervalMs: COUNT_INTERVAL_MS,
    log,
    round: async () => {
      if ((await countChanges(store)) > 0) return "more";
      await forgetOldCounts(store, now());
      return "done";
    },
  });
  const reconciler = startLoop({
    name: "reconciler",
    intervalMs: options.reconcileIntervalMs,
    log,
    round: createReconcileRound({
      store,
      log,
      now,
      temporal: {
        inspect: (id) => inspectDelivery(client, id),
        start,
        retryNow: (id) => retryNow(client, id),
        unpause: (id) => unpause(client, id),
      },
    }),
  });
  const temporalWorker = runTemporalWorker({
    temporal: options.temporal,
    log,
    workflowBundle: options.workflowBundle,
    attemptsMax: options.attemptsMax,
    ...(options.buildId === "" ? {} : { buildId: options.buildId }),
    deps: attempts,
  });
  const listener = await listen({
    host: options.host,
    port: options.port,
    onNudge: () => {
      dispatcher.wake();
      failingDispatcher.wake();
      directDispatcher.wake();
      upkeepLoop.wake();
      askedForStarter.wake();
    },
    metrics: metrics.render,
    checkReady,
  });
  log.info("worker.started", { url: listener.url });

  return {
    url: listener.url,
    async stop() {
      // No new work first; then what is under way is finished.
      await Promise.all([
        dispatcher.stop(),
        failingDispatcher.stop(),
        directDispatcher.stop(),
        upkeepLoop.stop(),
        askedForStarter.stop(),
        changeOrderer.stop(),
        changeCounter.stop(),
        retentionScheduler.stop(),
        reconciler.stop(),
      ]);
      await Promise.all([directLane.stop(), temporalWorker.stop()]);
      await searchability.stop();
      egress.close();
      await listener.stop();
      await client.connection.close();
    },
  };
}
