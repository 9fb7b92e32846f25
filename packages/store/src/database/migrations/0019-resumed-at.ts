import type { Kysely } from "kysely";
import type { Seam } from "../dialect/seam.ts";
import { ensure } from "./ensure.ts";

/**
 * Keeps when a subscription was last resumed, so that it may fail on without being disabled at once. The
 * column is added without touching a row. It is empty for earlier resumptions.
 */
export async function up(db: Kysely<unknown>, { columns: { time } }: Pick<Seam, "columns">): Promise<void> {
  await ensure(db, `ALTER TABLE subscriptions ADD COLUMN resumed_at ${time}`);
}
