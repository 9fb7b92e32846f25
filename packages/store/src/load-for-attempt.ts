import type {
  Acceptance,
  DeliveryId,
  EventId,
  Outcome,
  Rate,
  SubscriptionId,
  SubscriptionState,
} from "@posthaste/domain";
import { type Delivery, deliveryOf } from "./deliveries.ts";
import { contextOf, signingKeysFor } from "./signing-keys.ts";
import type { Store } from "./store.ts";
import { rateOf } from "./turns.ts";

/** All that an attempt needs to know. */
export type AttemptContext = {
  readonly delivery: Delivery;
  readonly subscription: {
    readonly id: SubscriptionId;
    readonly state: SubscriptionState;
    readonly targetUrl: string;
    /** The receiver's own credential. */
    readonly credential: string | null;
    /** Its owner's own, by lower-case name. */
    readonly headers: Readonly<Record<string, string>>;
    /** `whsec_…` and `whsk_…` of every live signing key. */
    readonly signingKeys: readonly string[];
    readonly acceptance: Acceptance;
    /** Null: the default. */
    readonly timeoutMs: number | null;
    /** What its owner chose; null: no rate, the default concurrency. */
    readonly rate: Rate | null;
    readonly concurrency: number | null;
    /** No attempt failed since the last success. */
    readonly isHealthy: boolean;
  };
  /** It was claimed for its first attempt, and so has its place among those under way. */
  readonly isClaimed: boolean;
  /** Its next attempt's time was reserved for it. */
  readonly isReserved: boolean;
  readonly event: { readonly id: EventId; readonly type: string; readonly data: Uint8Array };
  readonly lastAttempt:
    | { readonly number: number; readonly outcome: Outcome; readonly status: number | null }
    | undefined;
};

/**
 * Undefined: there is no such delivery.
 *
 * @throws Error for a live subscription without a signing key: nothing is sent that is not signed
 */
export async function loadForAttempt(
  store: Store,
  deliveryId: DeliveryId,
  now: number,
): Promise<AttemptContext | undefined> {
  const context = await load(store, deliveryId, now);
  if (context === undefined || isSignable(context)) return context;
  // The keys go with the end of their subscription, which may have come between the two look-ups.
  const again = await load(store, deliveryId, now);
  if (again === undefined || isSignable(again)) return again;
  throw new Error(`subscription ${again.subscription.id} has no signing key; have it rotated`);
}

function isSignable({ subscription }: AttemptContext): boolean {
  return subscription.state === "ended" || subscription.signingKeys.length > 0;
}

async function load(store: Store, deliveryId: DeliveryId, now: number): Promise<AttemptContext | undefined> {
  const row = await store.db
    .selectFrom("deliveries as d")
    .innerJoin("subscriptions as s", "s.id", "d.subscription_id")
    .innerJoin("events as e", "e.id", "d.event_id")
    .selectAll("d")
    .select([
      "s.state as subscription_state",
      "s.target_url",
      "s.credential",
      "s.headers",
      "s.acceptance",
      "s.timeout_ms",
      "s.rate_per_1000s",
      "s.rate_burst",
      "s.concurrency",
      "s.failing_since",
      "e.data",
    ])
    .where("d.id", "=", deliveryId)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const delivery = deliveryOf(row);
  return {
    delivery,
    subscription: {
      id: delivery.subscriptionId,
      state: row.subscription_state,
      targetUrl: row.target_url,
      credential:
        row.credential === null
          ? null
          : store.sealer.open(row.credential, contextOf(delivery.subscriptionId, "credential")),
      headers:
        row.headers === null
          ? {}
          : JSON.parse(store.sealer.open(row.headers, contextOf(delivery.subscriptionId, "headers"))),
      signingKeys: await signingKeysFor(store, delivery.subscriptionId, now),
      acceptance: row.acceptance,
      timeoutMs: row.timeout_ms,
      rate: rateOf(row),
      concurrency: row.concurrency,
      isHealthy: row.failing_since === null,
    },
    isClaimed: row.in_flight_of !== null,
    isReserved: row.turn_at !== null,
    event: { id: delivery.eventId, type: delivery.eventType, data: row.data },
    lastAttempt:
      delivery.lastOutcome === null
        ? undefined
        : { number: delivery.attempts, outcome: delivery.lastOutcome, status: delivery.lastStatus },
  };
}
