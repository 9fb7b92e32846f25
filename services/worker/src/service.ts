import { egressRules, namesOf, temporalOptions } from "@posthaste/delivery/client";
import { workflowCode } from "@posthaste/delivery/worker";
import { DAY_MS, HOUR_MS } from "@posthaste/domain";
import { lookupsWith } from "@posthaste/egress";
import { runService, startTracing } from "@posthaste/runtime";
import { closeStore, openMigratedStore, readInstallation } from "@posthaste/store";
import { WORKER_SETTINGS } from "./config.ts";
import { startWorker } from "./start-worker.ts";
import { installTemporal } from "./temporal/temporal-runtime.ts";

/**
 * The advised size of Node's thread pool. Name look-ups may use half of it, and it has four threads unless
 * `UV_THREADPOOL_SIZE` is set before the process starts.
 */
const THREADS_MIN = 32;

await runService({
  name: "worker",
  settings: WORKER_SETTINGS,
  stopWithinMs: (config) => config.POSTHASTE_STOP_WITHIN_MS,
  start: async (config, log) => {
    const tracing = startTracing("posthaste-worker");
    const temporalMetrics = await installTemporal(log);
    // Like Node, which reads the digits at the beginning, and has one thread at least.
    const threads = Number.parseInt(process.env["UV_THREADPOOL_SIZE"] ?? "4", 10) || 1;
    if (threads < THREADS_MIN) log.warn("worker.few_threads", { threads, advised: THREADS_MIN });
    const store = await openMigratedStore(
      {
        url: config.DATABASE_URL,
        poolSize: config.POSTHASTE_DATABASE_POOL_SIZE,
        deadlines: { statementMs: config.POSTHASTE_DATABASE_TIMEOUT_MS },
        secretKeys: config.POSTHASTE_SECRET_KEYS,
      },
      log,
    );
    const worker = await startWorker({
      temporalMetrics,
      tracer: tracing.tracer,
      store,
      log,
      temporal: temporalOptions(),
      names: namesOf(await readInstallation(store)),
      workflowBundle: await workflowCode(),
      host: config.POSTHASTE_WORKER_HOST,
      port: config.POSTHASTE_WORKER_PORT,
      lane: config.POSTHASTE_LANE,
      dispatchLeaseMs: config.POSTHASTE_DISPATCH_LEASE_MS,
      inFlightMax: config.POSTHASTE_IN_FLIGHT_MAX,
      drainPerSecond: config.POSTHASTE_DRAIN_PER_SECOND,
      disableRule: {
        failingForMs: config.POSTHASTE_DISABLE_AFTER_HOURS * HOUR_MS,
        exhausted: config.POSTHASTE_DISABLE_AFTER_EXHAUSTED,
      },
      userAgent: config.POSTHASTE_USER_AGENT ?? undefined,
      buildId: config.POSTHASTE_BUILD_ID,
      retention: {
        events: config.POSTHASTE_RETAIN_EVENTS_DAYS * DAY_MS,
        attempts: config.POSTHASTE_RETAIN_ATTEMPTS_DAYS * DAY_MS,
        idempotency_keys: config.POSTHASTE_RETAIN_KEYS_DAYS * DAY_MS,
        changes: config.POSTHASTE_RETAIN_CHANGES_DAYS * DAY_MS,
        removed_event_types: config.POSTHASTE_RETAIN_EVENTS_DAYS * DAY_MS,
        audit_entries: config.POSTHASTE_RETAIN_AUDIT_DAYS * DAY_MS,
      },
      retentionIntervalMs: config.POSTHASTE_RETENTION_INTERVAL_MS,
      attemptsMax: config.POSTHASTE_ATTEMPTS_MAX,
      hostAttemptsMax: config.POSTHASTE_HOST_ATTEMPTS_MAX,
      stopWithinMs: config.POSTHASTE_STOP_WITHIN_MS,
      reconcileIntervalMs: config.POSTHASTE_RECONCILE_INTERVAL_MS,
      egress: {
        rules: egressRules(config),
        proxy: config.POSTHASTE_EGRESS_PROXY ?? undefined,
        limits: { lookupsMax: lookupsWith(threads) },
      },
    });
    return {
      stop: async (deadline) => {
        await worker.stop(deadline);
        await deadline.waitFor("tracing", tracing.stop());
        await deadline.waitFor("store", closeStore(store));
      },
    };
  },
});
