import { whileLocked } from "@posthaste/testkit";
import { enveloped } from "@posthaste/testkit/http2-frames";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Bench, startBench } from "./fixture.ts";

let t: Bench;
/** How many computations have waited for a turn. */
let waits = 0;
beforeEach(async () => {
  waits = 0;
  t = await startBench({
    database: "mysql",
    loopTurns: {
      onWaited: () => {
        waits += 1;
      },
    },
  });
});
afterEach(() => t.dispose());

type Call = { readonly deadline: string; readonly body?: object };

async function overConnect(method: string, { deadline, body = {} }: Call) {
  const response = await fetch(`${t.url}/posthaste.v1.${method}`, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      authorization: `Bearer ${t.token}`,
      "connect-timeout-ms": deadline,
    },
    body: JSON.stringify(body),
  });
  const { code } = (await response.json()) as { code?: string };
  return { status: response.status, code };
}

async function overGrpcWeb(method: string, { deadline, body = {} }: Call) {
  const response = await fetch(`${t.url}/posthaste.v1.${method}`, {
    method: "POST",
    headers: {
      "content-type": "application/grpc-web+json",
      authorization: `Bearer ${t.token}`,
      "grpc-timeout": deadline,
    },
    body: enveloped(JSON.stringify(body)),
  });
  return /grpc-status: (\d+)/.exec(await response.text())?.[1];
}

const PASSED = { status: 504, code: "deadline_exceeded" };
const codes = () => t.logged("request.completed").map(({ code }) => code);

test("a deadline takes a costly read out of the queue, and its caller is told at once", async () => {
  const before: Promise<unknown>[] = [];
  await whileLocked(t.databaseUrl, ["subscriptions", "subscription_event_types"], async () => {
    for (let n = 0; n < 5; n++) before.push(t.rpc("SubscriptionService/ListSubscriptions", {}));
    await expect.poll(() => t.counters().reads).toBe(5);
    const late = "EventCatalogService/ListEventTypes";
    expect(await overConnect(late, { deadline: "200" })).toEqual(PASSED);
    expect(await overGrpcWeb(late, { deadline: "200m" })).toBe("4");
    expect(t.counters().reads).toBe(5);
    await expect.poll(codes).toEqual(["deadline_exceeded", "deadline_exceeded"]);
  });
  await Promise.all(before);
});

test("a message whose deadline has passed waits for no turn of the event loop", async () => {
  const body = { eventType: "invoice_sent", dataJson: JSON.stringify({ text: "x".repeat(100_000) }) };
  const ingest = "EventIngestService/IngestEvent";
  expect(await overConnect(ingest, { deadline: "0", body })).toEqual(PASSED);
  expect(await overGrpcWeb(ingest, { deadline: "0m", body })).toBe("4");
  expect([waits, (await t.stored()).events]).toEqual([0, 0]);
  await expect.poll(codes).toEqual(["deadline_exceeded", "deadline_exceeded"]);
});
