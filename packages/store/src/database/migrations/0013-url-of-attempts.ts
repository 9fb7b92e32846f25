import type { Kysely } from "kysely";
import type { Seam } from "../dialect/seam.ts";
import { ensure } from "./ensure.ts";

/**
 * Keeps the hash of the URL that an attempt called, since its query is not kept. The column is added without
 * touching a row. It is empty for earlier attempts.
 */
export async function up(db: Kysely<unknown>, { columns: { hash } }: Pick<Seam, "columns">): Promise<void> {
  await ensure(db, `ALTER TABLE attempts ADD COLUMN target_hash ${hash}`);
}
