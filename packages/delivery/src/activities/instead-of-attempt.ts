import { setTimeout as sleep } from "node:timers/promises";
import { ATTEMPT_TIMEOUT_MS, isTerminal } from "@posthaste/domain";
import { type AttemptContext, cancelDelivery, parkDelivery, takeTurn } from "@posthaste/store";
import { type AttemptDeps, paceOf } from "./make-attempt.ts";

/** Why an attempt does not run now. */
export type Instead =
  | { readonly kind: "cancelled" }
  | { readonly kind: "parked" }
  /** A first attempt whose turn is not near. The delivery is pending again, and will be claimed later. */
  | { readonly kind: "unclaimed" }
  /** A retry must wait for its turn. `untilMs` is also written to the row as the time of the next attempt. */
  | { readonly kind: "wait"; readonly untilMs: number }
  /** Another run of the attempt was recorded meanwhile, or the delivery was parked or has ended. */
  | { readonly kind: "moved" };

/** Returns whether the delivery has ended or is parked. */
export function needsNoAttempt({ delivery }: AttemptContext): boolean {
  return isTerminal(delivery.state) || delivery.state === "parked";
}

/**
 * Cancels, parks or defers a due attempt if its subscription has ended, is paused or disabled, or has reached
 * its rate or concurrency limit. If the attempt's turn is near, waits for it.
 *
 * @returns undefined if the attempt must run now
 * @throws SealError if it must run, but the subscription's secrets cannot be opened. Nothing was written
 */
export async function insteadOfAttempt(
  deps: AttemptDeps,
  context: AttemptContext,
): Promise<Instead | undefined> {
  const { store } = deps;
  const { delivery, subscription } = context;
  const { id, subscriptionId } = delivery;
  const number = delivery.attempts + 1;
  let { state } = subscription;
  // Test events are sent even if the subscription is paused.
  if ((state === "paused" || state === "disabled") && !delivery.isTest) {
    const parking = await parkDelivery(store, { id, subscriptionId, number, now: await deps.now() });
    if (parking === "parked" || parking === "moved") return { kind: parking };
    state = parking;
  }
  if (state === "ended") {
    await cancelDelivery(store, { id, reason: "its subscription has ended", now: await deps.now() });
    return { kind: "cancelled" };
  }
  if (context.sealError !== undefined) throw context.sealError;
  return await untilItsTurn(deps, context, number);
}

async function untilItsTurn(
  deps: AttemptDeps,
  context: AttemptContext,
  number: number,
): Promise<Instead | undefined> {
  const { delivery, subscription, isClaimed } = context;
  // The attempt already holds one of the concurrency's places, and there is no rate to wait for.
  if (isClaimed && subscription.rate === null) return undefined;
  const turn = await takeTurn(deps.store, {
    deliveryId: delivery.id,
    subscriptionId: subscription.id,
    number,
    dueMs: delivery.nextAttemptAt,
    pace: paceOf(deps, context),
    timeoutMs: subscription.timeoutMs ?? ATTEMPT_TIMEOUT_MS,
    now: deps.now,
  });
  if (turn.kind !== "go") return turn;
  await sleep(Math.max(0, turn.atMs - (await deps.now())));
  return undefined;
}
