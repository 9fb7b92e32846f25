import { createPosthasteClient, type PosthasteClient } from "@posthaste/client";
import { SCOPES } from "@posthaste/domain";
import { whileLocked } from "@posthaste/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Bench, type RestAnswer, startBench } from "./fixture.ts";

/** Far more than the database has connections. */
const READS = 50;

let t: Bench;
let other: PosthasteClient;
beforeEach(async () => {
  t = await startBench({ database: "mysql" });
  const { token } = await t.accountWith(SCOPES.filter((scope) => scope !== "admin"));
  other = createPosthasteClient({ baseUrl: t.url, token });
});
afterEach(async () => {
  await other.close();
  await t.dispose();
});

const event = { eventType: "invoice_sent", snapshot: { case: "dataJson" as const, value: "{}" } };

test.each([
  ["statistics", "StatisticsService/GetStatistics", {}],
  ["deliveries", "DeliveryService/ListDeliveries", { eventType: "invoice_sent" }],
  ["deliveries", "StatisticsService/GetStatistics", {}],
  ["event_keys", "DeliveryService/ListEvents", { keyValue: "4711" }],
])("while one account's reads of %s by %s take long, another one ingests", async (table, rpc, request) => {
  const reads: Promise<{ status: number }>[] = [];
  await whileLocked(t.databaseUrl, [table], async () => {
    for (let n = 0; n < READS; n++) reads.push(t.rpc(rpc, request));
    await expect.poll(() => t.counters().admitted).toBe(READS);
    const { eventId } = await other.events.ingestEvent(event);
    expect((await other.deliveries.getEvent({ id: eventId })).dataJson).toBe("{}");
  });
  expect((await Promise.all(reads)).map(({ status }) => status)).toEqual(Array(READS).fill(200));
  expect(t.counters().reads).toBe(0);
});

test("beyond what may wait, an account's newest costly reads are answered 429", async () => {
  const second = await t.tokenWith(["deliveries:read"]);
  const answers: Promise<RestAnswer>[] = [];
  const read = (token: string) => t.rpc("StatisticsService/GetStatistics", {}, { token });
  await whileLocked(t.databaseUrl, ["statistics"], async () => {
    // 5 read, and 256 may wait, with one for each of 100 streams.
    for (let n = 0; n < 361 + 3; n++) answers.push(read(n < 200 ? t.token : second));
    await expect.poll(() => t.logged("request.completed").length).toBe(3);
    expect(t.counters().reads).toBe(361);
  });
  const refused = (await Promise.all(answers)).filter(({ status }) => status !== 200);
  expect(refused.map(({ status, headers }) => [status, headers.get("retry-after")])).toEqual(
    Array(3).fill([429, "1"]),
  );
});

test("a caller that leaves takes its costly reads out of the queue, and no fault is reported", async () => {
  const leave = new AbortController();
  const { signal } = leave;
  await whileLocked(t.databaseUrl, ["subscriptions", "subscription_event_types"], async () => {
    const headers = { authorization: `Bearer ${t.token}` };
    const lists = Array.from({ length: 20 }, (_, n) =>
      n % 2 === 0
        ? fetch(`${t.url}/api/Webhook`, { headers, signal })
        : t.client.subscriptions.listSubscriptions({}, { signal }),
    );
    await expect.poll(() => t.counters().reads).toBe(20);
    leave.abort();
    await Promise.allSettled(lists);
    // Those that had begun go on.
    await expect.poll(() => t.counters().reads).toBe(5);
  });
  await expect
    .poll(t.counters)
    .toEqual(Object.fromEntries(Object.keys(t.counters()).map((kind) => [kind, 0])));
  expect(t.logged("request.faulted")).toEqual([]);
  expect(t.logged("request.completed")).toHaveLength(20);
});
