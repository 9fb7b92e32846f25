import { HOUR_MS, MINUTE_MS } from "@posthaste/domain/durations";
import { continueAsNew, proxyActivities, setCurrentDetails, workflowInfo } from "@temporalio/workflow";
import type { Activities } from "../activities/index.ts";
import type { RetainInput } from "../names.ts";

/** An activity runs a few short transactions; the timeout allows for a slow or unreachable database. */
const STEP_TIMEOUT_MS = MINUTE_MS;
/** The time limit of a step with all its retries. After it, the schedule's next run takes over. */
const RUN_TIMEOUT_MS = 6 * HOUR_MS;

const { retainStep } = proxyActivities<Activities>({
  startToCloseTimeout: STEP_TIMEOUT_MS,
  scheduleToCloseTimeout: RUN_TIMEOUT_MS,
  retry: { initialInterval: 1_000, backoffCoefficient: 2, maximumInterval: MINUTE_MS },
});

/**
 * Deletes rows that have reached their age, step by step and kind by kind. The activity keeps the position.
 */
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
