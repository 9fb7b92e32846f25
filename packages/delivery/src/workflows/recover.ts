import { MINUTE_MS } from "@posthaste/domain/durations";
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

/** A step is one transaction; the timeout allows for a slow or unreachable database. */
const STEP_TIMEOUT_MS = MINUTE_MS;
/** How often a paused recovery checks its row, in case the signal is lost. */
const CHECK_EVERY_MS = MINUTE_MS;

const { advanceRecovery } = proxyActivities<Activities>({
  startToCloseTimeout: STEP_TIMEOUT_MS,
  // Without a limit: only a fault can fail a step, and each step continues where the last committed step
  // ended.
  retry: { initialInterval: 1_000, backoffCoefficient: 2, maximumInterval: MINUTE_MS },
});

/**
 * Carries a recovery or replay to its end, step by step and at its rate. Its row contains its progress: each
 * step updates the row in the same transaction in which it creates deliveries.
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
    if (state === "paused") await condition(() => changed, CHECK_EVERY_MS);
    else if (waitMs > 0) await sleep(waitMs);
    if (workflowInfo().continueAsNewSuggested) await continueAsNew<typeof recover>(input);
  }
}
