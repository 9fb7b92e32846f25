import type { AccountId, SubscriptionId } from "@posthaste/domain";
import { createTestStore, type TestStore } from "@posthaste/testkit";
import { sql } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  closeStore,
  createAccount,
  type ListByAccount,
  listDraining,
  listEnding,
  listFanouts,
  listParked,
  openStore,
  type PageByAccount,
  type Store,
} from "../src/index.ts";
import { NOW } from "./fixture.ts";
import { insertDeliveries, insertSubscriptions } from "./many-rows.ts";
import { measureReads } from "./measure-reads.ts";

/*
 * The work of upkeep is listed by account: account 1 has thousands of pieces, and others few, which are found
 * as if it had none.
 */

const LOTS = 5_000;
/** One of each of twenty accounts, or 64 of a few: two rows for each, and the jumps that find them. */
const READ_MAX = 500;

const LISTS: Readonly<
  Record<string, (store: Store, page: PageByAccount<never>) => Promise<ListByAccount<unknown>>>
> = {
  "wide fan-outs": listFanouts,
  "draining subscriptions": listDraining,
  "ending subscriptions": listEnding,
  "subscriptions with parked deliveries": listParked,
};

let t: TestStore;
let store: Store;

describe.each(["sqlite", "mysql"] as const)("the work of upkeep, on %s", (backend) => {
  beforeEach(async () => {
    t = await createTestStore(backend);
    // One connection: its session counters then count only what this test reads.
    store = await openStore({ url: t.url, poolSize: 1 });
    await createAccount(store, { name: "first", now: NOW });
  });
  afterEach(async () => {
    await closeStore(store);
    await t.dispose();
  });

  /** Gives account 1 thousands of pieces of each kind, and each other account one. */
  async function fill(others: number): Promise<void> {
    await insertDeliveries(store, [{ count: LOTS, state: "parked", subscriptions: LOTS }]);
    await sql`
      update deliveries set account_id = ${LOTS} + 2 - subscription_id
      where subscription_id > ${LOTS - others}
    `.execute(store.db);
    await insertSubscriptions(store);
    await store.db.updateTable("subscriptions").set({ draining: 1, ending: 1 }).execute();
    await sql`
      insert into fanouts
        (event_id, account_id, event_type, as_of_at, as_of_row, after_subscription_id, has_delivery)
      select event_id, account_id, 'invoice_sent', 0, 0, 0, 0 from deliveries
    `.execute(store.db);
  }
  const sizes = (list: ListByAccount<unknown>) =>
    list.accounts.map(({ accountId, ids, isAll }) => [accountId, ids.length, isAll]);

  test("of a few accounts is shared equally, however much one has", async () => {
    await fill(1);
    for (const list of Object.values(LISTS)) {
      const { rows } = await measureReads(store, async () => {
        const found = await list(store, { limit: 64 });
        expect(sizes(found)).toEqual([
          [1, 32, false],
          [2, 1, true],
        ]);
        expect(found.isLast).toBe(true);
      });
      expect(rows).toBeLessThan(READ_MAX);
    }
  });

  test("of many accounts is a piece of each, from one list to the next", async () => {
    await fill(20);
    for (const list of Object.values(LISTS)) {
      const { rows } = await measureReads(store, async () => {
        const found = await list(store, { limit: 64 });
        expect(sizes(found)).toEqual(
          Array.from({ length: 16 }, (_, i) => (i === 0 ? [1, 1, false] : [i + 1, 1, true])),
        );
        expect(found.isLast).toBe(false);
        const rest = await list(store, { limit: 64, afterAccount: 16 as AccountId });
        expect(sizes(rest)).toEqual([17, 18, 19, 20, 21].map((id) => [id, 1, true]));
        expect(rest.isLast).toBe(true);
      });
      expect(rows).toBeLessThan(READ_MAX);
    }
  });

  test("of an account continues after its last piece", async () => {
    await fill(1);
    const afterOf = () => (LOTS - 3) as SubscriptionId;
    for (const list of [listDraining, listEnding, listParked]) {
      const [first] = (await list(store, { limit: 64, afterOf })).accounts;
      expect(first).toEqual({ accountId: 1, ids: [LOTS - 2, LOTS - 1], isAll: true });
    }
  });
});
