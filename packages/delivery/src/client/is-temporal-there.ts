import type { Client } from "@temporalio/client";

/** A server that takes longer counts as unreachable: probes call every few seconds. */
const ANSWER_WITHIN_MS = 1_000;

/** Returns whether Temporal answers within a second. */
export async function isTemporalThere(client: Client): Promise<boolean> {
  return await askTemporal(client, ANSWER_WITHIN_MS).then(
    () => true,
    () => false,
  );
}

/**
 * Calls the server, to find out whether it answers.
 *
 * @throws the SDK's error if there is no answer within that time
 */
export async function askTemporal(client: Client, withinMs: number): Promise<void> {
  await client.withDeadline(Date.now() + withinMs, () => client.workflowService.getSystemInfo({}));
}
