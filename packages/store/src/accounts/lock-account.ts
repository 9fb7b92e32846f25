import { type AccountId, Refusal } from "@posthaste/domain";
import { lockRows } from "../database/lock-rows.ts";
import type { Store } from "../database/store.ts";
import type { Tx } from "../database/transact.ts";

/**
 * Locks an account's row until the end of the transaction, so that its erasure is not requested before the
 * transaction has stored what it stores.
 *
 * @throws Refusal `unauthenticated` if its erasure has been requested
 */
export async function lockAccount(store: Store, tx: Tx, id: AccountId): Promise<void> {
  const query = tx.selectFrom("accounts").select("erased_at").where("id", "=", id);
  const account = await lockRows(store, query).executeTakeFirst();
  if (account !== undefined && account.erased_at !== null) throw isErased(id);
}

/** The refusal of a call that would store something for an account whose erasure has been requested. */
export function isErased(id: AccountId): Refusal {
  return new Refusal("unauthenticated", `account ${id} is erased; nothing can be stored for it any more`);
}
