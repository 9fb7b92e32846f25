import { setTimeout as sleep } from "node:timers/promises";
import type { Stack } from "../stack/stack.ts";
import type { Character } from "./receivers.ts";

/** The reconciler looks at what is overdue by two minutes; nothing takes longer. */
const SETTLED_WITHIN_MS = 240_000;
const LOOK_EVERY_MS = 500;
/** An attempt that was asked for is given this time before it is asked for again. */
const ASK_EVERY_MS = 20_000;

/**
 * Waits until every delivery has come as far as its receiver lets it, asking for the retries that the published
 * schedule would make ten minutes later. Resolves where that takes too long, too: the verdict says what is missing.
 */
export async function settle(stack: Stack, characters: ReadonlyMap<number, Character>): Promise<void> {
  const asked = new Map<string, number>();
  const endAt = Date.now() + SETTLED_WITHIN_MS;
  while (Date.now() < endAt) {
    const open = await stack.store.db
      .selectFrom("deliveries")
      .select(["id", "subscription_id", "attempts"])
      .where("state", "in", ["pending", "started", "parked"])
      .execute();
    const waited = open.filter(
      (row) => row.attempts === 0 || characters.get(row.subscription_id) !== "failing",
    );
    if (waited.length === 0) return;
    for (const { id, attempts } of waited) {
      if (attempts === 0 || Date.now() - (asked.get(id) ?? 0) < ASK_EVERY_MS) continue;
      asked.set(id, Date.now());
      // One that failed is asked for again; what never comes is in the verdict.
      await stack.client.deliveries.retryDelivery({ id }).catch(() => {});
    }
    await sleep(LOOK_EVERY_MS);
  }
}
