import type { AccountId, DeliveryId, SubscriptionId } from "@posthaste/domain";
import { createTestStore, type TestStore } from "@posthaste/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { claimDeliveries, createAccount, createClaimRotation } from "../src/index.ts";
import { NOW } from "./fixture.ts";
import { insertDeliveries, insertSubscriptions, type Rows } from "./many-rows.ts";
import { randomFrom } from "./random-from.ts";

/*
 * The bound of the rotation: of N accounts that wait, each has something claimed within N / n claims of n
 * deliveries, whatever the others have. The accounts, their subscriptions and what is in flight are random.
 */

const ACCOUNTS = 20;
/** An attempt is over after this many claims: its delivery waits again. */
const CLAIMS_IN_FLIGHT = 3;

let t: TestStore;

type Waiting = { readonly accounts: readonly AccountId[]; readonly roomless: ReadonlySet<AccountId> };

/**
 * Fills accounts with more pending rows than a claim reads at once. Some have many subscriptions, a few have
 * no room, and some have a subscription whose deliveries are all in flight.
 */
async function fill(random: () => number): Promise<Waiting> {
  await createAccount(t.store, { name: "first", now: NOW });
  const accounts = Array.from({ length: ACCOUNTS }, (_, i) => (i + 1) as AccountId);
  const rows: Rows[] = [];
  const stuck: SubscriptionId[] = [];
  let first = 1;
  for (const account of accounts) {
    const isLarge = random() < 0.2;
    const subscriptions = isLarge ? 8 : 1 + Math.floor(random() * 3);
    const each = isLarge ? 120 : 5;
    rows.push({ account, count: subscriptions * each, subscriptions, first, state: "pending" });
    if (subscriptions > 1 && random() < 0.5) {
      stuck.push((first + Math.floor(random() * subscriptions)) as SubscriptionId);
    }
    first += subscriptions;
  }
  await insertDeliveries(t.store, rows);
  await insertSubscriptions(t.store);
  await t.store.db
    .updateTable("deliveries")
    .set({ lease_owner: "another", lease_until: NOW + 1e9 })
    .where("subscription_id", "in", stuck)
    .execute();
  return { accounts, roomless: new Set(accounts.filter(() => random() < 0.1)) };
}

/** Claims again and again. Returns the most claims that an account with room has waited for its next turn. */
async function longestWait({ accounts, roomless }: Waiting, limit: number, claims: number): Promise<number> {
  const rotation = createClaimRotation();
  const servedAt = new Map(accounts.filter((id) => !roomless.has(id)).map((id) => [id, 0]));
  const inFlight: DeliveryId[][] = [];
  let longest = 0;
  for (let n = 1; n <= claims; n++) {
    const claimed = await claimDeliveries(t.store, {
      owner: "me",
      limit,
      inFlightMax: 1_000,
      leaseMs: 1e9,
      now: () => NOW,
      rotation,
      roomOf: (id) => (roomless.has(id) ? 0 : 100),
    });
    expect(claimed).toHaveLength(limit);
    for (const { accountId } of claimed) servedAt.set(accountId, n);
    for (const at of servedAt.values()) longest = Math.max(longest, n - at);
    inFlight.push(claimed.map(({ deliveryId }) => deliveryId));
    const over = inFlight.length > CLAIMS_IN_FLIGHT ? inFlight.shift() : undefined;
    if (over === undefined) continue;
    await t.store.db
      .updateTable("deliveries")
      .set({ lease_owner: null, lease_until: null, in_flight_of: null })
      .where("id", "in", over)
      .execute();
  }
  return longest;
}

describe.each(["sqlite", "mysql"] as const)("on %s", (backend) => {
  beforeEach(async () => {
    t = await createTestStore(backend);
  });
  afterEach(() => t.dispose());

  test.each([
    { limit: 1, rounds: 2 },
    { limit: 4, rounds: 3 },
  ])(
    "every account that waits has its turn within one round of claims of $limit",
    async ({ limit, rounds }) => {
      const waiting = await fill(randomFrom(1));
      const round = Math.ceil((ACCOUNTS - waiting.roomless.size) / limit);
      expect(await longestWait(waiting, limit, rounds * round)).toBeLessThanOrEqual(round);
    },
  );
});
