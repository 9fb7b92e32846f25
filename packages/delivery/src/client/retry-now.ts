import type { DeliveryId } from "@posthaste/domain";
import type { Client } from "@temporalio/client";
import { ATTEMPT_ACTIVITY, workflowIdOf } from "../names.ts";
import { bounded } from "./bounded.ts";
import { GRPC, grpcCodeOf } from "./grpc-code.ts";

/** Marks a pause as a step of "retry now", so that the reconciler knows which pauses it may undo. */
export const RETRY_NOW_REASON = "posthaste: retry now";

/** There is nothing to pause: no such workflow or activity, or not in a state to be paused. */
const NOTHING_TO_PAUSE: ReadonlySet<number | undefined> = new Set([
  GRPC.INVALID_ARGUMENT,
  GRPC.NOT_FOUND,
  GRPC.FAILED_PRECONDITION,
]);

/**
 * Makes a waiting activity's next attempt due now: pause, then unpause. That keeps the attempt count and so the
 * schedule; `resetActivity` would restart it. Once the caller has written `next_attempt_at = now`, a crash anywhere
 * in here is harmless, for the reconciler compares the row with Temporal and does it again.
 *
 * @returns false where no activity was there to be paused: the workflow is gone, or between two runs of its activity
 *   after a fault of ours, and the row will be gone by
 */
export async function retryNow(client: Client, deliveryId: DeliveryId): Promise<boolean> {
  try {
    const request = { ...target(client, deliveryId), reason: RETRY_NOW_REASON };
    await bounded(client, () => client.workflowService.pauseActivity(request));
  } catch (error) {
    if (NOTHING_TO_PAUSE.has(grpcCodeOf(error))) return false;
    throw error;
  }
  await unpause(client, deliveryId);
  return true;
}

/** The second half of {@link retryNow}: the attempt is made at once. */
export async function unpause(client: Client, deliveryId: DeliveryId): Promise<void> {
  await bounded(client, () => client.workflowService.unpauseActivity(target(client, deliveryId)));
}

function target(client: Client, deliveryId: DeliveryId) {
  return {
    namespace: client.options.namespace,
    execution: { workflowId: workflowIdOf(deliveryId) },
    identity: client.options.identity,
    type: ATTEMPT_ACTIVITY,
  };
}
