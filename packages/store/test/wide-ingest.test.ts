import type { AccountId } from "@posthaste/domain";
import { createTestStore, type TestStore } from "@posthaste/testkit";
import type { KyselyPlugin } from "kysely";
import { afterEach, describe, expect, test } from "vitest";
import { createAccount, createIngest, type IngestCall, ingestEvents, type Store } from "../src/index.ts";
import { type Bench, benchOn, NOW, onEachDatabase } from "./fixture.ts";
import { holdAfter } from "./held-store.ts";

/** More deliveries than a call may have that shares its transaction. */
const WIDE = 300;

const call = (accountId: AccountId, eventTypes = ["invoice_sent"], deliveriesMax = 1_000): IngestCall => ({
  accountId,
  now: NOW,
  deliveriesMax,
  events: eventTypes.map((eventType) => ({ eventType, data: Buffer.from("{}"), idempotencyKey: null })),
});

/** Creates an account that gets every event. */
async function accountWith({ store, subscribe }: Bench, subscriptions: number): Promise<AccountId> {
  const { id: accountId } = await createAccount(store, { name: `${subscriptions}`, now: NOW });
  for (let n = 0; n < subscriptions; n++) await subscribe({ accountId, eventTypes: ["*"] });
  return accountId;
}

/** Starts calls, and returns the names of those that have ended, in their order. */
function inOrder(calls: readonly (readonly [name: string, ended: Promise<unknown>])[]) {
  const names: string[] = [];
  const all = Promise.all(calls.map(([name, ended]) => ended.then(() => names.push(name))));
  return { names, all };
}

onEachDatabase("wide ingest calls", (bench) => {
  test("are stored after others' calls that came later, and in turns of their accounts", async () => {
    const wide = await accountWith(bench(), WIDE);
    const alsoWide = await accountWith(bench(), WIDE);
    const narrow = await accountWith(bench(), 1);
    const ingest = createIngest(bench().store);
    const { names, all } = inOrder([
      ...[1, 2, 3, 4].map((n) => [`wide ${n}`, ingest(call(wide))] as const),
      ["also wide 1", ingest(call(alsoWide))],
      ["narrow", ingest(call(narrow))],
    ]);
    await all;
    expect(names).toEqual(["narrow", "wide 1", "also wide 1", "wide 2", "wide 3", "wide 4"]);
  });

  test("store as many rows as others, however many events they have", async () => {
    const wide = await accountWith(bench(), WIDE);
    const ingest = createIngest(bench().store);
    const events = Array.from({ length: 251 }, (_, n) => `type_${n}`);
    const [many, few] = await Promise.all([ingest(call(wide, events)), ingest(call(wide))]);
    expect(many.map((event) => event.deliveryCount)).toEqual([300, 300, 300, 100, ...Array(247).fill(0)]);
    expect(few.map((event) => event.deliveryCount)).toEqual([300]);
    const fanouts = await bench().store.db.selectFrom("fanouts").selectAll().orderBy("event_id").execute();
    expect(fanouts.map((row) => row.has_delivery)).toEqual([1, ...Array(247).fill(0)]);
  });

  test("with many event types walk along the subscriptions until their deliveries are enough", async () => {
    const wide = await accountWith(bench(), WIDE);
    const counting = countingStore(bench().store);
    const types = Array.from({ length: 20 }, (_, n) => `type_${n}`);
    await ingestEvents(counting.store, call(wide, types, 100));
    // Twenty that match, a walk of four, and the inserts. To walk for each type would take eighty more.
    expect(counting.statements()).toBeLessThan(50);
  });
});

describe("beside a wide ingest call", () => {
  let own: TestStore;
  let bench: Bench;
  const begin = async (backend: "sqlite" | "mysql") => {
    own = await createTestStore(backend);
    bench = await benchOn(own);
    return { wide: await accountWith(bench, WIDE), narrow: await accountWith(bench, 1) };
  };
  afterEach(() => own.dispose());

  test("others' calls are stored on MySQL, and no second wide one begins", async () => {
    const { wide, narrow } = await begin("mysql");
    const alsoWide = await accountWith(bench, WIDE);
    // The only insert of so many deliveries at once.
    const held = await holdAfter(own.url, /^insert into deliveries .*(\(\?[^)]*\), ){250}/);
    try {
      const ingest = createIngest(held.store);
      const first = inOrder([["wide 1", ingest(call(wide))]]);
      await held.stopped;
      const others = inOrder([
        ["wide 2", ingest(call(wide))],
        ["also wide", ingest(call(alsoWide))],
      ]);
      for (let n = 0; n < 5; n++) await ingest(call(narrow));
      expect([...first.names, ...others.names]).toEqual([]);
      const stored = await bench.store.db.selectFrom("events").select("account_id").execute();
      expect(stored).toEqual(Array(5).fill({ account_id: narrow }));
      held.goOn();
      await Promise.all([first.all, others.all]);
      expect(others.names).toEqual(["wide 2", "also wide"]);
    } finally {
      await held.close();
    }
  });

  test("others' calls have the next turn on SQLite, which has one writer", async () => {
    const { wide, narrow } = await begin("sqlite");
    const ingest = createIngest(bench.store);
    const first = ingest(call(wide));
    const { names, all } = inOrder([
      ...[2, 3, 4, 5].map((n) => [`wide ${n}`, ingest(call(wide))] as const),
      ["narrow", first.then(() => ingest(call(narrow)))],
    ]);
    await all;
    // The second has begun before the call came.
    expect(names).toEqual(["wide 2", "narrow", "wide 3", "wide 4", "wide 5"]);
  });
});

/** Counts the statements of a store. */
function countingStore(store: Store) {
  let statements = 0;
  const plugin: KyselyPlugin = {
    transformQuery: ({ node }) => node,
    async transformResult({ result }) {
      statements += 1;
      return result;
    },
  };
  return { store: { ...store, db: store.db.withPlugin(plugin) }, statements: () => statements };
}
