import { listStatements } from "@posthaste/testkit";
import { sql } from "kysely";
import { expect, test } from "vitest";
import { insertRows } from "../src/database/insert-rows.ts";
import { transact } from "../src/database/transact.ts";
import { type RowUpdate, updateRows } from "../src/database/update-rows.ts";
import { type Bench, onEachDatabase } from "./fixture.ts";

const COUNT = 200;

/** Inserts lines of subscriptions 1 to {@link COUNT}, each with its own number in every column. */
async function insertLines({ store, accountId }: Bench): Promise<void> {
  const rows = Array.from({ length: COUNT }, (_, i) => ({
    subscription_id: (i + 1) as never,
    account_id: accountId,
    line_us: (i + 1) as never,
    retry_line_us: 0 as never,
    gate_us: (i + 1) as never,
    hold_ms: i + 1,
  }));
  await transact(store, (tx) => insertRows(tx, "turns", rows));
}

const lines = async ({ store }: Bench) =>
  await store.db
    .selectFrom("turns")
    .select(["subscription_id as id", "line_us as line", "gate_us as gate", "hold_ms as hold"])
    .orderBy("subscription_id")
    .execute();

onEachDatabase("an update of many rows", (bench) => {
  const update = async (rows: readonly RowUpdate<"turns", number>[]) =>
    await listStatements(() =>
      transact(bench().store, (tx) => updateRows(tx, "turns", "subscription_id", rows)),
    );

  test("gives each its own value in one column and the same in others, and leaves the rest alone", async () => {
    await insertLines(bench());
    const ofLine = sql.ref("line_us");
    const rows = Array.from({ length: 100 }, (_, i) => ({
      key: 2 * i + 1,
      values: { hold_ms: 1_000 + i, line_us: 7 as never, gate_us: ofLine },
    }));
    expect(await update(rows)).toHaveLength(1);
    const expected = Array.from({ length: COUNT }, (_, i) => {
      const id = i + 1;
      if (id % 2 === 0) return { id, line: id, gate: id, hold: id };
      // MySQL sets columns in their order, so an expression sees the ones before.
      const gate = bench().store.seam.name === "mysql" ? 7 : id;
      return { id, line: 7, gate, hold: 1_000 + i / 2 };
    });
    expect(await lines(bench())).toEqual(expected);
  });

  test("takes a statement for each set of columns, and for every 128 rows with values of their own", async () => {
    await insertLines(bench());
    const own = Array.from({ length: 150 }, (_, i) => ({ key: i + 1, values: { hold_ms: i } }));
    const same = Array.from({ length: 50 }, (_, i) => ({ key: i + 151, values: { gate_us: 9 as never } }));
    expect(await update([...own, ...same])).toHaveLength(3);
    const found = await lines(bench());
    expect(found.map(({ hold }) => hold).slice(0, 150)).toEqual(own.map(({ values }) => values.hold_ms));
    expect(found.slice(150).every(({ gate, hold, id }) => Number(gate) === 9 && hold === id)).toBe(true);
  });

  test("sets nothing without rows or without values", async () => {
    expect(await update([])).toHaveLength(0);
    expect(await update([{ key: 1, values: {} }])).toHaveLength(0);
  });
});
