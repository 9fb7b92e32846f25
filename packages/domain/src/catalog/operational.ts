import type { EventType } from "../event-type.ts";
import { id, keys, type Property, snapshotSchema, text, time, url } from "./snapshot-schema.ts";

/*
 * The operational event types: what Posthaste reports to an account. Only Posthaste raises them, `*` does not
 * match them, and their deliveries raise no operational events.
 */

/** The snapshot of a subscription in an operational event. */
type SubscriptionSnapshot = {
  readonly SubscriptionID: number;
  /** Without its query. */
  readonly TargetURL: string;
  readonly State: string;
  /** ISO 8601; null if the subscription is not failing. */
  readonly FailingSince: string | null;
  /** Deliveries exhausted since the last success. */
  readonly ExhaustedDeliveries: number;
  readonly Reason: string;
};

/** The snapshot of a delivery in an operational event. */
type DeliverySnapshot = {
  readonly DeliveryID: string;
  readonly EventID: string;
  readonly EventType: string;
  readonly SubscriptionID: number;
  /** Without its query. */
  readonly TargetURL: string;
  readonly Attempts: number;
  readonly LastOutcome: string;
  readonly LastStatus: number | null;
};

const subscriptionProperties: Readonly<Record<string, Property>> = {
  SubscriptionID: id("The subscription's ID."),
  TargetURL: url("The target URL, without the query."),
  State: text("The subscription's state after the event."),
  FailingSince: time("When the subscription began to fail; null if it is not failing."),
  ExhaustedDeliveries: {
    description: "Deliveries exhausted since the last success.",
    type: "integer",
    minimum: 0,
  },
  Reason: text("The reason, in words."),
};
const subscriptionSchema = snapshotSchema(
  "Subscription",
  Object.keys(subscriptionProperties),
  subscriptionProperties,
);
const subscription: SubscriptionSnapshot = {
  SubscriptionID: 10,
  TargetURL: "https://hooks.foxglove-quill.example/posthaste",
  State: "disabled",
  FailingSince: "2026-11-02T08:30:00.000Z",
  ExhaustedDeliveries: 3,
  Reason: "every delivery failed for 5 days",
};

const deliverySchema = snapshotSchema("Delivery", ["DeliveryID", "EventID", "EventType", "SubscriptionID"], {
  DeliveryID: text("The delivery's ID."),
  EventID: text("The ID of the delivered event."),
  EventType: text("The type of the delivered event."),
  SubscriptionID: id("The ID of the delivery's subscription."),
  TargetURL: url("The target URL, without the query."),
  Attempts: { description: "The number of attempts.", type: "integer", minimum: 1 },
  LastOutcome: text("The outcome of the last attempt."),
  LastStatus: {
    description: "The HTTP status of the last attempt; null if the receiver sent no complete response.",
    type: ["integer", "null"],
  },
});

export const OPERATIONAL_EVENTS: readonly EventType[] = [
  {
    code: "delivery_exhausted",
    description: "A delivery failed on every attempt and will not be retried.",
    schema: deliverySchema,
    keys: keys("DeliveryID", "EventID", "SubscriptionID"),
    sample: {
      DeliveryID: "dlv_01jdh2m7v0q4x8r3n5t6w9y1zb",
      EventID: "evt_01jdh2m7tz8k3v5b7c9d1f3g5h",
      EventType: "invoice_sent",
      SubscriptionID: 10,
      TargetURL: "https://hooks.foxglove-quill.example/posthaste",
      Attempts: 14,
      LastOutcome: "status",
      LastStatus: 503,
    } satisfies DeliverySnapshot,
    operational: true,
  },
  {
    code: "subscription_disabled",
    description:
      "A subscription kept failing and was disabled; its deliveries are parked until it is resumed.",
    schema: subscriptionSchema,
    keys: keys("SubscriptionID"),
    sample: subscription,
    operational: true,
  },
  {
    code: "subscription_ended",
    description: "A receiver answered 410, which ended the subscription.",
    schema: subscriptionSchema,
    keys: keys("SubscriptionID"),
    sample: {
      ...subscription,
      State: "ended",
      FailingSince: null,
      ExhaustedDeliveries: 0,
      Reason: "the receiver answered 410",
    },
    operational: true,
  },
  {
    code: "subscription_recovered",
    description: "A subscription that had been failing delivered successfully again.",
    schema: subscriptionSchema,
    keys: keys("SubscriptionID"),
    sample: { ...subscription, State: "active", Reason: "a delivery succeeded" },
    operational: true,
  },
];

export type OperationalSnapshots = {
  delivery_exhausted: DeliverySnapshot;
  subscription_disabled: SubscriptionSnapshot;
  subscription_ended: SubscriptionSnapshot;
  subscription_recovered: SubscriptionSnapshot;
};
