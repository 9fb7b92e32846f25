import { continueAsNew, proxyActivities, setCurrentDetails, workflowInfo } from "@temporalio/workflow";
import type { Activities } from "../activities/index.ts";
import type { RetainInput } from "../names.ts";

/** One step is a short transaction; this is for a database that is slow, or away. */
const STEP_TIMEOUT_MS = 60_000;
/** Then the schedule's next run takes over. */
const RUN_TIMEOUT_MS = 6 * 3_600_000;

const { retainStep } = proxyActivities<Activities>({
  startToCloseTimeout: STEP_TIMEOUT_MS,
  scheduleToCloseTimeout: RUN_TIMEOUT_MS,
  retry: { initialInterval: 1_000, backoffCoefficient: 2, maximumInterval: 60_000 },
});

/** Deletes what is too old, step by step, kind after kind. The activity decides what that is, and where it is. */
export async function retain(input: RetainInput): Promise<string> {
  let at = input;
  for (;;) {
    const { next, summary } = await retainStep(at);
    setCurrentDetails(summary);
    if (next === undefined) return summary;
    at = next;
    if (workflowInfo().continueAsNewSuggested) await continueAsNew<typeof retain>(at);
  }
}
