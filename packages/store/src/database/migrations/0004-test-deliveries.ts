import type { Kysely } from "kysely";
import type { MigrationContext } from "./context.ts";
import { ensure } from "./ensure.ts";

/** Deliveries of test events: 1; null or 0 for all others. */
export async function up(db: Kysely<unknown>, { columns }: MigrationContext): Promise<void> {
  await ensure(db, `ALTER TABLE deliveries ADD COLUMN test ${columns.int}`);
}
