import { continueAsNew, patched, proxyActivities } from "@temporalio/workflow";
import type { Activities } from "../activities/index.ts";
import { type DeliverInput, type DeliverResult, RETRY_QUEUE } from "../names.ts";
import { carry, START_TO_CLOSE_MS } from "./carry.ts";
import { RETRY_POLICY } from "./retry-policy.ts";

const BOUNDS = { startToCloseTimeout: START_TO_CLOSE_MS, heartbeatTimeout: 5_000 };
const first = proxyActivities<Activities>({ ...BOUNDS, retry: { maximumAttempts: 1 } }).attemptDelivery;
const retries = proxyActivities<Activities>({
  ...BOUNDS,
  retry: RETRY_POLICY,
  taskQueue: RETRY_QUEUE,
}).attemptDelivery;
/** As it was when all attempts were one activity: for workflows that began then. */
const all = proxyActivities<Activities>({ ...BOUNDS, retry: RETRY_POLICY }).attemptDelivery;

/** Since workflows make the first attempt apart from the retries. */
const FIRST_APART = "first-attempt-apart";

/** As deliveries were carried before {@link carryDelivery}, whose name is another so that neither's workers take the other's. */
export async function deliver(input: DeliverInput): Promise<DeliverResult> {
  const isApart = patched(FIRST_APART);
  return await carry(input, {
    first: isApart ? first : all,
    retries: isApart ? retries : all,
    again: () => continueAsNew<typeof deliver>(input),
  });
}
