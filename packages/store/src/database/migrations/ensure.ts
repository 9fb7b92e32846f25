import { type Kysely, sql } from "kysely";
import { codeOf } from "../dialect/seam.ts";

/** MySQL's errors for a table, an index and a column that already exist. */
const ALREADY_EXISTS = new Set(["ER_TABLE_EXISTS_ERROR", "ER_DUP_KEYNAME", "ER_DUP_FIELDNAME"]);

/**
 * Runs a statement that adds a table, an index or a column, unless it already exists. MySQL commits each such
 * statement at once, so a migration that a crash cut off runs again from its beginning and meets its own
 * earlier changes. (SQLite migrates in one transaction.)
 */
export async function ensure(db: Kysely<unknown>, statement: string): Promise<void> {
  try {
    await sql.raw(statement).execute(db);
  } catch (error) {
    if (!ALREADY_EXISTS.has(codeOf(error))) throw error;
  }
}
