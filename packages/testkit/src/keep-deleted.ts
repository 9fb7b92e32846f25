import type { Store } from "@posthaste/store";
import { sql } from "kysely";

const PREFIX = "deleted_";

/**
 * Makes the database keep what is deleted from these tables: each row goes into the table `deleted_NAME`, in
 * the same transaction. A test then knows all that ever was, also after retention and erasures.
 */
export async function keepDeleted({ db, seam }: Store, tables: readonly string[]): Promise<void> {
  const known = await db.introspection.getTables();
  for (const name of tables) {
    const columns = known.find((table) => table.name === name)?.columns.map((column) => column.name) ?? [];
    if (columns.length === 0) throw new Error(`there is no table ${name}`);
    const list = sql.join(columns.map((column) => sql.ref(column)));
    const old = sql.join(columns.map((column) => sql.raw(`old.${column}`)));
    const kept = sql.table(`${PREFIX}${name}`);
    const insert = sql`insert into ${kept} (${list}) values (${old})`;
    await sql`create table ${kept} as select * from ${sql.table(name)} where 1 = 0`.execute(db);
    const trigger = sql`create trigger ${sql.ref(`keep_${name}`)} after delete on ${sql.table(name)} for each row`;
    await (seam.name === "mysql" ? sql`${trigger} ${insert}` : sql`${trigger} begin ${insert}; end`).execute(
      db,
    );
  }
}

/**
 * Reads all rows of a table, some at a time. Nothing may be written meanwhile.
 *
 * @param options.key the columns that tell its rows apart
 * @param options.deleted reads those that {@link keepDeleted} kept instead. Default: false
 */
export async function readAll<Row>(
  { db }: Store,
  options: { table: string; columns: readonly string[]; key: readonly string[]; deleted?: boolean },
): Promise<Row[]> {
  const { table, columns, key, deleted = false } = options;
  const rows: Row[] = [];
  const list = sql.join(columns.map((column) => sql.ref(column)));
  const order = sql.join(key.map((column) => sql.ref(column)));
  const from = sql.table(deleted ? `${PREFIX}${table}` : table);
  for (;;) {
    const page = await sql<Row>`
      select ${list} from ${from} order by ${order}
      limit ${sql.lit(ROWS_AT_ONCE)} offset ${sql.lit(rows.length)}
    `.execute(db);
    rows.push(...page.rows);
    if (page.rows.length < ROWS_AT_ONCE) return rows;
  }
}

/** The most that a statement returns under the tests' watch; see `bounded-statements.ts`. */
const ROWS_AT_ONCE = 2_000;
