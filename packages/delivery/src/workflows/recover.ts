import {
  condition,
  continueAsNew,
  defineSignal,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  sleep,
  workflowInfo,
} from "@temporalio/workflow";
import type { Activities } from "../activities/index.ts";
import { RECOVERY_CHANGED_SIGNAL, type RecoverInput } from "../names.ts";

/** One step is one transaction; this is for a database that is slow, or away. */
const STEP_TIMEOUT_MS = 60_000;
/** A paused recovery looks for itself whether it is to go on, should the signal be lost. */
const LOOK_EVERY_MS = 60_000;

const { advanceRecovery } = proxyActivities<Activities>({
  startToCloseTimeout: STEP_TIMEOUT_MS,
  // For ever: what fails here is ours to mend, and every step goes on where the one before was written.
  retry: { initialInterval: 1_000, backoffCoefficient: 2, maximumInterval: 60_000 },
});

/**
 * Carries a recovery or a replay to its end, step by step. Where it stands is in its row, which each step moves in the
 * same transaction as the deliveries it makes; this workflow is what keeps it moving, at its rate.
 */
export async function recover(input: RecoverInput): Promise<string> {
  let changed = false;
  setHandler(defineSignal(RECOVERY_CHANGED_SIGNAL), () => {
    changed = true;
  });
  for (;;) {
    changed = false;
    const { state, waitMs, summary } = await advanceRecovery(input);
    setCurrentDetails(summary);
    if (state === "completed" || state === "cancelled") return summary;
    if (state === "paused") await condition(() => changed, LOOK_EVERY_MS);
    else if (waitMs > 0) await sleep(waitMs);
    if (workflowInfo().continueAsNewSuggested) await continueAsNew<typeof recover>(input);
  }
}
