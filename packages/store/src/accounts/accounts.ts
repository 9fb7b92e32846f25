import type { AccountId, Lane } from "@posthaste/domain";
import type { Selectable } from "kysely";
import { enter } from "../audit/audit.ts";
import { BY_PROGRAM, type By } from "../audit/by.ts";
import { contractIdOf } from "../database/ids.ts";
import { lockRows } from "../database/lock-rows.ts";
import type { Store } from "../database/store.ts";
import type { Tables } from "../database/tables.ts";
import { transact } from "../database/transact.ts";

/** A tenant. */
export type Account = {
  readonly id: AccountId;
  readonly name: string;
  /** How first attempts are made; null: the installation's default. */
  readonly lane: Lane | null;
  /** When its erasure was requested; null: never. */
  readonly erasedAt: number | null;
  readonly createdAt: number;
};

export async function createAccount(
  store: Store,
  { name, now, by = BY_PROGRAM }: { name: string; now: number; by?: By },
): Promise<Account> {
  return await transact(store, async (tx) => {
    const { insertId } = await tx
      .insertInto("accounts")
      .values({ name, created_at: now })
      .executeTakeFirstOrThrow();
    const id = contractIdOf<AccountId>(insertId);
    await enter(tx, [{ by, accountId: id, subject: "account", id, after: { name }, now }]);
    return { id, name, lane: null, erasedAt: null, createdAt: now };
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
  { id, lane, now, by = BY_PROGRAM }: { id: AccountId; lane: Lane | null; now: number; by?: By },
): Promise<Account | undefined> {
  return await transact(store, async (tx) => {
    const query = tx.selectFrom("accounts").selectAll().where("id", "=", id);
    const row = await lockRows(store, query).executeTakeFirst();
    if (row === undefined) return undefined;
    await tx.updateTable("accounts").set({ lane }).where("id", "=", id).execute();
    const change = { before: { lane: row.lane }, after: { lane } };
    await enter(tx, [{ by, accountId: id, subject: "account", id, ...change, now }]);
    return accountOf({ ...row, lane });
  });
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
  const { id, name, lane, erased_at: erasedAt, created_at: createdAt } = row;
  return { id, name, lane, erasedAt, createdAt };
}
