import { type AccountId, Refusal } from "@posthaste/domain";
import { lockRows } from "../database/lock-rows.ts";
import type { Store } from "../database/store.ts";
import type { Tx } from "../database/transact.ts";

/**
 * Locks an account's row until the end of the transaction, so that its erasure is not requested before the
 * transaction has stored what it stores.
 *
 * @param refusal what is thrown if its erasure has been requested. Default: {@link isErased}
 */
export async function lockAccount(
  store: Store,
  tx: Tx,
  id: AccountId,
  refusal: (id: AccountId) => Refusal = isErased,
): Promise<void> {
  const query = tx.selectFrom("accounts").select("erased_at").where("id", "=", id);
  const account = await lockRows(store, query).executeTakeFirst();
  if (account !== undefined && account.erased_at !== null) throw refusal(id);
}

/** The refusal of an account's own call that would store something after its erasure has been requested. */
export function isErased(id: AccountId): Refusal {
  return new Refusal("unauthenticated", textOf(id), { reason: "ACCOUNT_ERASED" });
}

/** The same, of a call of the platform, which names the account. */
export function namesErased(id: AccountId): Refusal {
  return new Refusal("wrong_state", textOf(id), { reason: "ACCOUNT_ERASED", field: "account_id" });
}

function textOf(id: AccountId): string {
  return `account ${id} is erased; nothing can be stored for it any more`;
}
