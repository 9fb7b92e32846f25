import type { AccountId, Lane } from "@posthaste/domain";
import type { Selectable } from "kysely";
import { contractIdOf } from "../database/ids.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import { transact } from "../database/transact.ts";

/** A tenant. */
export type Account = {
  readonly id: AccountId;
  readonly name: string;
  /** How first attempts are made; null: the installation's default. */
  readonly lane: Lane | null;
  readonly createdAt: number;
};

export async function createAccount(
  store: Store,
  { name, now }: { name: string; now: number },
): Promise<Account> {
  return await transact(store, async (tx) => {
    const { insertId } = await tx
      .insertInto("accounts")
      .values({ name, created_at: now })
      .executeTakeFirstOrThrow();
    return { id: contractIdOf(insertId), name, lane: null, createdAt: now };
  });
}

export async function getAccount(store: Store, id: AccountId): Promise<Account | undefined> {
  const row = await store.db.selectFrom("accounts").selectAll().where("id", "=", id).executeTakeFirst();
  return row && accountOf(row);
}

/**
 * Sets how first attempts of the account's deliveries are made; null: the installation's default.
 *
 * @returns the account; undefined: not found
 */
export async function setLane(
  store: Store,
  { id, lane }: { id: AccountId; lane: Lane | null },
): Promise<Account | undefined> {
  await store.db.updateTable("accounts").set({ lane }).where("id", "=", id).execute();
  return await getAccount(store, id);
}

/** Returns the accounts after `after`, oldest first. */
export async function listAccounts(
  store: Store,
  { after = 0 as AccountId, limit }: { after?: AccountId; limit: number },
): Promise<Account[]> {
  const rows = await store.db
    .selectFrom("accounts")
    .selectAll()
    .where("id", ">", after)
    .orderBy("id")
    .limit(limit)
    .execute();
  return rows.map(accountOf);
}

export function accountOf(row: Selectable<Tables["accounts"]>): Account {
  return { id: row.id, name: row.name, lane: row.lane, createdAt: row.created_at };
}
