import { CompiledQuery, type Insertable } from "kysely";
import { fixedStatement } from "./dialect/fixed-statement.ts";
import type { Tables } from "./tables.ts";
import type { Tx } from "./transact.ts";

/**
 * Maximum rows per statement: with a dozen columns far below SQLite's 32,766 variables and MySQL's packet
 * size.
 */
const ROWS_AT_ONCE = 256;
/**
 * Maximum bytes of large values per statement. As text they are sent in hex, which doubles them; MariaDB
 * takes packets of 16 MiB.
 */
const BYTES_AT_ONCE = 2 * 1024 * 1024;

/**
 * Inserts rows that have the same columns, without building a query: on the hot path, building it would cost
 * more than the insert.
 *
 * The number of rows in a statement is a power of two. A few texts then serve any number of rows, and a
 * database that keeps them prepared finds each again.
 *
 * @param sizeOf the bytes of a row's large values; default: none
 */
export async function insertRows<T extends keyof Tables & string>(
  tx: Tx,
  table: T,
  rows: readonly Insertable<Tables[T]>[],
  sizeOf: (row: Insertable<Tables[T]>) => number = () => 0,
): Promise<void> {
  const [first] = rows;
  if (first === undefined) return;
  const columns = Object.keys(first) as (keyof Insertable<Tables[T]>)[];
  for (let from = 0; from < rows.length; ) {
    const count = countFrom(rows, from, sizeOf);
    const values: unknown[] = [];
    for (let i = from; i < from + count; i++) {
      const row = rows[i];
      for (const column of columns) values.push(row?.[column]);
    }
    await tx.executeQuery(CompiledQuery.raw(statement(table, columns, count), values));
    from += count;
  }
}

function countFrom<Row>(rows: readonly Row[], from: number, sizeOf: (row: Row) => number): number {
  let fits = 0;
  let bytes = 0;
  while (fits < ROWS_AT_ONCE && from + fits < rows.length) {
    bytes += sizeOf(rows[from + fits] as Row);
    if (fits > 0 && bytes > BYTES_AT_ONCE) break;
    fits += 1;
  }
  return 2 ** Math.floor(Math.log2(fits));
}

/** By table, number of rows and columns: a few dozen, since all of them are written in the code. */
const statements = new Map<string, string>();

function statement(table: string, columns: readonly PropertyKey[], count: number): string {
  const key = `${table} ${count} ${columns.join()}`;
  const known = statements.get(key);
  if (known !== undefined) return known;
  const row = `(${columns.map(() => "?").join(", ")})`;
  const text = fixedStatement(
    `insert into ${table} (${columns.join(", ")}) values ${new Array(count).fill(row).join(", ")}`,
  );
  statements.set(key, text);
  return text;
}
