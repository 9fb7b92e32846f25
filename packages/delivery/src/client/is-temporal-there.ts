import type { Client } from "@temporalio/client";

/** Probes ask every few seconds; a server that takes longer is as good as away. */
const ANSWER_WITHIN_MS = 1_000;

export async function isTemporalThere(client: Client): Promise<boolean> {
  return await askTemporal(client, ANSWER_WITHIN_MS).then(
    () => true,
    () => false,
  );
}

/**
 * Asks the server for an answer of any kind.
 *
 * @throws what the SDK says where there is none within that time
 */
export async function askTemporal(client: Client, withinMs: number): Promise<void> {
  await client.withDeadline(Date.now() + withinMs, () => client.workflowService.getSystemInfo({}));
}
