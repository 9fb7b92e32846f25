import { continueAsNew, proxyActivities, setCurrentDetails, workflowInfo } from "@temporalio/workflow";
import type { Activities } from "../activities/index.ts";
import type { EraseInput } from "../names.ts";

/** Some steps make one activity; this is for a database that is slow, or away. */
const STEP_TIMEOUT_MS = 60_000;

const { advanceErasure } = proxyActivities<Activities>({
  startToCloseTimeout: STEP_TIMEOUT_MS,
  // For ever: what was promised to be erased is.
  retry: { initialInterval: 1_000, backoffCoefficient: 2, maximumInterval: 60_000 },
});

/** Carries an erasure to its end, step by step; where it is stands in its row. */
export async function erase(input: EraseInput): Promise<string> {
  for (;;) {
    const { isOver, summary } = await advanceErasure(input);
    setCurrentDetails(summary);
    if (isOver) return summary;
    if (workflowInfo().continueAsNewSuggested) await continueAsNew<typeof erase>(input);
  }
}
