import type { AccountId, DeliveryId } from "@posthaste/domain";
import { idsIn } from "@posthaste/runtime";
import { UnknownKey } from "@posthaste/store";
import { noteUnknownKey } from "./attempt-delivery.ts";
import { giveUpOrphan } from "./give-up.ts";
import { insteadOfAttempt, needsNoAttempt } from "./instead-of-attempt.ts";
import { type AttemptDeps, ClaimNotHeld, makeAttempt } from "./make-attempt.ts";

/** The result of a first attempt without a workflow. */
export type Direct =
  /** The claimant has nothing more to do. */
  | { readonly kind: "over" }
  /** A workflow must continue the delivery. It replays the log and waits until `nextAttemptAt`. */
  | { readonly kind: "hand_over"; readonly nextAttemptAt: number }
  /** The claim may be another worker's by now. Nothing was sent. */
  | { readonly kind: "not_held" }
  /** This process lacks the key that sealed a secret. Nothing was written. */
  | { readonly kind: "lacks_key" }
  /** A fault: it is unknown whether the attempt was written. */
  | { readonly kind: "faulted" };

/**
 * Runs the first attempt of a claimed delivery without a workflow: the direct lane.
 *
 * It shares its code with the first attempt of a workflow; the claim's lease takes the workflow's place until
 * the attempt is written. After a crash before the write, the row is still pending, and another worker
 * repeats the attempt when the lease has expired. A failed attempt moves the row to `started` and sets an
 * early time at which the reconciler starts the workflow, so a crash between the write and the start delays
 * the workflow by only a few seconds.
 *
 * The claim is asked for twice: before the attempt takes its turn, which would be that of whoever has the
 * claim now, and when the request is ready to be sent. If the lease expires during the request, because this
 * process hangs or cannot renew it, the attempt may run twice. The first run to write wins.
 */
export async function attemptDirectly(
  deps: AttemptDeps,
  {
    deliveryId,
    accountId,
    traceparent,
    holdsClaim = async () => true,
  }: {
    readonly deliveryId: DeliveryId;
    readonly accountId?: AccountId;
    readonly traceparent?: string | null;
    /** Returns whether this process safely holds the claim. Default: it does. */
    readonly holdsClaim?: () => Promise<boolean>;
  },
): Promise<Direct> {
  const log = deps.log.with({ deliveryId, attempt: 1 });
  const notHeld = (): Direct => {
    log.warn("delivery.not_held", idsIn(traceparent));
    return { kind: "not_held" };
  };
  try {
    const context = await deps.ledger.load(deliveryId, await deps.now(), accountId);
    if (context === undefined) {
      await giveUpOrphan(deps, deliveryId, log);
      return { kind: "over" };
    }
    if (needsNoAttempt(context)) return { kind: "over" };
    const { attempts, nextAttemptAt } = context.delivery;
    // Another worker has already run the first attempt.
    if (attempts > 0) return nextAttemptAt === null ? { kind: "over" } : { kind: "hand_over", nextAttemptAt };
    if (!(await holdsClaim())) return notHeld();
    if ((await insteadOfAttempt(deps, context)) !== undefined) return { kind: "over" };
    const attempted = await makeAttempt(deps, context, { number: 1, log, awaitsWorkflow: true, holdsClaim });
    return attempted.kind === "failed"
      ? { kind: "hand_over", nextAttemptAt: attempted.nextAttemptAt }
      : { kind: "over" };
  } catch (error) {
    if (error instanceof ClaimNotHeld) return notHeld();
    if (error instanceof UnknownKey) {
      noteUnknownKey(deps, log.with(idsIn(traceparent)), error);
      return { kind: "lacks_key" };
    }
    log.error("delivery.faulted", error, idsIn(traceparent));
    deps.observer?.faulted();
    return { kind: "faulted" };
  }
}
