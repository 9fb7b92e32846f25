import { createTestStore } from "@posthaste/testkit";
import { describe, expect, test } from "vitest";
import { Contended } from "../src/database/contended.ts";
import { transact } from "../src/database/transact.ts";
import { closeStore, createAccount, ingestEvents, openStore } from "../src/index.ts";
import { benchOn, NOW, onEachDatabase } from "./fixture.ts";
import { holdAfter, overlap } from "./held-store.ts";

onEachDatabase("a transaction", (bench) => {
  const names = async () =>
    (await bench().store.db.selectFrom("accounts").select("name").orderBy("id").execute()).map(
      ({ name }) => name,
    );

  test("that finds that another came first is rolled back and runs again", async () => {
    let runs = 0;
    const result = await transact(bench().store, async (tx) => {
      runs += 1;
      await tx
        .updateTable("accounts")
        .set({ name: `run ${runs}` })
        .where("name", "=", "first")
        .execute();
      if (runs < 3) throw new Contended("another came first");
      return runs;
    });
    expect(result).toBe(3);
    expect(await names()).toEqual(["run 3"]);
  });

  test("fails if others came first eight times", async () => {
    let runs = 0;
    const contended = transact(bench().store, async () => {
      runs += 1;
      throw new Contended("another came first");
    });
    await expect(contended).rejects.toThrow(Contended);
    expect(runs).toBe(8);
  });

  test("that fails for another reason is rolled back and does not run again", async () => {
    let runs = 0;
    const failing = transact(bench().store, async (tx) => {
      runs += 1;
      await tx.updateTable("accounts").set({ name: "changed" }).execute();
      throw new Error("a fault");
    });
    await expect(failing).rejects.toThrow("a fault");
    expect(runs).toBe(1);
    expect(await names()).toEqual(["first"]);
  });

  test("that stores a row twice does not run again", async () => {
    const { store, accountId } = bench();
    let runs = 0;
    const key = { account_id: accountId, key_hash: Buffer.alloc(32), content_hash: Buffer.alloc(32) };
    const failing = transact(store, async (tx) => {
      runs += 1;
      const row = { ...key, event_id: "evt_x" as never, delivery_count: 0, created_at: NOW };
      await tx.insertInto("idempotency_keys").values([row, row]).execute();
    });
    const error: unknown = await failing.catch((thrown: unknown) => thrown);
    expect(store.seam.isDuplicate(error)).toBe(true);
    expect(store.seam.isContention(error)).toBe(false);
    expect(runs).toBe(1);
  });
});

describe("on MySQL", () => {
  test("of two transactions that wait for each other, one runs again, and both commit", async () => {
    const own = await createTestStore("mysql");
    const other = await openStore({ url: own.url });
    try {
      const { store } = own;
      const { id: one } = await createAccount(store, { name: "one", now: NOW });
      const { id: two } = await createAccount(store, { name: "two", now: NOW });
      const bothHold = Promise.withResolvers<void>();
      let holding = 0;
      let runs = 0;
      const rename = async (through: typeof store, [first, second]: readonly [typeof one, typeof one]) =>
        await transact(through, async (tx) => {
          runs += 1;
          for (const id of [first, second]) {
            const { name } = await tx
              .selectFrom("accounts")
              .select("name")
              .where("id", "=", id)
              .forUpdate()
              .executeTakeFirstOrThrow();
            await tx
              .updateTable("accounts")
              .set({ name: `${name}!` })
              .where("id", "=", id)
              .execute();
            holding += 1;
            if (holding === 2) bothHold.resolve();
            await bothHold.promise;
          }
        });
      await Promise.all([rename(store, [one, two]), rename(other, [two, one])]);
      expect(runs).toBe(3);
      const rows = await store.db.selectFrom("accounts").select("name").orderBy("id").execute();
      expect(rows.map(({ name }) => name)).toEqual(["one!!", "two!!"]);
    } finally {
      await closeStore(other);
      await own.dispose();
    }
  });

  test("a call whose idempotency key another call has just used returns that call's event", async () => {
    const own = await createTestStore("mysql");
    const { store, accountId, subscribe } = await benchOn(own);
    await subscribe();
    const event = { eventType: "invoice_sent", data: Buffer.from("{}"), idempotencyKey: "one" };
    const call = { accountId, now: NOW, deliveriesMax: 10, events: [event] };
    const held = await holdAfter(own.url, /from idempotency_keys/);
    try {
      const late = ingestEvents(held.store, call);
      await held.stopped;
      const [first] = await ingestEvents(store, call);
      held.goOn();
      expect(await late).toEqual([{ ...first, duplicate: true }]);
      expect(await store.db.selectFrom("events").select("id").execute()).toHaveLength(1);
      expect(await store.db.selectFrom("deliveries").select("id").execute()).toHaveLength(1);
    } finally {
      await held.close();
      await own.dispose();
    }
  });

  test("keys are stored in one order, so that two calls that share several do not deadlock", async () => {
    const own = await createTestStore("mysql");
    const bench = await benchOn(own);
    const { store, accountId } = bench;
    const keys = Array.from({ length: 20 }, (_, n) => `key ${n}`);
    const call = (ordered: readonly string[]) => ({
      accountId,
      now: NOW,
      deliveriesMax: 10,
      events: ordered.map((idempotencyKey) => ({
        eventType: "invoice_sent",
        data: Buffer.from("{}"),
        idempotencyKey,
      })),
    });
    try {
      const { first, second, hasWaited, rolledBack } = await overlap(
        bench,
        /^insert into idempotency_keys/,
        (held) => ingestEvents(held, call(keys)),
        (other) => ingestEvents(other, call([...keys].reverse())),
      );
      expect({ hasWaited, rolledBack }).toEqual({ hasWaited: true, rolledBack: 0 });
      expect(second).toEqual([...first].reverse().map((one) => ({ ...one, duplicate: true })));
      const stored = await store.db.selectFrom("idempotency_keys").select("key_hash").execute();
      expect(stored).toHaveLength(keys.length);
    } finally {
      await own.dispose();
    }
  });
});
