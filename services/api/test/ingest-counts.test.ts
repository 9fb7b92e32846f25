import { countWaiting, whileLocked } from "@posthaste/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Bench, startBench } from "./fixture.ts";

let t: Bench;
beforeEach(async () => {
  t = await startBench({ database: "mysql" });
});
afterEach(() => t.dispose());

const event = (idempotencyKey: string) => ({ eventType: "invoice_sent", dataJson: "{}", idempotencyKey });
const STORED = { events: 1, duplicates: 0, deliveries: 0 };

test("what an ingest call stores is counted, and in its line", async () => {
  await t.rpc("EventIngestService/IngestEvent", event("a"));
  await t.rpc("EventIngestService/IngestEvents", { events: [event("a"), event("b")] });
  expect(t.ingested).toEqual([STORED, { events: 1, duplicates: 1, deliveries: 0 }]);
  await expect.poll(() => t.logged("request.completed")).toMatchObject(t.ingested);
});

test("what an ingest call stores after its caller has left is counted", async () => {
  const leave = new AbortController();
  await whileLocked(t.databaseUrl, ["events"], async () => {
    const left = fetch(`${t.url}/posthaste.v1.EventIngestService/IngestEvent`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${t.token}` },
      body: JSON.stringify(event("a")),
      signal: leave.signal,
    });
    await expect.poll(() => countWaiting(t.store)).toBe(1);
    leave.abort();
    await expect(left).rejects.toThrow();
    await expect.poll(() => t.logged("request.completed")).toMatchObject([{ aborted: true }]);
  });
  await expect.poll(() => t.ingested).toEqual([STORED]);
  expect((await t.stored()).events).toBe(1);
});
