import type { DeliveryId } from "@posthaste/domain";
import { insteadOfAttempt, needsNoAttempt } from "./instead-of-attempt.ts";
import { type AttemptDeps, makeAttempt } from "./make-attempt.ts";

/** What came of a first attempt without a workflow. */
export type Direct =
  /** Nothing more is to be done by whoever claimed the delivery. */
  | { readonly kind: "over" }
  /** The delivery goes on as a workflow, which replays the log and waits until then. */
  | { readonly kind: "hand_over"; readonly nextAttemptAt: number }
  /** A fault of ours: nothing is known to have been written. */
  | { readonly kind: "faulted" };

/**
 * Makes a claimed delivery's first attempt without a workflow: the direct lane.
 *
 * What it does is what the workflow's first attempt does, by the same code: the claim's lease stands for the workflow until
 * the attempt is written. A crash before that leaves the row pending, and after its lease another worker makes the attempt
 * again. A failure is written as `started`, with a time soon at which the reconciler starts its workflow, so that a crash
 * between the write and the start costs some seconds and nothing else.
 *
 * Not guaranteed: that an attempt whose lease ran out while this process hung is not made twice. The first to write wins.
 */
export async function attemptDirectly(deps: AttemptDeps, deliveryId: DeliveryId): Promise<Direct> {
  const log = deps.log.with({ deliveryId, attempt: 1 });
  try {
    const context = await deps.ledger.load(deliveryId, await deps.now());
    if (context === undefined || needsNoAttempt(context)) return { kind: "over" };
    const { attempts, nextAttemptAt } = context.delivery;
    // Somebody else made it, and sees to the rest.
    if (attempts > 0) return nextAttemptAt === null ? { kind: "over" } : { kind: "hand_over", nextAttemptAt };
    if ((await insteadOfAttempt(deps, context)) !== undefined) return { kind: "over" };
    const attempted = await makeAttempt(deps, context, { number: 1, log, awaitsWorkflow: true });
    return attempted.kind === "failed"
      ? { kind: "hand_over", nextAttemptAt: attempted.nextAttemptAt }
      : { kind: "over" };
  } catch (error) {
    log.error("delivery.faulted", error);
    deps.observer?.faulted();
    return { kind: "faulted" };
  }
}
