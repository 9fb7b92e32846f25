import type { Kysely } from "kysely";
import type { Seam } from "../dialect/seam.ts";
import { ensure } from "./ensure.ts";

/**
 * Lets one row of `turn_slots` stand for a block of slots that follow each other, so that a retry passes
 * thousands of full slots at once. The columns are added without touching a row. Existing rows are blocks of
 * one slot: 0 lies before any slot. They are joined as retries pass them.
 */
export async function up(db: Kysely<unknown>, { columns: { long } }: Pick<Seam, "columns">): Promise<void> {
  await ensure(db, `ALTER TABLE turn_slots ADD COLUMN last_slot ${long} NOT NULL DEFAULT 0`);
  await ensure(db, `ALTER TABLE turn_slots ADD COLUMN taken_before ${long} NOT NULL DEFAULT 0`);
}
