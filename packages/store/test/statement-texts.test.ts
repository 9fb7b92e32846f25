import { DatabaseSync } from "node:sqlite";
import type { AccountId } from "@posthaste/domain";
import { createTestStore, type TestStore } from "@posthaste/testkit";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { loadForAttempts } from "../src/attempts/load-for-attempt.ts";
import { recordAttempts } from "../src/attempts/record-attempt.ts";
import {
  claimDeliveries,
  countChanges,
  createAccount,
  createSubscription,
  ingestEvents,
  listSubscriptions,
  markStarted,
  orderChanges,
  releaseClaims,
  renewClaims,
} from "../src/index.ts";
import { attempt, NOW } from "./fixture.ts";

let t: TestStore;
beforeEach(async () => {
  t = await createTestStore("sqlite");
});
afterEach(async () => {
  vi.restoreAllMocks();
  await t.dispose();
});

// Node frees a prepared statement only in a full garbage collection, so each new text costs memory for long.
test("a new number of rows needs no new statement text", async () => {
  // Inserts are split into powers of two of rows; these counts need each power up to 32.
  for (const count of [31, 32, 17]) await runLifecycle(count);
  const prepare = vi.spyOn(DatabaseSync.prototype, "prepare");
  for (const count of [18, 21, 26, 30]) await runLifecycle(count);
  expect(prepare.mock.calls.map(([text]) => text.slice(0, 200))).toEqual([]);
});

/**
 * Takes an event from ingest to its counted attempts. The event has `count` subscribers, each of them with
 * `count` event types, and its batch holds `count` events.
 */
async function runLifecycle(count: number): Promise<void> {
  const { store } = t;
  const now = NOW + count * 1_000;
  const { id: accountId } = await createAccount(store, { name: `with ${count}`, now });
  const eventTypes = Array.from({ length: count }, (_, i) => `type_${i}`);
  for (let i = 0; i < count; i++)
    await subscribe(accountId, `https://receiver.example/${count}/${i}`, eventTypes, now);
  await listSubscriptions(store, { accountId, limit: count });
  await ingest(accountId, ["type_1", ...eventTypes.slice(1).map(() => "unwanted_type")], now);
  const claim = { owner: "me", limit: 2 * count, inFlightMax: 10, leaseMs: 60_000, now: () => now };
  const claimed = await claimDeliveries(store, claim);
  const ids = claimed.map(({ deliveryId }) => deliveryId);
  expect(ids).toHaveLength(count);
  await renewClaims(store, { owner: "me", ids, leaseMs: 90_000, now: () => now });
  await releaseClaims(store, { owner: "me", ids, now });
  await markStarted(store, { owner: "me", ids, now });
  await loadForAttempts(store, ids, now);
  const pace = { rate: { perSecond: 0.1, burst: 1 }, concurrency: 1 };
  for (const number of [1, 2, 3]) {
    const settled = await recordAttempts(
      store,
      ids.map((deliveryId, i) => ({
        deliveryId,
        attempt: attempt({ number, startedAt: now, durationMs: i }),
        state: "started" as const,
        // The last retries are in a block with the ones before, and those before that have passed.
        nextAttemptAt: now + number * number * 10_000 + i,
        pace,
        endedReason: null,
        now: now + number * 20_000 + i,
      })),
    );
    expect(settled.flatMap((one) => ("error" in one ? one.error : []))).toEqual([]);
  }
  await orderChanges(store, NOW);
  await countChanges(store);
}

async function subscribe(
  accountId: AccountId,
  targetUrl: string,
  eventTypes: readonly string[],
  now: number,
) {
  const options = {
    targetUrl,
    eventTypes,
    credential: null,
    acceptance: "OK_ONLY" as const,
    timeoutMs: null,
  };
  await createSubscription(t.store, { accountId, ...options, now });
}

async function ingest(accountId: AccountId, eventTypes: readonly string[], now: number) {
  await ingestEvents(t.store, {
    accountId,
    now,
    deliveriesMax: 1_000,
    events: eventTypes.map((eventType, i) => ({
      eventType,
      data: Buffer.from("{}"),
      idempotencyKey: `key ${i}`,
    })),
  });
}
