import type { DeliveryId } from "@posthaste/domain";
import { attemptActivity } from "./attempt-activity.ts";
import { bounded } from "./bounded.ts";
import { grpcCodeOf, NO_ACTIVITY } from "./grpc-code.ts";
import type { Temporal } from "./temporal.ts";

/**
 * Makes the waiting attempt of a cancelled delivery due now. It finds the row cancelled, and its workflow
 * ends. This lifts an operator's pause, too, since nothing is sent any more. If nothing waits, it does
 * nothing. If an attempt is stored, but Temporal has not heard of it yet, the workflow ends when the next one
 * is due.
 *
 * It is one call, which Temporal does wholly or not at all. A pause and its end are two (`retry-now.ts`), and
 * nobody examines the workflow of a cancelled delivery: cut off between them, it would never end. That the
 * schedule begins again does not matter here.
 */
export async function wakeCancelled(temporal: Temporal, deliveryId: DeliveryId): Promise<void> {
  const { client } = temporal;
  const activity = attemptActivity(temporal, deliveryId);
  try {
    await bounded(client, () => client.workflowService.resetActivity(activity));
  } catch (error) {
    if (!NO_ACTIVITY.has(grpcCodeOf(error))) throw error;
  }
}
