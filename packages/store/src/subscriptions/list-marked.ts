import type { AccountId, SubscriptionId } from "@posthaste/domain";
import { byIndex } from "../database/by-index.ts";
import { type ListByAccount, listByAccount, type PageByAccount } from "../database/list-by-account.ts";
import type { Store } from "../database/store.ts";

/** Lists the subscriptions that upkeep has something to do for, by account. */
export async function listMarked(
  store: Store,
  mark: "draining" | "ending",
  page: PageByAccount<SubscriptionId>,
): Promise<ListByAccount<SubscriptionId>> {
  const marked = () =>
    store.db
      .selectFrom(byIndex(store, "subscriptions", `subscriptions_${mark}_by_account`))
      .where(mark, "=", 1);
  return await listByAccount(
    {
      async nextAccount(after) {
        const row = await marked()
          .select("account_id")
          .where("account_id", ">", after as AccountId)
          .orderBy("account_id")
          .limit(1)
          .executeTakeFirst();
        return row?.account_id;
      },
      async piecesOf({ accountId, after, limit }) {
        const rows = await marked()
          .select("id")
          .where("account_id", "=", accountId)
          .where("id", ">", after ?? (0 as SubscriptionId))
          .orderBy("id")
          .limit(limit)
          .execute();
        return rows.map(({ id }) => id);
      },
    },
    page,
  );
}
