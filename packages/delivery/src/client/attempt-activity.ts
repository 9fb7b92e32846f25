import type { DeliveryId } from "@posthaste/domain";
import { ATTEMPT_ACTIVITY } from "../names.ts";
import type { Temporal } from "./temporal.ts";

/** Names the activity of a delivery's retries to the calls of Temporal that pause, unpause or reset one. */
export function attemptActivity({ client, names }: Temporal, deliveryId: DeliveryId) {
  return {
    namespace: client.options.namespace,
    execution: { workflowId: names.delivery(deliveryId) },
    identity: client.options.identity,
    type: ATTEMPT_ACTIVITY,
  };
}
