import type { Client } from "@temporalio/client";

/** A server that takes longer counts as unreachable: probes call every few seconds. */
const ANSWER_WITHIN_MS = 1_000;

/** Returns whether Temporal answers within a second. */
export async function isTemporalThere(client: Client): Promise<boolean> {
  return await client
    .withDeadline(Date.now() + ANSWER_WITHIN_MS, () => client.workflowService.getSystemInfo({}))
    .then(
      () => true,
      () => false,
    );
}
