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

test("callers do not wait for each other's turn of the event loop", async () => {
  let turns = 0;
  let next = setImmediate(function count() {
    turns += 1;
    next = setImmediate(count);
  });
  await Promise.all(Array.from({ length: CALLERS }, () => sql`select 1`.execute(t.store.db)));
  clearImmediate(next);
  expect(turns).toBeLessThan(CALLERS / 2);
});

test("a caller's transaction is its own, and the next begins when it has ended, also badly", async () => {
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

test("callers who wait while the store is closed are told so, and a transaction fails as it would have", async () => {
  const { db } = t.store;
  let isIn = (): void => {};
  const inside = new Promise<void>((resolve) => (isIn = resolve));
  let goOn = (): void => {};
  const goingOn = new Promise<void>((resolve) => (goOn = resolve));
  const transaction = db.transaction().execute(async () => {
    isIn();
    await goingOn;
    throw new Error("changed its mind");
  });
  await inside;
  const waiting = sql`select 1`.execute(db);
  const outcomes = Promise.allSettled([waiting, transaction]);
  // The waiting caller has to be in line before the store is closed.
  await new Promise((resolve) => setImmediate(resolve));
  await closeStore(t.store);
  goOn();
  expect(await outcomes).toMatchObject([
    { status: "rejected", reason: { message: "the database is closed" } },
    { status: "rejected", reason: { message: "changed its mind" } },
  ]);
});
