import { DeliveryState, Outcome } from "@posthaste/contracts/delivery";
import { type Subscription, SubscriptionState } from "@posthaste/contracts/subscription";
import styles from "./badge.module.css";

export type Tone = "green" | "red" | "amber" | "blue" | "grey";

export function Badge({ tone, children }: { tone: Tone; children: React.ReactNode }) {
  return (
    <span className={`${styles.badge} ${styles[tone]}`}>
      <span className={styles.dot} aria-hidden="true" />
      {children}
    </span>
  );
}

export const DELIVERY_STATES = {
  [DeliveryState.UNSPECIFIED]: ["Any state", "grey"],
  [DeliveryState.PENDING]: ["Pending", "blue"],
  [DeliveryState.STARTED]: ["Under way", "blue"],
  [DeliveryState.SUCCEEDED]: ["Succeeded", "green"],
  [DeliveryState.EXHAUSTED]: ["Exhausted", "red"],
  [DeliveryState.CANCELLED]: ["Cancelled", "grey"],
  [DeliveryState.BLOCKED]: ["Blocked", "red"],
  [DeliveryState.PARKED]: ["Parked", "amber"],
} as const satisfies Record<DeliveryState, readonly [string, Tone]>;

/** One that is under way after a failure waits to be tried again. */
export function DeliveryBadge({ state, attempts }: { state: DeliveryState; attempts: number }) {
  if (state === DeliveryState.STARTED && attempts > 0) return <Badge tone="amber">Retrying</Badge>;
  const [name, tone] = DELIVERY_STATES[state];
  return <Badge tone={tone}>{name}</Badge>;
}

export const OUTCOMES = {
  [Outcome.UNSPECIFIED]: "No attempt yet",
  [Outcome.ACCEPTED]: "Accepted",
  [Outcome.STATUS]: "Refused by its status",
  [Outcome.REDIRECT]: "Redirected, not followed",
  [Outcome.GONE]: "Gone: ends the subscription",
  [Outcome.TIMEOUT]: "Timed out",
  [Outcome.REFUSED]: "Connection refused",
  [Outcome.RESET]: "Connection closed early",
  [Outcome.DNS]: "Name not found",
  [Outcome.TLS]: "TLS failed",
  [Outcome.UNREACHABLE]: "Not reachable",
  [Outcome.INVALID_RESPONSE]: "Not valid HTTP",
  [Outcome.BLOCKED]: "Address not allowed",
} as const satisfies Record<Outcome, string>;

/** What an attempt came to, in a few words. */
export function answerOf(outcome: Outcome, status: number): string {
  const [name] = OUTCOMES[outcome].split(":");
  if (status === 0) return name ?? "";
  return outcome === Outcome.STATUS || outcome === Outcome.REDIRECT
    ? `Answered ${status}`
    : `${name}, ${status}`;
}

const SUBSCRIPTION_STATES = {
  [SubscriptionState.UNSPECIFIED]: ["Unknown", "grey"],
  [SubscriptionState.ACTIVE]: ["Active", "green"],
  [SubscriptionState.PAUSED]: ["Paused", "amber"],
  [SubscriptionState.DISABLED]: ["Disabled", "red"],
  [SubscriptionState.ENDED]: ["Ended", "grey"],
} as const satisfies Record<SubscriptionState, readonly [string, Tone]>;

export function SubscriptionBadge({ subscription }: { subscription: Subscription }) {
  const { state, draining, failingSince } = subscription;
  const isActive = state === SubscriptionState.ACTIVE;
  if (isActive && failingSince !== undefined) return <Badge tone="red">Failing</Badge>;
  if (isActive && draining) return <Badge tone="blue">Draining</Badge>;
  const [name, tone] = SUBSCRIPTION_STATES[state];
  return <Badge tone={tone}>{name}</Badge>;
}
