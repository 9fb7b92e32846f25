import { type Kysely, sql } from "kysely";
import { codeOf, type Seam } from "../dialect/seam.ts";

/** MySQL's errors for a table, an index and a column that already exist. */
const ALREADY_EXISTS = new Set(["ER_TABLE_EXISTS_ERROR", "ER_DUP_KEYNAME", "ER_DUP_FIELDNAME"]);
/** MySQL's error for an index or a column that does not exist. */
const ALREADY_DROPPED = new Set(["ER_CANT_DROP_FIELD_OR_KEY"]);

/**
 * Runs a statement that adds a table, an index or a column, unless it already exists. MySQL commits each such
 * statement at once, so a migration that a crash cut off runs again from its beginning and meets its own
 * earlier changes. (SQLite migrates in one transaction.)
 */
export async function ensure(db: Kysely<unknown>, statement: string): Promise<void> {
  await run(db, statement, ALREADY_EXISTS);
}

/** Drops an index, unless that has been done. */
export async function ensureNoIndex(
  db: Kysely<unknown>,
  { name, table, index }: { name: Seam["name"]; table: string; index: string },
): Promise<void> {
  const ofTable = name === "mysql" ? ` ON ${table}` : "";
  await run(db, `DROP INDEX ${index}${ofTable}`, ALREADY_DROPPED);
}

/** Drops a column, unless that has been done. */
export async function ensureNoColumn(
  db: Kysely<unknown>,
  { table, column }: { table: string; column: string },
): Promise<void> {
  await run(db, `ALTER TABLE ${table} DROP COLUMN ${column}`, ALREADY_DROPPED);
}

async function run(db: Kysely<unknown>, statement: string, done: ReadonlySet<string>): Promise<void> {
  try {
    await sql.raw(statement).execute(db);
  } catch (error) {
    if (!done.has(codeOf(error))) throw error;
  }
}
