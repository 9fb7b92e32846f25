import type { Stack } from "@posthaste/stack";
import { poll } from "@posthaste/testkit";
import { askedKey } from "./findings.ts";
import type { Character } from "./receivers.ts";

/** Twice the two minutes after which the reconciler checks an overdue delivery, the slowest repair. */
const SETTLED_WITHIN_MS = 240_000;
const POLL_EVERY_MS = 500;
/** How long a requested attempt may take before it is requested again. */
const ASK_EVERY_MS = 20_000;

/**
 * Waits until every delivery has got as far as its receiver allows, at most four minutes. Requests the
 * retries that the published schedule would send ten minutes later. Also resolves if the time is up: the
 * findings show what is missing.
 *
 * @returns the attempts that were requested: {@link askedKey} of each
 */
export async function settle(stack: Stack, characters: ReadonlyMap<number, Character>): Promise<Set<string>> {
  const asked = new Set<string>();
  const askedAt = new Map<string, number>();
  const isSettled = async () => {
    const open = await stack.store.db
      .selectFrom("deliveries")
      .select(["id", "subscription_id", "attempts"])
      .where("state", "in", ["pending", "started", "parked"])
      .execute();
    const unsettled = open.filter(
      (row) => row.attempts === 0 || characters.get(row.subscription_id) !== "failing",
    );
    for (const { id, attempts } of unsettled) {
      if (attempts === 0 || Date.now() - (askedAt.get(id) ?? 0) < ASK_EVERY_MS) continue;
      askedAt.set(id, Date.now());
      asked.add(askedKey(id, attempts + 1));
      // A failed call is repeated later. A delivery that never moves is in the findings.
      const answer = await stack.client.deliveries.retryDelivery({ id }).catch(() => undefined);
      // The delivery may have moved on since it was read.
      if (answer?.delivery !== undefined) asked.add(askedKey(id, answer.delivery.attempts + 1));
    }
    return unsettled.length === 0;
  };
  await poll(isSettled, { withinMs: SETTLED_WITHIN_MS, everyMs: POLL_EVERY_MS });
  return asked;
}
