import type { AccountId, SchemaCheck } from "@posthaste/domain";
import { lockAccount } from "../accounts/lock-account.ts";
import { enter } from "../audit/audit.ts";
import { BY_PROGRAM, type By } from "../audit/by.ts";
import type { Store } from "../database/store.ts";
import { type Tx, transact } from "../database/transact.ts";

const DEFAULT: SchemaCheck = "OFF";

/** Returns how an account's events are checked against the schemas of their event types. */
export async function getSchemaCheck(store: Store, accountId: AccountId): Promise<SchemaCheck> {
  return await readSchemaCheck(store.db, accountId);
}

async function readSchemaCheck(db: Pick<Tx, "selectFrom">, accountId: AccountId): Promise<SchemaCheck> {
  const row = await db
    .selectFrom("accounts")
    .select("schema_check")
    .where("id", "=", accountId)
    .executeTakeFirst();
  return row?.schema_check ?? DEFAULT;
}

/**
 * Only reads if the account has chosen the same before: SQLite lets one write at a time.
 *
 * @throws Refusal `unauthenticated` if the account's erasure has been requested
 */
export async function setSchemaCheck(
  store: Store,
  {
    accountId,
    schemaCheck,
    now,
    by = BY_PROGRAM,
  }: { accountId: AccountId; schemaCheck: SchemaCheck; now: number; by?: By },
): Promise<void> {
  if ((await getSchemaCheck(store, accountId)) === schemaCheck) return;
  await transact(store, async (tx) => {
    await lockAccount(store, tx, accountId);
    const before = { schema_check: await readSchemaCheck(tx, accountId) };
    await tx.updateTable("accounts").set({ schema_check: schemaCheck }).where("id", "=", accountId).execute();
    const change = { before, after: { schema_check: schemaCheck } };
    await enter(tx, [{ by, accountId, subject: "account", id: accountId, ...change, now }]);
  });
}
