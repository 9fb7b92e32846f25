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
import { gatherStatistics, insertDeliveries, insertSubscriptions, type Rows } from "./many-rows.ts";
import { measureReads } from "./measure-reads.ts";

/*
 * A claim reads about as many rows as it asks for, however many deliveries wait. These tests limit the rows
 * that the database reads, not the time that a claim takes.
 */

const LOTS = 100_000;
/**
 * Enough to find the subscriptions of the next thousand rows, to read at most thirty rows of each of 64
 * subscriptions, and to claim 100.
 */
const READ_BY_CLAIM_MAX = 12_000;
/** Enough to find each of the 470 subscriptions that share the backlog. */
const READ_BY_ROUND_MAX = 40_000;

/** How the backlog is spread, and what else the table holds. Each of these has misled a query planner. */
const BACKLOGS: Readonly<Record<string, readonly Rows[]>> = {
  "470 subscriptions share the backlog": [{ count: LOTS, state: "pending", subscriptions: 470 }],
  "one subscription has the whole backlog": [{ count: LOTS, state: "pending", subscriptions: 1 }],
  "one subscription has most of the backlog, and thousands have one delivery each": [
    { count: LOTS, state: "pending", subscriptions: 1 },
    { count: 20_000, state: "pending", subscriptions: 20_000, first: 2 },
  ],
  "most deliveries in the table have succeeded": [
    { count: LOTS, state: "succeeded", subscriptions: 470 },
    { count: 20_000, state: "pending", subscriptions: 470 },
  ],
};

let t: TestStore;
let store: Store;

describe.each(["sqlite", "mysql"] as const)("a claim in a backlog of 100,000, on %s", (backend) => {
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

  test.each(Object.entries(BACKLOGS))("reads a bounded number of rows when %s", async (_spread, rows) => {
    await insertDeliveries(store, rows);
    await insertSubscriptions(store);
    // Right after so many inserts, the planner's statistics still describe the empty table.
    for (const statistics of ["stale", "fresh"]) {
      if (statistics === "fresh") await gatherStatistics(store);
      const reads = await measureReads(store, async () => {
        const first = await claim();
        expect(first).toHaveLength(100);
        const ids = first.map(({ deliveryId }) => deliveryId);
        await renewClaims(store, { owner: "me", ids, leaseMs: 1, now: () => NOW });
        await markStarted(store, { owner: "me", ids: ids.slice(0, 50), now: NOW });
        await releaseClaims(store, { owner: "me", ids: ids.slice(50), now: NOW });
      });
      expect(reads.scans).toEqual([]);
      expect(reads.rows).toBeLessThan(READ_BY_CLAIM_MAX);
      // The loop for failing subscriptions examines every subscription with a backlog and claims nothing.
      const round = await measureReads(store, async () => {
        expect(await claim({ isFailing: true })).toEqual([]);
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
    now: () => NOW,
    ...over,
  });
}
