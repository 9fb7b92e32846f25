import { createServer } from "node:net";
import type { Log } from "@posthaste/runtime";
import { type Logger, Runtime } from "@temporalio/worker";

const SCRAPE_TIMEOUT_MS = 2_000;

/**
 * What the SDK warns of although it is meant, and no option says so: the worker of retries has activities
 * alone. It says so at each start and each reconnect.
 */
const MEANT: ReadonlySet<string> = new Set(["No workflows registered, not polling for workflow tasks"]);

/**
 * Prepares Temporal's SDK: it logs to the worker's log, and serves its metrics on a free loopback port. Call
 * this before any other use of the SDK.
 *
 * @returns a function that reads the metrics, in Prometheus' text format; it rejects after 2 s without an
 *   answer
 */
export async function installTemporal(log: Log): Promise<() => Promise<string>> {
  const bindAddress = `127.0.0.1:${await freePort()}`;
  Runtime.install({
    logger: sdkLogger(log),
    telemetryOptions: {
      metrics: { prometheus: { bindAddress } },
      // What is not forwarded is written by native code, to an output that may be full.
      logging: { forward: {}, filter: { core: "ERROR", other: "ERROR" } },
    },
    // The process stops its workers itself. By default, the SDK would do so at SIGTERM, and also at SIGUSR2
    // and SIGQUIT, and it would keep SIGTERM from ending a process that is still starting.
    shutdownSignals: [],
  });
  return async () => {
    const response = await fetch(`http://${bindAddress}/metrics`, {
      signal: AbortSignal.timeout(SCRAPE_TIMEOUT_MS),
    });
    return await response.text();
  };
}

/** Returns a logger for the SDK whose lines are lines of a log, named `temporal.sdk`. */
export function sdkLogger(log: Log): Logger {
  // Its fields with symbols as keys are the SDK's own, such as the time, which the log has itself.
  const fieldsOf = (message: string, meta: object = {}) => ({
    message,
    ...Object.fromEntries(Object.entries(meta)),
  });
  const info: Logger["info"] = (message, meta) => log.info("temporal.sdk", fieldsOf(message, meta));
  const warn: Logger["info"] = (message, meta) =>
    MEANT.has(message) ? info(message, meta) : log.warn("temporal.sdk", fieldsOf(message, meta));
  const error: Logger["info"] = (message, meta) => {
    const { error: cause = message, ...fields } = fieldsOf(message, meta) as { error?: unknown };
    log.error("temporal.sdk", cause, fields);
  };
  const byLevel = { TRACE: () => {}, DEBUG: () => {}, INFO: info, WARN: warn, ERROR: error };
  return {
    log: (level, message, meta) => byLevel[level](message, meta),
    trace: byLevel.TRACE,
    debug: byLevel.DEBUG,
    ...{ info, warn, error },
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}
