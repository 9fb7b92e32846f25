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
  workflowIdOf,
} from "../src/client/index.ts";
import { clientOn } from "../src/worker/index.ts";

const PATIENCE = { timeout: 20_000, interval: 50 };
const NAMES = ["Account", "Subscription", "EventType", "Event", "Host"].map((name) => `Posthaste${name}`);
const KEYWORD = 2;
/** Longer than the pauses between two looks at what is registered. */
const A_WHILE_MS = 61_000;
/** As the worker's starts are made: over its own connection, many at once. */
const STARTS = 100;

let t: DeliverySetup;
/** A worker's clock. */
let at: number;
let complaints: unknown[];
let nextId: number;
let made: Searchability[];
beforeEach(async () => {
  t = await setupDelivery("dev-server");
  at = 1_000_000;
  complaints = [];
  nextId = 0;
  made = [];
});
afterEach(async () => {
  await Promise.all(made.map((searchability) => searchability.stop()));
  await t.dispose();
});

function searchabilityOf(client: Client): Searchability {
  const one = createSearchability(client, { now: () => at, onMissing: (why) => complaints.push(why) });
  made.push(one);
  return one;
}
const operator = () => t.env.client.connection.operatorService;
/** Resolves when the server refuses starts with any of them. */
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
/** Starts another delivery; resolves with the names of the attributes that its workflow has. */
async function start(searchability: Searchability): Promise<string[]> {
  const delivery = deliveryWith(`dlv_${nextId++}`);
  await startDelivery(clientOn(t.env.nativeConnection, "default"), delivery, { searchability });
  const handle = t.env.client.workflow.getHandle(workflowIdOf(delivery.deliveryId));
  return Object.keys((await handle.describe()).searchAttributes);
}
const VALUES = {
  account: "1",
  subscription: "2",
  eventType: "invoice_sent",
  event: "evt_1",
  host: "a.example",
};
/** A start that the server refuses with attributes, as Temporal's client tells of it. */
async function refused(attributes: object): Promise<void> {
  if (Object.keys(attributes).length === 0) return;
  const cause = Object.assign(new Error("no mapping"), { code: 3, details: "", metadata: {} });
  throw new ServiceError("Failed to start Workflow", { cause });
}
/** The same, with an answer that comes when the test says so. */
function heldRefusal() {
  let letGo = () => {};
  const held = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const start = async (attributes: object) => {
    await held;
    await refused(attributes);
  };
  return { start, letGo: () => letGo() };
}
/** Starts deliveries until one has its attributes: a server takes a while to know them. */
const searchable = (searchability: Searchability) =>
  vi.waitFor(async () => {
    at += A_WHILE_MS;
    expect(await start(searchability)).toEqual(expect.arrayContaining(NAMES));
  }, PATIENCE);

test("attributes that were just registered are not complained of while the server does not know them, but later", async () => {
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

describe("attributes that the server has lost", () => {
  test("keep none of many starts: all are made without them, one line says so, and they are registered once", async () => {
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
  test("are left out and asked for again after a while, so that they are used once somebody makes room for them", async () => {
    // Ten keywords are all that the server's database has room for.
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

  test("since what registers them does not answer, keep no delivery", async () => {
    const away = connectTemporal({ connectionOptions: { address: "127.0.0.1:1" } });
    const searchability = searchabilityOf(away);
    for (let i = 0; i < 3; i++) expect(await start(searchability)).toEqual([]);
    expect(complaints).toHaveLength(1);
    await searchability.stop();
    await away.connection.close();
  });
});

test("a refusal that comes when the attributes are known again is old: nobody is told, and they are not forgotten", async () => {
  const searchability = searchabilityOf(t.env.client);
  await searchable(searchability);
  complaints = [];
  at += A_WHILE_MS;
  const looked = vi.spyOn(operator(), "listSearchAttributes");
  const late = heldRefusal();
  const lateStart = searchability.start(VALUES, late.start);
  await searchability.start(VALUES, refused);
  await vi.waitFor(() => expect(looked).toHaveBeenCalledTimes(1), PATIENCE);
  expect(complaints).toHaveLength(1);
  await searchability.stop();
  expect(await start(searchability)).toEqual(expect.arrayContaining(NAMES));
  late.letGo();
  await lateStart;
  expect(await start(searchability)).toEqual(expect.arrayContaining(NAMES));
  expect(complaints).toHaveLength(1);
});

test("a start that is refused for something else throws what is wrong with it, and no attribute is forgotten", async () => {
  const searchability = searchabilityOf(t.env.client);
  await searchable(searchability);
  complaints = [];
  const tooLong = deliveryWith("x".repeat(2_000));
  await expect(startDelivery(t.env.client, tooLong, { searchability })).rejects.toMatchObject({
    cause: { message: expect.stringContaining("WorkflowId exceeds maximum allowed length") },
  });
  expect(complaints).toEqual([]);
  expect(await start(searchability)).toEqual(expect.arrayContaining(NAMES));
});
