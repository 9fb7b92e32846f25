import { IllegalStateError, Runtime } from "@temporalio/worker";

/**
 * Keeps what Temporal's runtime says of itself out of a test's output.
 *
 * A process has one runtime, and it stays as long as somebody uses it: another test file of this process may have
 * left it.
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
