import { createShares } from "@posthaste/delivery/activities";
import type { AccountId, DeliveryId } from "@posthaste/domain";
import { silentLog } from "@posthaste/runtime";
import { createAccount, createSubscription, ingestEvents, listDeliveries } from "@posthaste/store";
import { createTestStore, type TestStore } from "@posthaste/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createDispatchRound, type DispatchOptions } from "../src/loops/dispatch.ts";

let bench: TestStore;
let accountId: AccountId;
let now: number;
beforeEach(async () => {
  bench = await createTestStore("sqlite");
  now = Date.now();
  accountId = (await createAccount(bench.store, { name: "test", now })).id;
});
afterEach(() => bench.dispose());

/** Creates a subscription for each host, and ingests `events` events that match all of them. */
async function pending(hosts: readonly string[], events: number): Promise<void> {
  for (const host of hosts) {
    await createSubscription(bench.store, {
      accountId,
      targetUrl: `https://${host}/`,
      eventTypes: ["*"],
      credential: null,
      acceptance: "OK_ONLY",
      timeoutMs: null,
      now,
    });
  }
  await ingestEvents(bench.store, {
    accountId,
    now,
    deliveriesMax: 1_000,
    events: Array.from({ length: events }, () => ({
      eventType: "invoice_sent",
      data: Buffer.from("{}"),
      idempotencyKey: null,
    })),
  });
}
const roundWith = (start: DispatchOptions["start"], over: Partial<DispatchOptions> = {}) =>
  createDispatchRound({
    store: bench.store,
    log: silentLog,
    now: () => now,
    start,
    owner: "test",
    batch: 100,
    leaseMs: 30_000,
    inFlightMax: 10,
    shares: createShares(200),
    ...over,
  });
const inState = async (state: "pending" | "started") =>
  (await listDeliveries(bench.store, { accountId, state, limit: 500 })).length;

test("a round starts each pending delivery once and marks it, and the next round finds none", async () => {
  await pending(["a.example", "b.example"], 3);
  const started: DeliveryId[] = [];
  const round = roundWith(async ({ deliveryId }) => void started.push(deliveryId));
  expect(await round()).toBe("more");
  expect(await round()).toBe("done");
  expect(new Set(started).size).toBe(6);
  expect(started).toHaveLength(6);
  expect(await inState("started")).toBe(6);
});

test("an outage of Temporal loses no delivery, and a round gives up after a few failed starts", async () => {
  await pending(["a.example"], 100);
  let calls = 0;
  const failingRound = roundWith(
    async () => {
      calls += 1;
      throw new Error("unavailable");
    },
    { inFlightMax: 100 },
  );
  await expect(failingRound()).rejects.toThrow("Temporal accepted 0 of 100 deliveries");
  expect(calls).toBeLessThan(25);
  expect(await inState("pending")).toBe(100);
  const started: DeliveryId[] = [];
  await roundWith(async ({ deliveryId }) => void started.push(deliveryId), { inFlightMax: 100 })();
  expect(started).toHaveLength(100);
});

test("a delivery that cannot be started does not stop the others", async () => {
  await pending(["a.example"], 10);
  const [poison] = await listDeliveries(bench.store, { accountId, limit: 1 });
  const round = roundWith(async ({ deliveryId }) => {
    if (deliveryId === poison?.id) throw new Error("refused");
  });
  await expect(round()).rejects.toThrow("9 of 10");
  expect(await inState("started")).toBe(9);
});

test("a subscription with a backlog does not crowd out the others", async () => {
  await pending(["busy.example"], 50);
  await pending(["quiet.example"], 1);
  const hosts: string[] = [];
  await roundWith(async ({ targetUrl }) => void hosts.push(new URL(targetUrl).host), { inFlightMax: 5 })();
  expect(hosts.filter((host) => host === "busy.example")).toHaveLength(5);
  expect(hosts).toContain("quiet.example");
});
