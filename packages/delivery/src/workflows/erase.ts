import { MINUTE_MS } from "@posthaste/domain/durations";
import { continueAsNew, proxyActivities, setCurrentDetails, sleep, workflowInfo } from "@temporalio/workflow";
import type { Activities } from "../activities/index.ts";
import type { EraseInput } from "../names.ts";

/** An activity runs a few short transactions; the timeout allows for a slow or unreachable database. */
const STEP_TIMEOUT_MS = MINUTE_MS;

const { advanceErasure } = proxyActivities<Activities>({
  startToCloseTimeout: STEP_TIMEOUT_MS,
  // Without a limit: an accepted erasure must be completed.
  retry: { initialInterval: 1_000, backoffCoefficient: 2, maximumInterval: MINUTE_MS },
});

/** Carries an erasure to its end, step by step. Its row contains its progress. */
export async function erase(input: EraseInput): Promise<string> {
  for (;;) {
    const { isOver, summary, waitMs = 0 } = await advanceErasure(input);
    setCurrentDetails(summary);
    if (isOver) return summary;
    if (waitMs > 0) await sleep(waitMs);
    if (workflowInfo().continueAsNewSuggested) await continueAsNew<typeof erase>(input);
  }
}
