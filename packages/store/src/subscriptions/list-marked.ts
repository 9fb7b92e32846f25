import type { SubscriptionId } from "@posthaste/domain";
import { sql } from "kysely";
import {
  alongIndex,
  type ListByAccount,
  listByAccount,
  type PageByAccount,
} from "../database/list-by-account.ts";
import type { Store } from "../database/store.ts";

/** Lists the subscriptions that upkeep has something to do for, by account. */
export async function listMarked(
  store: Store,
  mark: "draining" | "ending",
  page: PageByAccount<SubscriptionId>,
): Promise<ListByAccount<SubscriptionId>> {
  const marked = alongIndex(store, {
    table: "subscriptions",
    index: `subscriptions_${mark}_by_account`,
    where: sql`${sql.ref(mark)} = 1`,
    column: "id",
    least: 0 as SubscriptionId,
  });
  return await listByAccount(marked, page);
}
