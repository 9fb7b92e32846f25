import type { AccountId, SchemaCheck } from "@posthaste/domain";
import type { Store } from "../database/store.ts";

const DEFAULT: SchemaCheck = "OFF";

/** Returns how an account's events are checked against the schemas of their event types. */
export async function getSchemaCheck(store: Store, accountId: AccountId): Promise<SchemaCheck> {
  const row = await store.db
    .selectFrom("accounts")
    .select("schema_check")
    .where("id", "=", accountId)
    .executeTakeFirst();
  return row?.schema_check ?? DEFAULT;
}

/** Only reads if the account has chosen the same before: SQLite lets one write at a time. */
export async function setSchemaCheck(
  store: Store,
  { accountId, schemaCheck }: { accountId: AccountId; schemaCheck: SchemaCheck },
): Promise<void> {
  if ((await getSchemaCheck(store, accountId)) === schemaCheck) return;
  await store.db
    .updateTable("accounts")
    .set({ schema_check: schemaCheck })
    .where("id", "=", accountId)
    .execute();
}
