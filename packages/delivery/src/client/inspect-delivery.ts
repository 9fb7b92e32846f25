import type { DeliveryId } from "@posthaste/domain";
import { type Client, WorkflowNotFoundError } from "@temporalio/client";
import { ATTEMPT_ACTIVITY } from "../names.ts";
import { bounded } from "./bounded.ts";
import type { Temporal } from "./temporal.ts";

/** The reason of a pause by "retry now", which tells the reconciler that it may undo the pause. */
export const RETRY_NOW_REASON = "posthaste: retry now";

/** The state of a delivery's workflow, as far as the reconciler must distinguish it. */
export type Standing =
  /** There is no workflow, or it closed without an operator's action. */
  | { readonly kind: "gone" }
  /** An operator terminated or cancelled the workflow. */
  | { readonly kind: "ended_by_hand" }
  /** The activity is paused, either by an operator or by a "retry now" that crashed between its two calls. */
  | { readonly kind: "paused"; readonly by: "retry_now" | "operator" }
  /**
   * The workflow is running. `nextAttemptAt` is undefined unless the activity is waiting for its next
   * attempt.
   */
  | { readonly kind: "running"; readonly nextAttemptAt: number | undefined };

/** Returns the state of a delivery's workflow, from Temporal. */
export async function inspectDelivery(
  { client, names }: Temporal,
  deliveryId: DeliveryId,
): Promise<Standing> {
  const handle = client.workflow.getHandle(names.delivery(deliveryId));
  let description: Awaited<ReturnType<ReturnType<Client["workflow"]["getHandle"]>["describe"]>>;
  try {
    description = await bounded(client, () => handle.describe());
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return { kind: "gone" };
    throw error;
  }
  switch (description.status.name) {
    case "TERMINATED":
    case "CANCELLED":
      return { kind: "ended_by_hand" };
    case "RUNNING":
    case "PAUSED":
      break;
    default:
      return { kind: "gone" };
  }
  const activity = description.raw.pendingActivities?.find(
    (pending) => pending.activityType?.name === ATTEMPT_ACTIVITY,
  );
  if (activity?.paused === true) {
    const reason = activity.pauseInfo?.manual?.reason;
    return { kind: "paused", by: reason === RETRY_NOW_REASON ? "retry_now" : "operator" };
  }
  const next = activity?.nextAttemptScheduleTime;
  return {
    kind: "running",
    nextAttemptAt:
      next?.seconds == null ? undefined : Number(next.seconds) * 1000 + Math.floor((next.nanos ?? 0) / 1e6),
  };
}

/** Returns whether an operator's pause holds a delivery's attempts. */
export async function isHeldByOperator(temporal: Temporal, deliveryId: DeliveryId): Promise<boolean> {
  return isOperatorsPause(await inspectDelivery(temporal, deliveryId));
}

/** Returns whether the activity is paused by somebody else than "retry now". */
export function isOperatorsPause(standing: Standing): boolean {
  return standing.kind === "paused" && standing.by === "operator";
}
