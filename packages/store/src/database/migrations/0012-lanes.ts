import type { Kysely } from "kysely";
import type { MigrationContext } from "./context.ts";
import { ensure } from "./ensure.ts";

/** How the first attempts of an account's deliveries are made; null: as the installation says. */
export async function up(db: Kysely<unknown>, { columns }: MigrationContext): Promise<void> {
  await ensure(db, `ALTER TABLE accounts ADD COLUMN lane ${columns.text(32)}`);
}
