import { createTestStore, type TestStore } from "@posthaste/testkit";
import { sql } from "kysely";
import { afterEach, beforeEach, expect, test } from "vitest";
import { closeStore } from "../src/index.ts";

let t: TestStore;
beforeEach(async () => {
  t = await createTestStore("sqlite");
});
afterEach(() => t.dispose());

const CALLERS = 100;

test("100 callers at once need fewer than 50 turns of the event loop", async () => {
  let turns = 0;
  let next = setImmediate(function count() {
    turns += 1;
    next = setImmediate(count);
  });
  await Promise.all(Array.from({ length: CALLERS }, () => sql`select 1`.execute(t.store.db)));
  clearImmediate(next);
  expect(turns).toBeLessThan(CALLERS / 2);
});

test("transactions run one after another, even if one fails", async () => {
  const { db } = t.store;
  let open = 0;
  const one = async (i: number) =>
    await db.transaction().execute(async (tx) => {
      open += 1;
      expect(open).toBe(1);
      await sql`select ${i}`.execute(tx);
      open -= 1;
      if (i % 2 === 1) throw new Error("changed its mind");
    });
  const settled = await Promise.allSettled(Array.from({ length: 10 }, (_, i) => one(i)));
  expect(settled.map(({ status }) => status)).toEqual(
    Array.from({ length: 10 }, (_, i) => (i % 2 === 1 ? "rejected" : "fulfilled")),
  );
});

test("closing the store fails waiting callers, and a running transaction keeps its own error", async () => {
  const { db } = t.store;
  let enter = (): void => {};
  const entered = new Promise<void>((resolve) => (enter = resolve));
  let resume = (): void => {};
  const resumed = new Promise<void>((resolve) => (resume = resolve));
  const transaction = db.transaction().execute(async () => {
    enter();
    await resumed;
    throw new Error("changed its mind");
  });
  await entered;
  const waiting = sql`select 1`.execute(db);
  const outcomes = Promise.allSettled([waiting, transaction]);
  // The waiting caller must be in line before the store closes.
  await new Promise((resolve) => setImmediate(resolve));
  await closeStore(t.store);
  resume();
  expect(await outcomes).toMatchObject([
    { status: "rejected", reason: { message: "the database is closed" } },
    { status: "rejected", reason: { message: "changed its mind" } },
  ]);
});
