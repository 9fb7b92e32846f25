import type { DeliveryId } from "@posthaste/domain";
import { attemptActivity } from "./attempt-activity.ts";
import { bounded } from "./bounded.ts";
import { GRPC, grpcCodeOf, NO_ACTIVITY } from "./grpc-code.ts";
import { inspectDelivery, isOperatorsPause, RETRY_NOW_REASON } from "./inspect-delivery.ts";
import type { Temporal } from "./temporal.ts";

export type RetryNow =
  /** The attempt is due now. */
  | "retried"
  /**
   * There was no activity to pause: the workflow does not exist, or it is between two runs of its activity
   * after a fault. In the latter case, the next run takes its time from the row.
   */
  | "nothing_waits"
  /** An operator has paused the activity, and it stays paused. The attempt is sent when they unpause it. */
  | "held_by_operator";

/**
 * Makes the next attempt of a waiting activity due now, by pausing and unpausing the activity. This keeps the
 * attempt number and therefore the schedule; `resetActivity` would restart them. The caller must write
 * `next_attempt_at = now` first: after a crash in this function, the reconciler compares that row with
 * Temporal and repeats the operation.
 *
 * A pause keeps the reason of an earlier one, or is refused because of it, which depends on the call that
 * made the earlier one. What the activity says after the pause therefore shows whether an operator had paused
 * it before.
 */
export async function retryNow(temporal: Temporal, deliveryId: DeliveryId): Promise<RetryNow> {
  const pause = await tryToPause(temporal, deliveryId);
  if (pause === "nothing_to_pause") return "nothing_waits";
  const standing = await inspectDelivery(temporal, deliveryId);
  if (pause === "refused" && standing.kind !== "paused") return "nothing_waits";
  if (isOperatorsPause(standing)) return "held_by_operator";
  await unpause(temporal, deliveryId);
  return "retried";
}

/** Pauses the activity. `refused` says that it cannot be paused, which includes that it is paused already. */
async function tryToPause(
  temporal: Temporal,
  deliveryId: DeliveryId,
): Promise<"paused" | "refused" | "nothing_to_pause"> {
  try {
    const request = { ...attemptActivity(temporal, deliveryId), reason: RETRY_NOW_REASON };
    await bounded(temporal.client, () => temporal.client.workflowService.pauseActivity(request));
    return "paused";
  } catch (error) {
    const code = grpcCodeOf(error);
    if (code === GRPC.FAILED_PRECONDITION) return "refused";
    if (NO_ACTIVITY.has(code)) return "nothing_to_pause";
    throw error;
  }
}

/** Unpauses the activity, which starts its next attempt at once: the second half of {@link retryNow}. */
export async function unpause(temporal: Temporal, deliveryId: DeliveryId): Promise<void> {
  const { client } = temporal;
  await bounded(client, () => client.workflowService.unpauseActivity(attemptActivity(temporal, deliveryId)));
}
