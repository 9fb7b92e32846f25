import { type RawBuilder, sql } from "kysely";
import type { Store } from "./store.ts";
import type { Tables } from "./tables.ts";

/**
 * Deletes the first rows of a table that fulfil a condition, in the order of a column.
 *
 * One index must give the rows in this order, so that no others are read.
 *
 * @param rows.limit maximum rows deleted
 * @returns how many were deleted; fewer than `limit`: none is left
 */
export async function deleteFirst(
  { seam }: Pick<Store, "seam">,
  db: Store["db"],
  rows: {
    table: keyof Tables & string;
    where: RawBuilder<unknown>;
    orderBy: string;
    limit: number;
  },
): Promise<number> {
  const table = sql.table(rows.table);
  const first = sql`where ${rows.where} order by ${sql.ref(rows.orderBy)} limit ${rows.limit}`;
  const { numAffectedRows } = await seam.deleteFirst(table, first).execute(db);
  return Number(numAffectedRows ?? 0n);
}
