import { setImmediate } from "node:timers/promises";
import type { AccountId, DeliveryId, EventId, SubscriptionId } from "@posthaste/domain";
import { type DeliverySetup, setupDelivery } from "@posthaste/testkit/delivery";
import { type Client, ServiceError } from "@temporalio/client";
import { defineSearchAttributeKey, SearchAttributeType, TypedSearchAttributes } from "@temporalio/common";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  connectTemporal,
  createSearchability,
  type Searchability,
  startDelivery,
} from "../src/client/index.ts";
import { clientOn } from "../src/worker/index.ts";

const PATIENCE = { timeout: 20_000, interval: 50 };
const NAMES = ["Account", "Subscription", "EventType", "Event", "Host"].map((name) => `Posthaste${name}`);
const KEYWORD = 2;
/** Longer than any pause between two registrations. */
const A_WHILE_MS = 61_000;
/**
 * The number of starts at once, over the worker's connection. The server refuses each of them for the same
 * loss. Each is several calls with the deadline of Temporal's client, within which a busy machine must answer
 * all that are made at once.
 */
const STARTS = 10;

let t: DeliverySetup;
/** The worker's clock. */
let at: number;
let complaints: unknown[];
let nextId: number;
let opened: Searchability[];
beforeEach(async () => {
  t = await setupDelivery("dev-server");
  at = 1_000_000;
  complaints = [];
  nextId = 0;
  opened = [];
});
afterEach(async () => {
  await Promise.all(opened.map((searchability) => searchability.stop()));
  await t.dispose();
});

function searchabilityOf(client: Client): Searchability {
  const searchability = createSearchability(client, {
    now: () => at,
    onMissing: (why) => complaints.push(why),
  });
  opened.push(searchability);
  return searchability;
}
const operator = () => t.env.client.connection.operatorService;
/** Removes attributes. Resolves when the server refuses starts with each of them. */
async function remove(names: string[]): Promise<void> {
  await operator().removeSearchAttributes({ namespace: "default", searchAttributes: names });
  for (const name of names) {
    const pair = { key: defineSearchAttributeKey(name, SearchAttributeType.KEYWORD), value: "probe" };
    await vi.waitFor(async () => {
      const probe = t.env.client.workflow.start("probe", {
        workflowId: `probe/${nextId++}`,
        taskQueue: "nobody",
        typedSearchAttributes: new TypedSearchAttributes([pair]),
      });
      await expect(probe).rejects.toThrow();
    }, PATIENCE);
  }
}
const add = (names: string[]) =>
  operator().addSearchAttributes({
    namespace: "default",
    searchAttributes: Object.fromEntries(names.map((name) => [name, KEYWORD])),
  });
const deliveryWith = (deliveryId: string) => ({
  deliveryId: deliveryId as DeliveryId,
  accountId: 1 as AccountId,
  subscriptionId: 2 as SubscriptionId,
  eventId: "evt_1" as EventId,
  eventType: "invoice_sent",
  targetUrl: "https://hooks.example.com/in",
});
/** Starts another delivery, and returns the names of its workflow's attributes. */
async function start(searchability: Searchability): Promise<string[]> {
  const delivery = deliveryWith(`dlv_${nextId++}`);
  const temporal = { ...t.temporal, client: clientOn(t.env.nativeConnection, "default") };
  await startDelivery(temporal, delivery, { searchability });
  const handle = t.env.client.workflow.getHandle(t.temporal.names.delivery(delivery.deliveryId));
  return Object.keys((await handle.describe()).searchAttributes);
}
const VALUES = {
  account: "1",
  subscription: "2",
  eventType: "invoice_sent",
  event: "evt_1",
  host: "a.example",
};
/** A start that fails if it has attributes, with the error of Temporal's client. */
async function refused(attributes: object): Promise<void> {
  if (Object.keys(attributes).length === 0) return;
  const cause = Object.assign(new Error("no mapping"), { code: 3, details: "", metadata: {} });
  throw new ServiceError("Failed to start Workflow", { cause });
}
/** Like {@link refused}, but the start fails only after the test calls `release`. */
function delayedRefusal() {
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const start = async (attributes: object) => {
    await released;
    await refused(attributes);
  };
  return { start, release: () => release() };
}
/** Starts deliveries until one has its attributes: a server takes some seconds to accept new ones. */
const searchable = (searchability: Searchability) =>
  vi.waitFor(async () => {
    at += A_WHILE_MS;
    expect(await start(searchability)).toEqual(expect.arrayContaining(NAMES));
  }, PATIENCE);

test("missing attributes are reported only some time after their registration", async () => {
  const added = vi.spyOn(operator(), "addSearchAttributes").mockResolvedValue({ toJSON: () => ({}) });
  const searchability = searchabilityOf(t.env.client);
  for (let i = 0; i < 3; i++) expect(await start(searchability)).toEqual([]);
  expect(added).toHaveBeenCalledTimes(1);
  expect(complaints).toEqual([]);
  at += A_WHILE_MS;
  expect(await start(searchability)).toEqual([]);
  expect(complaints).toHaveLength(1);
  added.mockRestore();
  await searchable(searchability);
});

test("are asked for again after a second while the namespace does not exist", async () => {
  const client = connectTemporal({ connectionOptions: { address: t.env.address }, namespace: "later" });
  const asked = vi.spyOn(client.connection.operatorService, "listSearchAttributes");
  const searchability = searchabilityOf(client);
  for (let nth = 1; nth <= 3; nth++) {
    await searchability.start(VALUES, async () => {});
    expect(asked).toHaveBeenCalledTimes(nth);
    await Promise.allSettled(asked.mock.results.map(({ value }) => value));
    // The failure is noted in the same turn of the event loop.
    await setImmediate();
    at += 1_000;
  }
  await client.connection.close();
});

describe("attributes that the server has lost", () => {
  test("fail none of many starts; they are reported once and registered once", async () => {
    const searchability = searchabilityOf(t.env.client);
    await searchable(searchability);
    complaints = [];
    at += A_WHILE_MS;
    const added = vi.spyOn(operator(), "addSearchAttributes");
    await remove(["PosthasteHost", "PosthasteEvent"]);
    const found = await Promise.all(Array.from({ length: STARTS }, () => start(searchability)));
    expect(found).toHaveLength(STARTS);
    expect(complaints).toHaveLength(1);
    expect(complaints).toMatchObject([
      { cause: { message: expect.stringContaining("search attribute Posthaste") } },
    ]);
    await vi.waitFor(() => expect(added).toHaveBeenCalledTimes(1), PATIENCE);
    await searchable(searchability);
    expect(complaints).toHaveLength(1);
    expect(added).toHaveBeenCalledTimes(1);

    await remove(["PosthasteHost"]);
    at += A_WHILE_MS;
    await start(searchability);
    expect(complaints).toHaveLength(2);
  });
});

describe("attributes that cannot be registered", () => {
  test("are omitted and registered later, when an operator has removed others", async () => {
    // The server's database supports at most ten Keyword attributes.
    const others = Array.from({ length: 10 }, (_, i) => `Other${i}`);
    await add(others);
    const searchability = searchabilityOf(t.env.client);
    const listed = vi.spyOn(operator(), "listSearchAttributes");
    for (let i = 0; i < 3; i++) expect(await start(searchability)).toEqual([]);
    expect(complaints).toMatchObject([{ message: expect.stringContaining("cannot have more than 10") }]);
    expect(listed).toHaveBeenCalledTimes(1);
    at += A_WHILE_MS;
    await start(searchability);
    await vi.waitFor(() => expect(listed).toHaveBeenCalledTimes(2), PATIENCE);
    expect(complaints).toHaveLength(1);

    await remove(others);
    await searchable(searchability);
    expect(complaints).toHaveLength(1);
  });

  test("delay no delivery if the server does not answer", async () => {
    const unreachable = connectTemporal({ connectionOptions: { address: "127.0.0.1:1" } });
    const searchability = searchabilityOf(unreachable);
    for (let i = 0; i < 3; i++) expect(await start(searchability)).toEqual([]);
    expect(complaints).toHaveLength(1);
    await searchability.stop();
    await unreachable.connection.close();
  });
});

test("a late refusal, after the attributes were registered again, is ignored", async () => {
  const searchability = searchabilityOf(t.env.client);
  await searchable(searchability);
  complaints = [];
  at += A_WHILE_MS;
  const listed = vi.spyOn(operator(), "listSearchAttributes");
  const late = delayedRefusal();
  const lateStart = searchability.start(VALUES, late.start);
  await searchability.start(VALUES, refused);
  await vi.waitFor(() => expect(listed).toHaveBeenCalledTimes(1), PATIENCE);
  expect(complaints).toHaveLength(1);
  await searchability.stop();
  expect(await start(searchability)).toEqual(expect.arrayContaining(NAMES));
  late.release();
  await lateStart;
  expect(await start(searchability)).toEqual(expect.arrayContaining(NAMES));
  expect(complaints).toHaveLength(1);
});

test("a start that is refused for another reason throws that error, and the attributes stay in use", async () => {
  const searchability = searchabilityOf(t.env.client);
  await searchable(searchability);
  complaints = [];
  const tooLong = deliveryWith("x".repeat(2_000));
  await expect(startDelivery(t.temporal, tooLong, { searchability })).rejects.toMatchObject({
    cause: { message: expect.stringContaining("WorkflowId exceeds maximum allowed length") },
  });
  expect(complaints).toEqual([]);
  expect(await start(searchability)).toEqual(expect.arrayContaining(NAMES));
});
