import type { Kysely } from "kysely";
import type { Seam } from "../dialect/seam.ts";
import { ensure } from "./ensure.ts";

const KEY_CHARS = 255;

/**
 * Keeps an event's idempotency key with it, to be shown and deleted together. The column is added without
 * touching a row. It is empty for earlier events.
 */
export async function up(db: Kysely<unknown>, { columns: { text } }: Pick<Seam, "columns">): Promise<void> {
  await ensure(db, `ALTER TABLE events ADD COLUMN idempotency_key ${text(KEY_CHARS)}`);
}
