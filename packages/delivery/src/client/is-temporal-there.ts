import type { Client } from "@temporalio/client";

/** A server that takes longer counts as unreachable: probes call every few seconds. */
const ANSWER_WITHIN_MS = 1_000;

/** Returns whether Temporal answers within a second, and has the client's namespace. */
export async function isTemporalThere(client: Client): Promise<boolean> {
  const { namespace } = client.options;
  const ask = () => client.workflowService.describeNamespace({ namespace });
  return await client.withDeadline(Date.now() + ANSWER_WITHIN_MS, ask).then(
    () => true,
    () => false,
  );
}

/**
 * Calls the server, to find out whether it answers, whatever namespaces it has.
 *
 * @throws the SDK's error if there is no answer within that time
 */
export async function askTemporal(client: Client, withinMs: number): Promise<void> {
  await client.withDeadline(Date.now() + withinMs, () => client.workflowService.getSystemInfo({}));
}
