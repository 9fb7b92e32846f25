import type { Kysely } from "kysely";
import type { MigrationContext } from "./context.ts";
import { ensure } from "./ensure.ts";

/** What owners say of their subscriptions, and the headers that their receivers want. */
export async function up(db: Kysely<unknown>, { columns }: MigrationContext): Promise<void> {
  const { text, longText, bytes } = columns;
  await ensure(db, `ALTER TABLE subscriptions ADD COLUMN description ${text(255)}`);
  await ensure(db, `ALTER TABLE subscriptions ADD COLUMN metadata ${longText}`);
  await ensure(db, `ALTER TABLE subscriptions ADD COLUMN header_names ${longText}`);
  await ensure(db, `ALTER TABLE subscriptions ADD COLUMN headers ${bytes}`);
}
