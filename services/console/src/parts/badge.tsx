import { type Delivery, Outcome } from "@posthaste/contracts/delivery";
import { type Subscription, SubscriptionState } from "@posthaste/contracts/subscription";
import styles from "./badge.module.css";
import { deliveryStatus } from "./delivery-status.ts";
import type { Tone } from "./tone.ts";

export function Badge({ tone, children }: { tone: Tone; children: React.ReactNode }) {
  return (
    <span className={`${styles.badge} ${styles[tone]}`}>
      <span className={styles.dot} aria-hidden="true" />
      {children}
    </span>
  );
}

export function DeliveryBadge({ delivery }: { delivery: Delivery }) {
  const { name, tone } = deliveryStatus(delivery);
  return <Badge tone={tone}>{name}</Badge>;
}

export const OUTCOMES = {
  [Outcome.UNSPECIFIED]: "No attempt yet",
  [Outcome.ACCEPTED]: "Accepted",
  [Outcome.STATUS]: "Status not accepted",
  [Outcome.REDIRECT]: "Redirect not followed",
  [Outcome.GONE]: "Gone: ends the subscription",
  [Outcome.TIMEOUT]: "Timed out",
  [Outcome.REFUSED]: "Connection refused",
  [Outcome.RESET]: "Connection closed",
  [Outcome.DNS]: "DNS lookup failed",
  [Outcome.TLS]: "TLS error",
  [Outcome.UNREACHABLE]: "Unreachable",
  [Outcome.INVALID_RESPONSE]: "Invalid response",
  [Outcome.BLOCKED]: "Address not allowed",
} as const satisfies Record<Outcome, string>;

/** Returns an attempt's outcome in a few words. `status` is 0 if there was no response or it is unknown. */
export function answerOf(outcome: Outcome, status: number): string {
  const [name] = OUTCOMES[outcome].split(":");
  if (status === 0) return name ?? "";
  return outcome === Outcome.STATUS || outcome === Outcome.REDIRECT
    ? `Status ${status}`
    : `${name} (${status})`;
}

const SUBSCRIPTION_STATES = {
  [SubscriptionState.UNSPECIFIED]: ["Unknown", "grey"],
  [SubscriptionState.ACTIVE]: ["Active", "green"],
  [SubscriptionState.PAUSED]: ["Paused", "amber"],
  [SubscriptionState.DISABLED]: ["Disabled", "red"],
  [SubscriptionState.ENDED]: ["Ended", "grey"],
} as const satisfies Record<SubscriptionState, readonly [string, Tone]>;

export function SubscriptionBadge({ subscription }: { subscription: Subscription }) {
  const { state, draining, retrying, failingSince } = subscription;
  const isActive = state === SubscriptionState.ACTIVE;
  if (isActive && failingSince !== undefined) return <Badge tone="red">Failing</Badge>;
  if (isActive && draining) return <Badge tone="blue">Draining</Badge>;
  // One success does not send what waits.
  if (isActive && retrying) return <Badge tone="amber">Catching up</Badge>;
  const [name, tone] = SUBSCRIPTION_STATES[state];
  return <Badge tone={tone}>{name}</Badge>;
}
