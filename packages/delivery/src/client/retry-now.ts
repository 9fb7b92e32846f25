import type { DeliveryId } from "@posthaste/domain";
import { ATTEMPT_ACTIVITY } from "../names.ts";
import { bounded } from "./bounded.ts";
import { GRPC, grpcCodeOf } from "./grpc-code.ts";
import { inspectDelivery, RETRY_NOW_REASON } from "./inspect-delivery.ts";
import type { Temporal } from "./temporal.ts";

/** The codes of a pause that failed because the workflow or activity does not exist or cannot be paused. */
const NOTHING_TO_PAUSE: ReadonlySet<number | undefined> = new Set([
  GRPC.INVALID_ARGUMENT,
  GRPC.NOT_FOUND,
  GRPC.FAILED_PRECONDITION,
]);

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
 * A pause keeps the reason of an earlier one. What the activity says after the pause therefore shows whether
 * an operator had paused it before.
 *
 * @param options.evenIfHeld lifts an operator's pause, too. Only for a delivery that sends nothing any more,
 *   so that its workflow ends. Default: false
 */
export async function retryNow(
  temporal: Temporal,
  deliveryId: DeliveryId,
  { evenIfHeld = false }: { evenIfHeld?: boolean } = {},
): Promise<RetryNow> {
  try {
    const request = { ...target(temporal, deliveryId), reason: RETRY_NOW_REASON };
    await bounded(temporal.client, () => temporal.client.workflowService.pauseActivity(request));
  } catch (error) {
    if (NOTHING_TO_PAUSE.has(grpcCodeOf(error))) return "nothing_waits";
    throw error;
  }
  if (!evenIfHeld) {
    const standing = await inspectDelivery(temporal, deliveryId);
    if (standing.kind === "paused" && standing.by === "operator") return "held_by_operator";
  }
  await unpause(temporal, deliveryId);
  return "retried";
}

/** Unpauses the activity, which starts its next attempt at once: the second half of {@link retryNow}. */
export async function unpause(temporal: Temporal, deliveryId: DeliveryId): Promise<void> {
  const { client } = temporal;
  await bounded(client, () => client.workflowService.unpauseActivity(target(temporal, deliveryId)));
}

function target({ client, names }: Temporal, deliveryId: DeliveryId) {
  return {
    namespace: client.options.namespace,
    execution: { workflowId: names.delivery(deliveryId) },
    identity: client.options.identity,
    type: ATTEMPT_ACTIVITY,
  };
}
