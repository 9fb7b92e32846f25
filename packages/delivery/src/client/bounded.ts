import type { Client } from "@temporalio/client";
import { isNamespaceMissing, noNamespace } from "./no-namespace.ts";

/** The deadline of one call to Temporal, including the SDK's retries. */
const CALL_DEADLINE_MS = 5_000;

/**
 * Calls Temporal with a deadline of 5 s, so that a server that does not answer cannot block the caller.
 *
 * @throws NoNamespace, which names the setting, or the SDK's error
 */
export async function bounded<T>(client: Client, call: () => Promise<T>): Promise<T> {
  try {
    return await client.withDeadline(Date.now() + CALL_DEADLINE_MS, call);
  } catch (error) {
    throw isNamespaceMissing(error) ? noNamespace(client, error) : error;
  }
}
