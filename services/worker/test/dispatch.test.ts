import { createShares } from "@posthaste/delivery/activities";
import { GRPC } from "@posthaste/delivery/client";
import type { AccountId, DeliveryId } from "@posthaste/domain";
import { createStopDeadline, silentLog } from "@posthaste/runtime";
import {
  closeStore,
  createAccount,
  createSubscription,
  ingestEvents,
  listDeliveries,
  openStore,
} from "@posthaste/store";
import { createTestStore, type TestStore } from "@posthaste/testkit";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createDispatcher, type DispatchOptions } from "../src/loops/dispatch.ts";
import { type Round, startLoops } from "../src/loops/loop.ts";
import { copyDelivery, copySubscription } from "./copy-delivery.ts";

const PATIENCE = { timeout: 30_000, interval: 1 };

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
async function pending(hosts: readonly string[], events: number, owner = accountId): Promise<void> {
  for (const host of hosts) {
    await createSubscription(bench.store, {
      accountId: owner,
      targetUrl: `https://${host}/`,
      eventTypes: ["*"],
      credential: null,
      acceptance: "OK_ONLY",
      timeoutMs: null,
      now,
    });
  }
  await ingestEvents(bench.store, {
    accountId: owner,
    now,
    deliveriesMax: 1_000,
    events: Array.from({ length: events }, () => ({
      eventType: "invoice_sent",
      data: Buffer.from("{}"),
      idempotencyKey: null,
    })),
  });
}
const inTime = () => createStopDeadline(60_000);
const dispatcherWith = (
  start: DispatchOptions["start"],
  over: Partial<DispatchOptions> = {},
  health?: "well" | "failing",
) => {
  const options = {
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
  };
  return createDispatcher(options, health);
};
/** Returns a function that runs a round and waits for its starts. */
function roundWith(...args: Parameters<typeof dispatcherWith>): () => Promise<Round> {
  const { round, stop } = dispatcherWith(...args);
  return async () => {
    const result = await round();
    await stop(inTime());
    return result;
  };
}
/** Temporal's error while it is unreachable. */
const unavailable = () =>
  Object.assign(new Error("unavailable"), { code: GRPC.UNAVAILABLE, details: "", metadata: {} });
const inState = async (state: "pending" | "started") =>
  (await listDeliveries(bench.store, { accountId, state, limit: 500 })).length;

test("a round starts each pending delivery once and marks it, and the next round finds none", async () => {
  await pending(["a.example", "b.example"], 3);
  const started: DeliveryId[] = [];
  const round = roundWith(async ({ deliveryId }) => void started.push(deliveryId));
  expect(await round()).toBe("more");
  expect(await round()).toBe("idle");
  expect(new Set(started).size).toBe(6);
  expect(started).toHaveLength(6);
  expect(await inState("started")).toBe(6);
});

test("a start that waited longer than its lease is left to whoever claims the delivery next", async () => {
  await pending(["a.example"], 18);
  const started: DeliveryId[] = [];
  const answers: (() => void)[] = [];
  const { round, stop } = dispatcherWith(
    ({ deliveryId }) => {
      started.push(deliveryId);
      return new Promise((resolve) => answers.push(resolve));
    },
    { inFlightMax: 100 },
  );
  const running = round();
  await vi.waitFor(() => expect(started).toHaveLength(16), PATIENCE);
  now += 30_001;
  for (const answer of answers) answer();
  await running;
  await stop(inTime());
  expect(started).toHaveLength(16);
  const others: DeliveryId[] = [];
  const other = { owner: "other", inFlightMax: 100 };
  await roundWith(async ({ deliveryId }) => void others.push(deliveryId), other)();
  expect(others).toHaveLength(2);
  expect(await inState("started")).toBe(18);
});

test("an outage of Temporal loses no delivery, and a round gives up after a few failed starts", async () => {
  await pending(["a.example"], 100);
  let calls = 0;
  const failingRound = roundWith(
    async () => {
      calls += 1;
      throw unavailable();
    },
    { inFlightMax: 100 },
  );
  await expect(failingRound()).rejects.toThrow("Temporal accepted none of 32 deliveries");
  expect(calls).toBeLessThan(25);
  expect(await inState("pending")).toBe(100);
  const started: DeliveryId[] = [];
  const round = roundWith(async ({ deliveryId }) => void started.push(deliveryId), { inFlightMax: 100 });
  while ((await round()) === "more");
  expect(started).toHaveLength(100);
});

test("deliveries that cannot be started are set aside for a growing time, and the others are started", async () => {
  await pending(["a.example"], 100);
  const all = await listDeliveries(bench.store, { accountId, limit: 100 });
  // The oldest, so that they come first in every round.
  const bad = new Set(all.slice(-60).map(({ id }) => id));
  const tried: DeliveryId[] = [];
  const setAside: [string, number][] = [];
  const round = roundWith(
    async ({ deliveryId }) => {
      tried.push(deliveryId);
      if (bad.has(deliveryId)) throw new TypeError("Invalid URL");
    },
    { batch: 20, inFlightMax: 100, onSetAside: (work, count) => setAside.push([work, count]) },
  );
  while ((await round()) === "more") now += 1;
  expect(await inState("started")).toBe(40);
  expect(new Set(tried)).toEqual(new Set(all.map(({ id }) => id)));
  expect(setAside.reduce((sum, [, count]) => sum + count, 0)).toBe(60);
  // A second after the first failure, and two seconds after the second.
  for (const [passedMs, tries] of [
    [900, 0],
    [200, 60],
    [1_800, 0],
    [300, 60],
  ] as const) {
    tried.length = 0;
    now += passedMs;
    while ((await round()) === "more") now += 1;
    expect(tried).toHaveLength(tries);
  }
});

test("a start that the part of Temporal refuses which holds it is set aside, since others succeed", async () => {
  await pending(["a.example"], 40);
  const bad = new Set(
    (await listDeliveries(bench.store, { accountId, limit: 40 })).slice(-10).map(({ id }) => id),
  );
  const round = roundWith(
    async ({ deliveryId }) => {
      if (bad.has(deliveryId)) throw unavailable();
    },
    { inFlightMax: 40 },
  );
  while ((await round()) === "more");
  expect(await inState("started")).toBe(30);
});

test("a delivery waits for few starts of another account, however many that one waits for", async () => {
  const other = (await createAccount(bench.store, { name: "other", now })).id;
  await pending(["busy.example"], 200);
  const started: AccountId[] = [];
  const ends: (() => void)[] = [];
  const start: DispatchOptions["start"] = (delivery) =>
    new Promise((resolve) => {
      started.push(delivery.accountId);
      ends.push(resolve);
    });
  const dispatcher = dispatcherWith(start, { inFlightMax: 1_000, shares: createShares(1_000) });
  const loops = startLoops({ dispatcher: { intervalMs: 1, round: dispatcher.round } }, { log: silentLog });
  const untilFull = () => vi.waitFor(() => expect(ends).toHaveLength(16), PATIENCE);
  try {
    await untilFull();
    await pending(["quiet.example"], 1, other);
    let ended = 0;
    for (; ended < 100 && !started.includes(other); ended++) {
      ends.shift()?.();
      await untilFull();
    }
    // At most 16 waited to be started. With the next ones, the newcomer's is the first or the second.
    expect(ended).toBeLessThanOrEqual(18);
  } finally {
    const stopped = loops.stop();
    const ending = setInterval(() => ends.shift()?.(), 1);
    await stopped;
    await dispatcher.stop(inTime());
    clearInterval(ending);
  }
  // What was started is marked in groups, the last of them too.
  expect(await inState("started")).toBe(started.filter((id) => id === accountId).length);
});

test("starts that hang take their places only: what becomes pending meanwhile is started beside them", async () => {
  await pending(["hanging.example"], 2);
  const ends: (() => void)[] = [];
  let hangs = false;
  const started: string[] = [];
  const dispatcher = dispatcherWith(async ({ targetUrl }) => {
    started.push(new URL(targetUrl).host);
    if (hangs) await new Promise<void>((resolve) => ends.push(resolve));
  });
  while ((await dispatcher.round()) === "more");
  await pending([], 1);
  hangs = true;
  expect(await dispatcher.round()).toBe("more");
  expect(ends).toHaveLength(1);
  hangs = false;
  await pending(["good.example"], 1);
  expect(await dispatcher.round()).toBe("more");
  expect(started.slice(-2).sort()).toEqual(["good.example", "hanging.example"]);
  for (const end of ends) end();
  await dispatcher.stop(inTime());
  expect(await inState("pending")).toBe(0);
});

test("an outage that begins during a round fails a later one, and each until a start succeeds", async () => {
  await pending(["a.example"], 1);
  let fails = false;
  const { round, stop } = dispatcherWith(async () => {
    if (fails) throw unavailable();
  });
  expect(await round()).toBe("more");
  fails = true;
  await pending([], 1);
  await round();
  await stop(inTime());
  await expect(round()).rejects.toThrow("Temporal accepted none of 1 deliveries");
  await expect(round()).rejects.toThrow("Temporal accepted none of 1 deliveries");
  fails = false;
  expect(await round()).toBe("more");
  await stop(inTime());
  expect(await inState("started")).toBe(2);
});

test("a subscription with a backlog does not crowd out the others", async () => {
  await pending(["busy.example"], 50);
  await pending(["quiet.example"], 1);
  const hosts: string[] = [];
  await roundWith(async ({ targetUrl }) => void hosts.push(new URL(targetUrl).host), { inFlightMax: 5 })();
  expect(hosts.filter((host) => host === "busy.example")).toHaveLength(5);
  expect(hosts).toContain("quiet.example");
});

test("a search among thousands of failing subscriptions goes on at once, and rests after four", async () => {
  await pending(["failing.example"], 1);
  const [only] = await listDeliveries(bench.store, { accountId, limit: 1 });
  await copySubscription(bench.store, await copyDelivery(bench.store, only?.id as DeliveryId, 5_000));
  await bench.store.db.updateTable("subscriptions").set({ failing_since: now }).execute();
  const { round, stop } = dispatcherWith(async () => {}, {}, "well");
  const rounds = async () => [await round(), await round(), await round(), await round()];
  const searches = ["searching", "searching", "searching", "idle"];
  expect(await rounds()).toEqual(searches);
  expect(await rounds()).toEqual(searches);
  await stop(inTime());
});

test("on MySQL, a delivery that another session holds does not keep a round from marking the others", async () => {
  await bench.dispose();
  bench = await createTestStore("mysql");
  accountId = (await createAccount(bench.store, { name: "test", now })).id;
  await pending(["a.example"], 5);
  const other = await openStore({ url: bench.url });
  const holder = await other.db.startTransaction().execute();
  const ids: DeliveryId[] = [];
  try {
    const round = roundWith(async ({ deliveryId }) => {
      ids.push(deliveryId);
      if (ids.length > 1) return;
      await holder.selectFrom("deliveries").select("id").where("id", "=", deliveryId).forUpdate().execute();
    });
    expect(await round()).toBe("more");
    expect(await inState("started")).toBe(4);
    expect(await inState("pending")).toBe(1);
  } finally {
    await holder.rollback().execute();
    await closeStore(other);
  }
  // Its lease runs out, and it is started again, which is harmless.
  now += 31_000;
  const [held] = ids;
  const again: DeliveryId[] = [];
  await roundWith(async ({ deliveryId }) => void again.push(deliveryId))();
  expect(again).toEqual([held]);
  expect(await inState("started")).toBe(5);
});
