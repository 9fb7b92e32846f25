import { type Kysely, sql } from "kysely";
import { codeOf } from "../dialect/seam.ts";

/** MySQL's words for "that is there already": for a table, an index and a column. */
const THERE_ALREADY = new Set(["ER_TABLE_EXISTS_ERROR", "ER_DUP_KEYNAME", "ER_DUP_FIELDNAME"]);

/**
 * Runs a statement that adds a table, an index or a column. MySQL commits each of them at once, so a migration that a
 * crash cut off is run again from its beginning and finds what it did before. (SQLite migrates in one transaction.)
 */
export async function ensure(db: Kysely<unknown>, statement: string): Promise<void> {
  try {
    await sql.raw(statement).execute(db);
  } catch (error) {
    if (!THERE_ALREADY.has(codeOf(error))) throw error;
  }
}
