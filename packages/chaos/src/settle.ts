import type { Stack } from "@posthaste/stack";
import { poll } from "@posthaste/testkit";
import type { Character } from "./receivers.ts";
import { askedKey } from "./verdict.ts";

/** The reconciler looks at what is overdue by two minutes; nothing takes longer. */
const SETTLED_WITHIN_MS = 240_000;
const LOOK_EVERY_MS = 500;
/** An attempt that was asked for is given this time before it is asked for again. */
const ASK_EVERY_MS = 20_000;

/**
 * Waits until every delivery has come as far as its receiver lets it, asking for the retries that the published
 * schedule would make ten minutes later. Resolves where that takes too long, too: the verdict says what is missing.
 *
 * @returns the attempts that were asked for
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
    const waited = open.filter(
      (row) => row.attempts === 0 || characters.get(row.subscription_id) !== "failing",
    );
    for (const { id, attempts } of waited) {
      if (attempts === 0 || Date.now() - (askedAt.get(id) ?? 0) < ASK_EVERY_MS) continue;
      askedAt.set(id, Date.now());
      asked.add(askedKey(id, attempts + 1));
      // A call that failed is made again; what never comes is in the verdict.
      const answer = await stack.client.deliveries.retryDelivery({ id }).catch(() => undefined);
      // The delivery may have moved on since it was read.
      if (answer?.delivery !== undefined) asked.add(askedKey(id, answer.delivery.attempts + 1));
    }
    return waited.length === 0;
  };
  await poll(isSettled, { withinMs: SETTLED_WITHIN_MS, everyMs: LOOK_EVERY_MS });
  return asked;
}
