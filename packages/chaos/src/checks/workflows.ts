import type { Check, OpenWorkflow } from "./facts.ts";

/**
 * No workflow outlives its delivery for good. One that waits for the time of its next attempt ends then,
 * since the attempt finds that the delivery has ended: so does that of a delivery whose subscription has
 * ended, or that was cancelled while Temporal did not answer.
 */
export const workflowsEnd: Check = ({ workflowsOfEnded }) =>
  workflowsOfEnded
    .filter(neverEnds)
    .map(
      ({ deliveryId, standing }) =>
        `${deliveryId} has ended, and its workflow is ${standing.kind} and waits for no time: see Temporal`,
    );

/** Returns whether nothing ends an open workflow: it is paused, or it waits for nothing. */
export function neverEnds({ standing }: OpenWorkflow): boolean {
  return standing.kind === "paused" || (standing.kind === "running" && standing.nextAttemptAt === undefined);
}
