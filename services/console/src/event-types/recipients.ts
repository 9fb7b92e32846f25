import { type Subscription, SubscriptionState } from "@posthaste/contracts/subscription";
import { whole } from "../parts/numbers.ts";

/**
 * Says how many subscriptions get an event.
 *
 * @param hasMore whether there are others than these
 */
export function recipientsInWords(
  subscriptions: readonly Pick<Subscription, "state">[],
  hasMore: boolean,
): string {
  const now = subscriptions.filter(({ state }) => state === SubscriptionState.ACTIVE).length;
  const later = subscriptions.length - now;
  if (hasMore) return `More than ${whole(subscriptions.length)} subscriptions get it.`;
  if (subscriptions.length === 0) return "Nobody gets it: no subscription has this event type.";
  const parts = [
    ...(now > 0 ? [`${counted(now)} it now`] : []),
    ...(later > 0 ? [`${counted(later)} it when resumed`] : []),
  ];
  return `${parts.join(", and ")}.`;
}

function counted(count: number): string {
  return count === 1 ? "1 subscription gets" : `${whole(count)} subscriptions get`;
}

const KEY_BYTES = 16;

/** Makes an idempotency key that no other event has. */
export function newIdempotencyKey(): string {
  // `randomUUID` would be missing on a page that is served without TLS.
  const bytes = crypto.getRandomValues(new Uint8Array(KEY_BYTES));
  return `console-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
