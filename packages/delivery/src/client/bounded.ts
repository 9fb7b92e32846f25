import type { Client } from "@temporalio/client";

/** How long one call to Temporal may take, with the SDK's own retries. A server that hangs must not hang its callers. */
const CALL_DEADLINE_MS = 5_000;

/** Makes a call that fails, rather than waits, when Temporal does not answer in time. */
export async function bounded<T>(client: Client, call: () => Promise<T>): Promise<T> {
  return await client.withDeadline(Date.now() + CALL_DEADLINE_MS, call);
}
