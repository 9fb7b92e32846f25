import { temporalOptions } from "@posthaste/delivery/client";
import { workflowCode } from "@posthaste/delivery/worker";
import { ConfigError, createLog, readConfig, runService } from "@posthaste/runtime";
import { closeStore, openStore, pendingMigrations } from "@posthaste/store";
import { WORKER_SETTINGS } from "./config.ts";
import { startWorker } from "./start-worker.ts";

/** Longer than the longest drain of a Temporal worker. */
const STOP_TIMEOUT_MS = 60_000;

try {
  const config = readConfig(WORKER_SETTINGS, process.env);
  const log = createLog(config.POSTHASTE_LOG_LEVEL, { service: "worker" });
  await runService(
    async () => {
      const store = await openStore({
        url: config.DATABASE_URL,
        poolSize: config.POSTHASTE_DATABASE_POOL_SIZE,
      });
      const pending = await pendingMigrations(store);
      if (pending.length > 0)
        throw new ConfigError([`the database lacks ${pending.join(", ")}: run npm run migrate`]);
      const worker = await startWorker({
        store,
        log,
        temporal: temporalOptions(),
        workflowBundle: await workflowCode(),
        host: config.POSTHASTE_WORKER_HOST,
        port: config.POSTHASTE_WORKER_PORT,
        dispatchIntervalMs: config.POSTHASTE_DISPATCH_INTERVAL_MS,
        dispatchBatch: config.POSTHASTE_DISPATCH_BATCH,
        dispatchLeaseMs: config.POSTHASTE_DISPATCH_LEASE_MS,
        inFlightMax: config.POSTHASTE_IN_FLIGHT_MAX,
        attemptsMax: config.POSTHASTE_ATTEMPTS_MAX,
        reconcileIntervalMs: config.POSTHASTE_RECONCILE_INTERVAL_MS,
      });
      return {
        stop: async () => {
          await worker.stop();
          await closeStore(store);
        },
      };
    },
    { log, stopTimeoutMs: STOP_TIMEOUT_MS },
  );
} catch (error) {
  console.error(error instanceof ConfigError ? `posthaste worker: ${error.message}` : error);
  process.exit(1);
}
