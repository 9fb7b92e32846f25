import type { EventType } from "../event-type.ts";
import { id, type Property, snapshotSchema, text, time, url } from "./snapshot-schema.ts";

/*
 * What Posthaste itself has to tell an account. Raised by the platform alone, never part of `*`, and their own
 * deliveries raise none.
 */

/** What is told of a subscription. */
export type SubscriptionSnapshot = {
  readonly SubscriptionID: number;
  /** Without its query. */
  readonly TargetURL: string;
  readonly State: string;
  /** ISO 8601; null where it is not failing. */
  readonly FailingSince: string | null;
  /** Deliveries exhausted since the last success. */
  readonly ExhaustedDeliveries: number;
  readonly Reason: string;
};

/** What is told of a delivery. */
export type DeliverySnapshot = {
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
  SubscriptionID: id("The subscription's number."),
  TargetURL: url("Where it sends to, without the query."),
  State: text("Its state after what happened."),
  FailingSince: time("When it began to fail; null where it does not."),
  ExhaustedDeliveries: {
    description: "Deliveries exhausted since the last success.",
    type: "integer",
    minimum: 0,
  },
  Reason: text("Why, in words."),
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
  DeliveryID: text("The delivery's id."),
  EventID: text("The id of the event it carried."),
  EventType: text("That event's type."),
  SubscriptionID: id("The number of the subscription it was for."),
  TargetURL: url("Where it was sent to, without the query."),
  Attempts: { description: "How many attempts were made.", type: "integer", minimum: 1 },
  LastOutcome: text("What the last attempt came to."),
  LastStatus: {
    description: "The status of the last answer; null where none came.",
    type: ["integer", "null"],
  },
});

export const OPERATIONAL_EVENTS: readonly EventType[] = [
  {
    code: "delivery_exhausted",
    description: "A delivery failed in every attempt and is given up.",
    schema: deliverySchema,
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
    description: "A subscription kept failing and is disabled; its events are parked until it is resumed.",
    schema: subscriptionSchema,
    sample: subscription,
    operational: true,
  },
  {
    code: "subscription_ended",
    description: "A receiver answered 410, which ended its subscription.",
    schema: subscriptionSchema,
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
    description: "A subscription that had been failing delivered again.",
    schema: subscriptionSchema,
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
