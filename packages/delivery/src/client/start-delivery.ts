import type { DeliveryId } from "@posthaste/domain";
import type { Client } from "@temporalio/client";
import { DELIVER_WORKFLOW, type DeliverInput, TASK_QUEUE, workflowIdOf } from "../names.ts";
import { bounded } from "./bounded.ts";

/** Temporal takes summaries of up to 400 bytes; a host name has at most 253. */
const SUMMARY_CHARS_MAX = 380;

/**
 * Starts the workflow of a delivery. Starting twice is harmless: a running one is used, and one started after the
 * first has closed finds by the row that nothing is to be done.
 */
export async function startDelivery(
  client: Client,
  delivery: { deliveryId: DeliveryId; eventType: string; targetUrl: string },
): Promise<void> {
  const options = {
    workflowId: workflowIdOf(delivery.deliveryId),
    taskQueue: TASK_QUEUE,
    args: [{ deliveryId: delivery.deliveryId } satisfies DeliverInput],
    workflowIdConflictPolicy: "USE_EXISTING" as const,
    workflowIdReusePolicy: "ALLOW_DUPLICATE" as const,
    staticSummary: `${delivery.eventType} → ${new URL(delivery.targetUrl).host}`.slice(0, SUMMARY_CHARS_MAX),
  };
  await bounded(client, () => client.workflow.start(DELIVER_WORKFLOW, options));
}
