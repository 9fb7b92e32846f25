import {
  connectTemporal,
  egressRules,
  isHeldByOperator,
  namesOf,
  retryNow,
  signalRecovery,
  type Temporal,
  temporalOptions,
  wakeCancelled,
  whyTemporalAway,
  workflowUrl,
} from "@posthaste/delivery/client";
import type { DeliveryId, RecoveryId } from "@posthaste/domain";
import {
  createMetrics,
  type Log,
  measureClock,
  measureLog,
  type Readiness,
  runService,
  serveOperators,
  startTracing,
  type Values,
} from "@posthaste/runtime";
import {
  closeStore,
  createIngest,
  openMigratedStore,
  readInstallation,
  type StoreOptions,
  startClock,
} from "@posthaste/store";
import { createAccess } from "./access/create-access.ts";
import { createCatalog } from "./catalog/catalog.ts";
import { createKnownSchemas } from "./catalog/schema/known-schemas.ts";
import { createSchemaThreads } from "./catalog/schema/schema-threads.ts";
import { API_SETTINGS } from "./config.ts";
import { brandFrom } from "./console/brand-settings.ts";
import { isConsoleThere } from "./console/console.ts";
import { createTemporalWait, TEMPORAL_WAIT_MS } from "./deliveries/temporal-wait.ts";
import { connectionsWarning, type Limits, limitsFrom } from "./http/limits.ts";
import { createReportFault } from "./http/problem.ts";
import { createInboxes } from "./inbox/inboxes.ts";
import { createNudge } from "./ingest/nudge.ts";
import { createApiMetrics, createWaitMetric, measureDatabase, measureOpen } from "./metrics.ts";
import { startApi } from "./start-api.ts";

/** The default timeout of an attempt. */
const TEST_EVENT_WAIT_MS = 15_000;
/**
 * Maximum deliveries created by one ingest call; other calls wait for its transaction. The worker creates the
 * rest.
 */
const FAN_OUT_MAX = 1_000;
/** How long a stop may take after `POSTHASTE_DRAIN_MS`, to send the last spans and to close the store. */
const CLOSE_WITHIN_MS = 5_000;

/** What `/readyz` answers until the API listens. */
const STARTING: Readiness = { isReady: false, body: { process: "starting" } };

await runService({
  name: "api",
  settings: API_SETTINGS,
  stopWithinMs: (config) => config.POSTHASTE_DRAIN_MS + CLOSE_WITHIN_MS,
  start: async (config, log) => {
    const brand = brandFrom(config);
    const store = await openMigratedStore(storeOptions(config), log);
    const tracing = startTracing("posthaste-api");
    const metrics = createMetrics();
    const observer = createApiMetrics(metrics);
    let readiness = async (): Promise<Readiness> => STARTING;
    // First: an API that cannot listen there takes no caller's connection, only to end it.
    const operators = await serveOperators(
      {
        host: config.POSTHASTE_METRICS_HOST,
        port: config.POSTHASTE_METRICS_PORT,
        settings: { host: "POSTHASTE_METRICS_HOST", port: "POSTHASTE_METRICS_PORT" },
      },
      { metrics: metrics.render, readiness: async () => await readiness(), log },
    );
    log.info("metrics.started", { url: operators.url });
    const consoleDir = config.POSTHASTE_CONSOLE_DIR;
    if (!isConsoleThere(consoleDir)) log.warn("console.not_built", { dir: consoleDir });
    const clock = await startClock(store, { log });
    measureClock(metrics, clock);
    measureLog(metrics);
    measureDatabase(metrics, store);
    const schemaThreads = createSchemaThreads(log);
    const client = connectTemporal(temporalOptions());
    const names = namesOf(await readInstallation(store));
    const temporalWait = createTemporalWait(TEMPORAL_WAIT_MS);
    const limits = checkedLimits(config, log);
    const access = createAccess(store, clock.now, limits, { onWaited: createWaitMetric(metrics) });
    const catalog = createCatalog({ store, ...access });
    const api = await startApi({
      deps: {
        store,
        log,
        reportFault: createReportFault(log, observer),
        observer,
        tracer: tracing.tracer,
        catalog,
        knownSchemas: createKnownSchemas(catalog),
        schemaThreads,
        now: clock.now,
        egressRules: egressRules(config),
        testEventWaitMs: TEST_EVENT_WAIT_MS,
        limits,
        ...access,
        ingest: createIngest(store),
        fanOutMax: FAN_OUT_MAX,
        inboxes: config.POSTHASTE_INBOX === "on" ? createInboxes(clock.now) : null,
        nudge: createNudge(config.POSTHASTE_WORKER_URLS, log),
        names,
        temporalUiUrl: config.POSTHASTE_TEMPORAL_UI_URL?.toString() ?? "",
        workflowUrl: (id) =>
          workflowUrl(config.POSTHASTE_TEMPORAL_UI_URL, client.options.namespace, names.delivery(id)),
        temporalWait: temporalWait.wait,
        ...requestsTo({ client, names }),
      },
      host: config.POSTHASTE_HOST,
      port: config.POSTHASTE_PORT,
      drainMs: config.POSTHASTE_DRAIN_MS,
      corsOrigins: config.POSTHASTE_CORS_ORIGINS,
      ...(isConsoleThere(consoleDir)
        ? { console: { dir: consoleDir, frameAncestors: config.POSTHASTE_CONSOLE_FRAME_ANCESTORS, brand } }
        : {}),
    });
    readiness = api.readiness;
    measureOpen(metrics, api.counters);
    return {
      stop: async (deadline) => {
        await deadline.waitFor("api", api.stop());
        await deadline.waitFor("schema_threads", schemaThreads.stop());
        await deadline.waitFor("metrics", operators.stop());
        await deadline.waitFor("tracing", tracing.stop());
        await deadline.waitFor("temporal_requests", temporalWait.settled());
        await deadline.waitFor("temporal_connection", client.connection.close());
        await deadline.waitFor("clock", clock.stop());
        await deadline.waitFor("store", closeStore(store));
      },
    };
  },
});

function storeOptions(config: Values<typeof API_SETTINGS>): StoreOptions {
  return {
    url: config.DATABASE_URL,
    poolSize: config.POSTHASTE_DATABASE_POOL_SIZE,
    deadlines: { statementMs: config.POSTHASTE_DATABASE_TIMEOUT_MS },
    secretKeys: config.POSTHASTE_SECRET_KEYS,
  };
}

/** Returns the limits, and warns if they do not fit together. */
function checkedLimits(config: Parameters<typeof limitsFrom>[0], log: Log): Limits {
  const limits = limitsFrom(config);
  const advice = connectionsWarning(limits);
  if (advice !== undefined) log.warn("connections.too_few", { advice });
  return limits;
}

/** What the API asks of Temporal. */
function requestsTo(temporal: Temporal) {
  return {
    retryNow: (id: DeliveryId) => retryNow(temporal, id),
    wakeCancelled: (id: DeliveryId) => wakeCancelled(temporal, id),
    isHeldByOperator: (id: DeliveryId) => isHeldByOperator(temporal, id),
    whyTemporalAway: () => whyTemporalAway(temporal.client),
    signalRecovery: (id: RecoveryId) => signalRecovery(temporal, id),
  };
}
