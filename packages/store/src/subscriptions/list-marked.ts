import type { SubscriptionId } from "@posthaste/domain";
import type { Store } from "../database/store.ts";

/** Returns the subscriptions after `after` that upkeep has something to do for, in the order of their ids. */
export async function listMarked(
  { db }: Store,
  mark: "draining" | "ending",
  { after, limit }: { after: SubscriptionId | undefined; limit: number },
): Promise<SubscriptionId[]> {
  const rows = await db
    .selectFrom("subscriptions")
    .select("id")
    .where(mark, "=", 1)
    .where("id", ">", after ?? (0 as SubscriptionId))
    .orderBy("id")
    .limit(limit)
    .execute();
  return rows.map((row) => row.id);
}
