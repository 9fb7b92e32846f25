import { type Expression, sql, type Updateable } from "kysely";
import { padded } from "./dialect/few-texts.ts";
import type { Tables } from "./tables.ts";
import type { Tx } from "./transact.ts";

/**
 * Maximum rows in a statement that gives each row values of its own: the database compares each row with each
 * value. A group of attempts has at most 100.
 */
const DIFFERENT_AT_ONCE = 128;

/** The values of some columns. An expression is the same as another only if it is the same object. */
export type NewValues<T extends keyof Tables> = {
  readonly [C in keyof Updateable<Tables[T]>]: Updateable<Tables[T]>[C] | Expression<unknown>;
};

/** A row's key, and the values that it gets. */
export type RowUpdate<T extends keyof Tables, Key> = {
  readonly key: Key;
  readonly values: NewValues<T>;
};

/**
 * Updates rows, each with values of its own. One statement serves all rows that change the same columns: a
 * column in which they get the same value is set to it, any other by a CASE over the keys.
 *
 * @param column the column of the keys; each key occurs once
 */
export async function updateRows<T extends keyof Tables & string, Key extends string | number>(
  tx: Tx,
  table: T,
  column: keyof Tables[T] & string,
  rows: readonly RowUpdate<T, Key>[],
): Promise<void> {
  for (const alike of byColumns(rows)) {
    const columns = Object.keys(alike[0]?.values ?? {}) as (keyof Updateable<Tables[T]> & string)[];
    const differing = columns.filter((name) =>
      alike.some(({ values }) => values[name] !== alike[0]?.values[name]),
    );
    const atOnce = differing.length === 0 ? alike.length : DIFFERENT_AT_ONCE;
    for (let from = 0; from < alike.length; from += atOnce) {
      const some = alike.slice(from, from + atOnce);
      const assignments = columns.map(
        (name) =>
          sql`${sql.ref(name)} = ${
            differing.includes(name) ? caseOf(column, name, some) : some[0]?.values[name]
          }`,
      );
      const keys = padded(some.map(({ key }) => key));
      const where = sql`${sql.ref(column)} in (${sql.join(keys)})`;
      await sql`update ${sql.table(table)} set ${sql.join(assignments)} where ${where}`.execute(tx);
    }
  }
}

/** Padded, so that few texts serve any number of rows; the first arm of a key decides. */
function caseOf<T extends keyof Tables & string, Key>(
  column: string,
  name: keyof Updateable<Tables[T]>,
  rows: readonly RowUpdate<T, Key>[],
) {
  const arms = padded(rows).map(({ key, values }) => sql`when ${key} then ${values[name]}`);
  return sql`case ${sql.ref(column)} ${sql.join(arms, sql` `)} end`;
}

/** Groups rows that change the same columns. Mostly that is all of them. */
function byColumns<T extends keyof Tables, Key>(
  rows: readonly RowUpdate<T, Key>[],
): Iterable<RowUpdate<T, Key>[]> {
  const groups = new Map<string, RowUpdate<T, Key>[]>();
  for (const row of rows) {
    const columns = Object.keys(row.values).sort().join();
    if (columns === "") continue;
    const group = groups.get(columns);
    if (group === undefined) groups.set(columns, [row]);
    else group.push(row);
  }
  return groups.values();
}
