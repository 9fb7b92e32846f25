import type { Kysely } from "kysely";
import type { MigrationContext } from "./context.ts";
import { ensure } from "./ensure.ts";

/** The trace that a delivery belongs to, from its ingest on. */
export async function up(db: Kysely<unknown>, { columns }: MigrationContext): Promise<void> {
  await ensure(db, `ALTER TABLE deliveries ADD COLUMN traceparent ${columns.text(55)}`);
}
