import type { Client } from "@temporalio/client";

/** Probes ask every few seconds; a server that takes longer is as good as away. */
const ANSWER_WITHIN_MS = 1_000;

export async function isTemporalThere(client: Client): Promise<boolean> {
  return await client
    .withDeadline(Date.now() + ANSWER_WITHIN_MS, () => client.workflowService.getSystemInfo({}))
    .then(
      () => true,
      () => false,
    );
}
