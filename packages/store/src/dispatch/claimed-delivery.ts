import type { AccountId, DeliveryId, EventId, Lane, SubscriptionId } from "@posthaste/domain";

export type ClaimedDelivery = {
  readonly deliveryId: DeliveryId;
  readonly accountId: AccountId;
  readonly subscriptionId: SubscriptionId;
  readonly eventId: EventId;
  readonly eventType: string;
  readonly targetUrl: string;
  /** When another worker may claim it, in epoch milliseconds, unless its lease is renewed. */
  readonly leaseUntil: number;
  /** How its attempt is made. */
  readonly lane: Lane;
  /** Later ones of its subscription wait for its first attempt: it is of a replay or a drain. */
  readonly isInOrder: boolean;
  /** Its subscription is failing. */
  readonly isFailing: boolean;
  /** The trace context of its ingest; null: it was not traced. */
  readonly traceparent: string | null;
};
