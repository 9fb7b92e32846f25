import { continueAsNew, proxyActivities, proxyLocalActivities } from "@temporalio/workflow";
import type { Activities } from "../activities/index.ts";
import { type DeliverInput, type DeliverResult, RETRY_QUEUE } from "../names.ts";
import { carry, START_TO_CLOSE_MS } from "./carry.ts";
import { RETRY_POLICY } from "./retry-policy.ts";

/** The activity beats every second; a worker that is gone is noticed after this. */
const HEARTBEAT_TIMEOUT_MS = 5_000;

/**
 * The first attempt, within the workflow's own task: where it succeeds, the workflow is one task, which costs the server half of
 * what an activity of its own would.
 */
const inPlace = proxyLocalActivities<Activities>({
  startToCloseTimeout: START_TO_CLOSE_MS,
  retry: { maximumAttempts: 1 },
}).attemptDelivery;

/** What waits for a retry is a pending activity, which operators see, pause and unpause. */
const retries = proxyActivities<Activities>({
  startToCloseTimeout: START_TO_CLOSE_MS,
  heartbeatTimeout: HEARTBEAT_TIMEOUT_MS,
  retry: RETRY_POLICY,
  taskQueue: RETRY_QUEUE,
}).attemptDelivery;

/** Carries one delivery to its end; see {@link carry}. */
export async function carryDelivery(input: DeliverInput): Promise<DeliverResult> {
  return await carry(input, {
    // One whose subscription fails may hang: it waits with the retries, not in a task that others need.
    first: input.isFailing === true ? retries : inPlace,
    retries,
    again: () => continueAsNew<typeof carryDelivery>({ ...input, isFailing: true }),
  });
}
