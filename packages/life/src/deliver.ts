import {
  ATTEMPT_TIMEOUT_MS,
  type DeliveryId,
  type DisableRule,
  type Pace,
  SCHEDULE,
  type SubscriptionId,
  scheduledWaitMs,
} from "@posthaste/domain";
import { type ClaimedDelivery, claimDeliveries, takeTurn } from "@posthaste/store";
import { failedAttempt } from "@posthaste/testkit";
import type { Life } from "./life.ts";
import { INCIDENTS } from "./scale.ts";

/** As many as a worker claims at once when it has nothing else to do. */
const CLAIMED_AT_ONCE = 500;
/** More than a claim takes, so that claims wait for no attempt. */
export const IN_FLIGHT_MAX = 1_000;
const LEASE_MS = 30_000;
/** How far apart the attempts of two claims are. */
const BETWEEN_CLAIMS_MS = 1_000;

/** Claims what is pending. */
export async function claim({ store, clock }: Life, limit = CLAIMED_AT_ONCE): Promise<ClaimedDelivery[]> {
  const { now } = clock;
  return await claimDeliveries(store, {
    owner: "life",
    limit,
    inFlightMax: IN_FLIGHT_MAX,
    drainPerSecond: IN_FLIGHT_MAX,
    leaseMs: LEASE_MS,
    now: () => now,
  });
}

/**
 * Delivers everything that is pending, on the first attempt. What a receiver refuses is returned after its
 * first attempt.
 */
export async function deliverAll(life: Life, refusing?: SubscriptionId): Promise<DeliveryId[]> {
  const refused: DeliveryId[] = [];
  for (;;) {
    const claimed = await claim(life);
    if (claimed.length === 0) return refused;
    const isRefused = (one: ClaimedDelivery) => one.subscriptionId === refusing;
    await accept(
      life,
      claimed.filter((one) => !isRefused(one)),
    );
    for (const { deliveryId } of claimed.filter(isRefused)) {
      await refuse(life, deliveryId, 1);
      refused.push(deliveryId);
    }
    life.clock.now += BETWEEN_CLAIMS_MS;
  }
}

/** Records that these deliveries were accepted. */
export async function accept({ ledger, clock }: Life, claimed: readonly ClaimedDelivery[]): Promise<void> {
  const { now } = clock;
  await Promise.all(
    claimed.map(async ({ deliveryId, isFailing }) => {
      // As a worker does, before it sends anything.
      await ledger.load(deliveryId, now);
      await ledger.record({
        deliveryId,
        attempt: failedAttempt({ startedAt: now, outcome: "accepted", status: 200 }),
        state: "succeeded",
        nextAttemptAt: null,
        endedReason: null,
        wasHealthy: !isFailing,
        now,
      });
    }),
  );
}

/** Two at a time: retries then need turns, and turns take slots. */
const PACE: Pace = { rate: null, concurrency: 2 };
/** A subscription is disabled with the last of a few deliveries that its receiver refuses. */
const DISABLE_SOON: DisableRule = { failingForMs: 1, exhausted: INCIDENTS.refused };

/**
 * Records that an attempt was refused.
 *
 * @returns when the next attempt is due; null: it was the last one of the schedule
 */
async function refuse(
  { ledger, clock }: Life,
  deliveryId: DeliveryId,
  number: number,
): Promise<number | null> {
  const { now } = clock;
  const waitMs = scheduledWaitMs(number);
  const { nextAttemptAt } = await ledger.record({
    deliveryId,
    attempt: failedAttempt({ startedAt: now, number }),
    disableRule: DISABLE_SOON,
    now,
    ...(waitMs === undefined
      ? { state: "exhausted", nextAttemptAt: null, endedReason: "the schedule is used up" }
      : { state: "started", nextAttemptAt: now + waitMs, endedReason: null, pace: PACE }),
  });
  return nextAttemptAt;
}

/** Refuses a delivery from its second attempt on until its schedule is used up. */
export async function exhaust(life: Life, deliveries: readonly DeliveryId[]): Promise<void> {
  const { store, clock } = life;
  for (let number = 2; number <= SCHEDULE.maximumAttempts; number++) {
    clock.now += scheduledWaitMs(number - 1) ?? 0;
    for (const deliveryId of deliveries) {
      const { delivery } = (await life.ledger.load(deliveryId, clock.now)) ?? {};
      if (delivery === undefined) throw new Error(`delivery ${deliveryId} is gone`);
      const ask = {
        deliveryId,
        subscriptionId: delivery.subscriptionId,
        number,
        pace: PACE,
        timeoutMs: ATTEMPT_TIMEOUT_MS,
      };
      clock.now = Math.max(clock.now, delivery.nextAttemptAt ?? 0);
      const turn = await takeTurn(store, { ...ask, now: () => clock.now });
      if (turn.kind === "wait") clock.now = Math.max(clock.now, turn.untilMs);
      await refuse(life, deliveryId, number);
    }
  }
}
