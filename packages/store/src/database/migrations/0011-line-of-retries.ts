import type { Kysely } from "kysely";
import type { Seam } from "../dialect/seam.ts";
import { ensure } from "./ensure.ts";

/**
 * Gives the retries of a subscription a line of their own, beside the line of its first attempts. The column
 * is added without touching a row. It begins empty: retries that wait have their times in their own rows.
 */
export async function up(db: Kysely<unknown>, { columns: { time } }: Pick<Seam, "columns">): Promise<void> {
  await ensure(db, `ALTER TABLE turns ADD COLUMN retry_line_us ${time} NOT NULL DEFAULT 0`);
}
