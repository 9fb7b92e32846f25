import { advanceErasure, type Erasure } from "@posthaste/store";
import type { EraseInput, EraseStep } from "../names.ts";
import { fault } from "./failures.ts";
import type { AttemptDeps } from "./make-attempt.ts";

/** Transactions that one activity makes. */
const STEPS_AT_ONCE = 20;

/**
 * Makes an erasure's next steps.
 *
 * @throws ApplicationFailure, retried for ever
 */
export async function eraseStep(
  { store, log, now }: Pick<AttemptDeps, "store" | "log" | "now">,
  { erasureId }: EraseInput,
): Promise<EraseStep> {
  try {
    let erasure: Erasure | undefined;
    for (let made = 0; made < STEPS_AT_ONCE && erasure?.state !== "completed"; made++) {
      erasure = await advanceErasure(store, { id: erasureId, now: await now() });
      if (erasure === undefined) return { isOver: true, summary: "there is no such erasure" };
    }
    if (erasure === undefined) throw new Error("an erasure without a step");
    const { state, examined, events, deliveries, attempts } = erasure;
    const summary = `${state}: of ${examined} events, ${events} erased with ${deliveries} deliveries and ${attempts} attempts`;
    log.info("erasure.advanced", { erasureId, state, examined, events, deliveries, attempts });
    return { isOver: state === "completed", summary };
  } catch (error) {
    log.error("erasure.faulted", error, { erasureId });
    throw fault("the worker or its database failed");
  }
}
