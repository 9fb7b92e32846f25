import type { Kysely } from "kysely";
import type { Seam } from "../dialect/seam.ts";
import { ensure } from "./ensure.ts";

/**
 * Marks the deliveries of replays, which are sent one after another. The column is added without touching a
 * row. Earlier deliveries keep 0: those of a replay that are pending by then are sent in any order.
 */
export async function up(db: Kysely<unknown>, { columns: { int } }: Pick<Seam, "columns">): Promise<void> {
  await ensure(db, `ALTER TABLE deliveries ADD COLUMN in_order ${int} NOT NULL DEFAULT 0`);
}
