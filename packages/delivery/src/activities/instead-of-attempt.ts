import { setTimeout as sleep } from "node:timers/promises";
import { ATTEMPT_TIMEOUT_MS, isTerminal } from "@posthaste/domain";
import { type AttemptContext, cancelDelivery, parkDelivery, takeTurn } from "@posthaste/store";
import { type AttemptDeps, paceOf } from "./make-attempt.ts";

/** Why an attempt is not made. */
export type Instead =
  | { readonly kind: "cancelled" }
  | { readonly kind: "parked" }
  /** A first attempt whose turn is not near: it is pending again, and the dispatcher claims it anew. */
  | { readonly kind: "unclaimed" }
  /** A retry's turn, written down as its next attempt. */
  | { readonly kind: "wait"; readonly untilMs: number };

/** Nothing more is to be requested for it, or not now. */
export function needsNoAttempt({ delivery }: AttemptContext): boolean {
  return isTerminal(delivery.state) || delivery.state === "parked";
}

/**
 * Does what is to be done where an attempt that is due must not be made: its subscription has ended, is paused or disabled, or
 * its rate is used up. A turn that is near is waited for.
 *
 * @returns undefined: the attempt is to be made now
 */
export async function insteadOfAttempt(
  deps: AttemptDeps,
  context: AttemptContext,
): Promise<Instead | undefined> {
  const { store } = deps;
  const { delivery, subscription } = context;
  const { id, subscriptionId } = delivery;
  const { state } = subscription;
  if (state === "ended") {
    await cancelDelivery(store, { id, reason: "its subscription has ended", now: await deps.now() });
    return { kind: "cancelled" };
  }
  const isPaused = state === "paused" || state === "disabled";
  // Tests are sent also while the subscription is paused.
  if (isPaused && !delivery.isTest) {
    if (await parkDelivery(store, { id, subscriptionId, now: await deps.now() })) return { kind: "parked" };
  }
  return await untilItsTurn(deps, context);
}

async function untilItsTurn(deps: AttemptDeps, context: AttemptContext): Promise<Instead | undefined> {
  const { delivery, subscription, isClaimed } = context;
  // Let in when it was claimed, and nothing says when it is to be sent.
  if (isClaimed && subscription.rate === null) return undefined;
  const turn = await takeTurn(deps.store, {
    deliveryId: delivery.id,
    subscriptionId: subscription.id,
    pace: paceOf(deps, context),
    timeoutMs: subscription.timeoutMs ?? ATTEMPT_TIMEOUT_MS,
    now: deps.now,
  });
  if (turn.kind !== "go") return turn;
  await sleep(Math.max(0, turn.atMs - (await deps.now())));
  return undefined;
}
