import { advanceErasure, type Erasure, UnknownKey } from "@posthaste/store";
import type { EraseInput, EraseStep } from "../names.ts";
import { fault, unknownKey } from "./failures.ts";
import type { AttemptDeps } from "./make-attempt.ts";

/** The number of transactions in one activity. */
const STEPS_AT_ONCE = 20;

/**
 * Runs the next steps of an erasure.
 *
 * @throws ApplicationFailure, which Temporal retries without limit
 */
export async function eraseStep(
  { store, log, now, observer }: Pick<AttemptDeps, "store" | "log" | "now" | "observer">,
  { erasureId }: EraseInput,
): Promise<EraseStep> {
  try {
    let erasure: Erasure | undefined;
    for (let steps = 0; steps < STEPS_AT_ONCE && erasure?.state !== "completed"; steps++) {
      erasure = await advanceErasure(store, { id: erasureId, now: await now() });
      if (erasure === undefined) return { isOver: true, summary: "erasure not found" };
    }
    if (erasure === undefined) throw new Error("the erasure took no step");
    const { state, examined, events, deliveries, attempts } = erasure;
    const summary = `${state}: examined ${examined} events, erased ${events} events, ${deliveries} deliveries and ${attempts} attempts`;
    log.info("erasure.advanced", { erasureId, state, examined, events, deliveries, attempts });
    return { isOver: state === "completed", summary };
  } catch (error) {
    if (error instanceof UnknownKey) {
      log.warn("erasure.waits", { erasureId, for: "key", keyId: error.keyId });
      observer?.lackedKey();
      throw unknownKey(error.keyId, { nonRetryable: false });
    }
    log.error("erasure.faulted", error, { erasureId });
    throw fault("the worker or its database failed");
  }
}
