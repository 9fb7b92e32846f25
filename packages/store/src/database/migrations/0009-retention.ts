import type { Kysely } from "kysely";
import type { MigrationContext } from "./context.ts";
import { ensure } from "./ensure.ts";

/** The way to idempotency keys by their age; ids of all else begin with their time. */
export async function up(db: Kysely<unknown>, _context: MigrationContext): Promise<void> {
  await ensure(db, "CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at)");
}
