import { createTestStore, type TestStore } from "@posthaste/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  type Claim,
  claimDeliveries,
  closeStore,
  createAccount,
  markStarted,
  openStore,
  releaseClaims,
  renewClaims,
  type Store,
} from "../src/index.ts";
import { NOW } from "./fixture.ts";
import { lookedAt } from "./looked-at.ts";
import { gatherStatistics, insertDeliveries, insertSubscriptions, type Rows } from "./many-rows.ts";

/*
 * What a backlog may cost: as many rows as are asked for, not as many as wait. Held by what is read, not by
 * how long that takes.
 */

const LOTS = 100_000;
/**
 * To find whose the next thousand rows are, read thirty of each of 64 subscriptions at most, and claim 100.
 */
const READ_BY_CLAIM_MAX = 12_000;
/** To find each of 470 subscriptions with the backlog between them. */
const READ_BY_ROUND_MAX = 40_000;

/** Where the backlog lies, and what else is in the table: each of these has misled a planner. */
const BACKLOGS: Readonly<Record<string, readonly Rows[]>> = {
  "470 subscriptions have all of it": [{ count: LOTS, state: "pending", subscriptions: 470 }],
  "one subscription has all of it": [{ count: LOTS, state: "pending", subscriptions: 1 }],
  "one has it, and thousands of others hardly anything": [
    { count: LOTS, state: "pending", subscriptions: 1 },
    { count: 20_000, state: "pending", subscriptions: 20_000, first: 2 },
  ],
  "most of the table is over and done with": [
    { count: LOTS, state: "succeeded", subscriptions: 470 },
    { count: 20_000, state: "pending", subscriptions: 470 },
  ],
};

let t: TestStore;
let store: Store;

describe.each(["sqlite", "mysql"] as const)("a claim in a backlog of 100,000, on %s", (backend) => {
  beforeEach(async () => {
    t = await createTestStore(backend);
    // One connection, whose counters count what was read for this test.
    store = await openStore({ url: t.url, poolSize: 1 });
    await createAccount(store, { name: "first", now: NOW });
  });
  afterEach(async () => {
    await closeStore(store);
    await t.dispose();
  });

  test.each(Object.entries(BACKLOGS))("reads what it claims, where %s", async (_where, rows) => {
    await insertDeliveries(store, rows);
    await insertSubscriptions(store);
    // Right after so many rows came, statistics are those of before.
    for (const statistics of ["of before", "gathered"]) {
      if (statistics === "gathered") await gatherStatistics(store);
      const looked = await lookedAt(t.url, store, async () => {
        const first = await claim();
        expect(first.claimed).toHaveLength(100);
        const ids = first.claimed.map(({ deliveryId }) => deliveryId);
        await renewClaims(store, { owner: "me", ids, until: NOW + 1, now: NOW });
        await markStarted(store, { ids: ids.slice(0, 50), now: NOW });
        await releaseClaims(store, { ids: ids.slice(50), now: NOW });
      });
      expect(looked.scans).toEqual([]);
      expect(looked.rows).toBeLessThan(READ_BY_CLAIM_MAX);
      // The loop for those that fail finds none, and has looked at whose the backlog is.
      const round = await lookedAt(t.url, store, async () => {
        expect((await claim({ isFailing: true })).claimed).toEqual([]);
      });
      expect(round.scans).toEqual([]);
      expect(round.rows).toBeLessThan(READ_BY_ROUND_MAX);
    }
  });
});

function claim(over: Partial<Claim> = {}) {
  return claimDeliveries(store, {
    owner: "me",
    limit: 100,
    inFlightMax: 1_000,
    leaseMs: 30_000,
    now: NOW,
    ...over,
  });
}
