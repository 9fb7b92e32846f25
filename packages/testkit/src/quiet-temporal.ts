import { IllegalStateError, Runtime } from "@temporalio/worker";

/**
 * Keeps the logs of Temporal's runtime out of a test's output.
 *
 * A process has one runtime. If another test file of this process has installed it, nothing happens.
 */
export function quietTemporal(): void {
  const drop = () => {};
  const logger = { log: drop, trace: drop, debug: drop, info: drop, warn: drop, error: drop };
  try {
    Runtime.install({ telemetryOptions: { logging: { forward: {}, filter: "OFF" } }, logger });
  } catch (error) {
    if (!(error instanceof IllegalStateError)) throw error;
  }
}
