import { connectTemporal, retryNow, temporalOptions } from "@posthaste/delivery/client";
import { ConfigError, createLog, readConfig, runService } from "@posthaste/runtime";
import { closeStore, openStore, pendingMigrations } from "@posthaste/store";
import { builtInCatalog } from "./catalog.ts";
import { API_SETTINGS } from "./config.ts";
import { createNudge } from "./nudge.ts";
import { startApi } from "./start-api.ts";

/** What a stop may take beyond draining. */
const STOP_SLACK_MS = 5_000;

try {
  const config = readConfig(API_SETTINGS, process.env);
  const log = createLog(config.POSTHASTE_LOG_LEVEL, { service: "api" });
  await runService(
    async () => {
      const store = await openStore({
        url: config.DATABASE_URL,
        poolSize: config.POSTHASTE_DATABASE_POOL_SIZE,
      });
      const pending = await pendingMigrations(store);
      if (pending.length > 0)
        throw new ConfigError([`the database lacks ${pending.join(", ")}: run npm run migrate`]);
      const temporal = connectTemporal(temporalOptions());
      const api = await startApi({
        deps: {
          store,
          log,
          catalog: builtInCatalog(),
          now: () => Date.now(),
          fanOutMax: config.POSTHASTE_FAN_OUT_MAX,
          nudge: createNudge(config.POSTHASTE_WORKER_URLS, log),
          retryNow: (id) => retryNow(temporal, id),
        },
        host: config.POSTHASTE_HOST,
        port: config.POSTHASTE_PORT,
        drainMs: config.POSTHASTE_DRAIN_MS,
      });
      return {
        stop: async () => {
          await api.stop();
          await temporal.connection.close();
          await closeStore(store);
        },
      };
    },
    { log, stopTimeoutMs: config.POSTHASTE_DRAIN_MS + STOP_SLACK_MS },
  );
} catch (error) {
  console.error(error instanceof ConfigError ? `posthaste api: ${error.message}` : error);
  process.exit(1);
}
