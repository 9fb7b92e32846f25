import { connect } from "node:net";
import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { IngestEventRequestSchema } from "@posthaste/contracts/event_ingest";
import { SCOPES } from "@posthaste/domain";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { LoopTurnsOptions } from "../src/access/loop-turns.ts";
import { type Bench, startBench } from "./fixture.ts";

/** Costly calls at once. */
const CALLS = 32;
/**
 * Another account's calls that are answered meanwhile, one after another: about one for each costly call, but
 * for the few costly ones that were computed before the first. Without turns it is one for four.
 */
const OTHERS_MIN = CALLS / 2;

let t: Bench;
let other: string;
/** How many computations have waited for a turn. */
let waits = 0;
const countWait = () => {
  waits += 1;
};
const start = async (loopTurns: LoopTurnsOptions = { onWaited: countWait }) => {
  t = await startBench({ loopTurns });
  other = (await t.accountWith(SCOPES.filter((scope) => scope !== "admin"))).token;
};
beforeEach(() => start());
afterEach(() => t.dispose());

const members = (count: number, offset = 0) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`name${i}`, i + offset]));

type Call = {
  readonly path?: string;
  readonly type?: string;
  readonly encoding?: string;
  /** null asks with GET. */
  readonly body: string | Uint8Array | null;
};

async function answerTo({ path, type, encoding, body }: Call, token = t.token, signal?: AbortSignal) {
  const answer = await fetch(`${t.url}${path ?? "/posthaste.v1.EventIngestService/IngestEvent"}`, {
    method: body === null ? "GET" : "POST",
    headers: {
      authorization: `Bearer ${token}`,
      "content-type": type ?? "application/json",
      ...(encoding === undefined ? {} : { "content-encoding": encoding }),
    },
    body: body as string,
    ...(signal === undefined ? {} : { signal }),
  });
  await answer.arrayBuffer();
  return answer.status;
}

/**
 * Sends costly calls at once, and another account's small ones one after another meanwhile.
 *
 * @returns the statuses of the costly calls, and how many of the others were answered before the last of them
 */
async function mixed(calls: readonly Call[]) {
  let unanswered = calls.length;
  const costly = calls.map(async (call) => {
    const status = await answerTo(call);
    unanswered -= 1;
    return status;
  });
  await Promise.race(costly);
  let others = 0;
  const body = JSON.stringify({ eventType: "invoice_sent", dataJson: "{}" });
  for (; unanswered > 0; others++) expect(await answerTo({ body }, other)).toBe(200);
  expect(t.counters().computations).toBe(0);
  return { statuses: new Set(await Promise.all(costly)), others };
}

const EVENT = { eventType: "invoice_sent", data: members(25_000) };
const ALL_NAMES = JSON.stringify(members(25_000));
const KINDS: Readonly<Record<string, { readonly call: () => Call; readonly status: number }>> = {
  "as JSON": { call: () => ({ body: JSON.stringify(EVENT) }), status: 200 },
  "as compressed JSON": {
    call: () => ({ body: gzipSync(JSON.stringify(EVENT)), encoding: "gzip" }),
    status: 200,
  },
  "as Protobuf": {
    call: () => ({
      body: toBinary(
        IngestEventRequestSchema,
        create(IngestEventRequestSchema, {
          eventType: "invoice_sent",
          snapshot: { case: "data", value: members(25_000) },
        }),
      ),
      type: "application/proto",
    }),
    status: 200,
  },
  "as text": {
    call: () => ({ body: JSON.stringify({ eventType: "invoice_sent", dataJson: ALL_NAMES }) }),
    status: 200,
  },
  "to the gateway": { call: () => ({ path: "/api/Webhook", body: ALL_NAMES }), status: 400 },
};

describe("an account that sends costly calls at once", () => {
  test.each(Object.entries(KINDS))("%s leaves turns of the event loop to others", async (_name, kind) => {
    const call = kind.call();
    const { statuses, others } = await mixed(Array.from({ length: CALLS }, () => call));
    expect([...statuses]).toEqual([kind.status]);
    expect(others).toBeGreaterThanOrEqual(OTHERS_MIN);
  });

  test("with used keys of large events leaves turns of the event loop to others", async () => {
    const keys = Array.from({ length: CALLS }, (_, i) => `key ${i}`);
    for (const [i, idempotencyKey] of keys.entries()) {
      const dataJson = JSON.stringify(members(20_000, i));
      const body = JSON.stringify({ eventType: "invoice_sent", idempotencyKey, dataJson });
      expect(await answerTo({ body })).toBe(200);
    }
    const again = keys.map((idempotencyKey) => ({
      body: JSON.stringify({ eventType: "invoice_sent", idempotencyKey, dataJson: '{ "a":1 }' }),
    }));
    const { statuses, others } = await mixed(again);
    expect([...statuses]).toEqual([409]);
    expect(others).toBeGreaterThanOrEqual(OTHERS_MIN);
  });
});

/** How many computations wait for a turn while something is called. */
async function waitsOf(call: () => Promise<{ readonly status: number }>) {
  waits = 0;
  expect((await call()).status).toBe(200);
  return waits;
}

test("answers take turns of the event loop if they are large", async () => {
  const ingested = async (dataJson: string) =>
    (await t.rpc("EventIngestService/IngestEvent", { eventType: "invoice_sent", dataJson })).body.eventId;
  const schema = { type: "object", properties: { a: { type: "string", description: "x".repeat(2_000) } } };
  await t.rpc("EventCatalogService/CreateEventType", { code: "large", schema, sampleJson: "{}" });
  for (let n = 0; n < 10; n++) {
    const targetUrl = `https://host${n}.example/`;
    await t.rpc("SubscriptionService/CreateSubscription", { targetUrl, eventTypes: ["*"] });
  }
  const [small, large] = [await ingested("{}"), await ingested(JSON.stringify({ text: "x".repeat(2_000) }))];
  const { body } = await t.rpc("DeliveryService/ListDeliveries", { pageSize: 1 });
  const { id } = body.deliveries[0];

  const calls: readonly (readonly [waits: number, method: string, body: object])[] = [
    [0, "DeliveryService/GetEvent", { id: small }],
    // Its keys are read first.
    [2, "DeliveryService/GetEvent", { id: large }],
    [0, "DeliveryService/GetDelivery", { id }],
    [1, "DeliveryService/ListDeliveries", {}],
    [0, "DeliveryService/ListDeliveries", { pageSize: 1 }],
    [0, "SubscriptionService/GetSubscription", { id: 1 }],
    [0, "SubscriptionService/ListSubscriptions", { pageSize: 1 }],
    [1, "SubscriptionService/ListSubscriptions", {}],
    [1, "StatisticsService/GetStatistics", {}],
    // Their schemas are parsed first.
    [2, "EventCatalogService/GetEventType", { code: "large" }],
    [2, "EventCatalogService/ListEventTypes", {}],
  ];
  for (const [expected, method, request] of calls) {
    expect([method, await waitsOf(() => t.rpc(method, request))]).toEqual([method, expected]);
  }
  expect(await waitsOf(() => t.rest("GET", "/api/Webhook"))).toBe(1);
});

test("what a stream sends takes turns of the event loop if it is large", async () => {
  const changesOf = async (events: number) => {
    const left = new AbortController();
    const stream = t.client.deliveries.watchDeliveries({}, { signal: left.signal });
    waits = 0;
    let changes = 0;
    for await (const answer of stream) {
      if (answer.changes.length === 0) await ingestAll(events);
      changes += answer.changes.length;
      if (changes < events) continue;
      left.abort();
      return waits;
    }
    throw new Error("the stream has ended");
  };
  const ingestAll = async (count: number) => {
    const event = { eventType: "invoice_sent", dataJson: "{}" };
    await t.rpc("EventIngestService/IngestEvents", { events: Array.from({ length: count }, () => event) });
  };
  await t.rpc("SubscriptionService/CreateSubscription", {
    targetUrl: "https://host.example/",
    eventTypes: ["*"],
  });
  expect(await changesOf(1)).toBe(0);
  expect(await changesOf(20)).toBeGreaterThan(0);
});

test("many small contents of a used key take turns of the event loop like few large ones", async () => {
  waits = 0;
  // The same object in a hundred spellings.
  const events = Array.from({ length: 100 }, (_, i) => ({
    eventType: "invoice_sent",
    idempotencyKey: "key",
    dataJson: `{"text":${" ".repeat(i)}"${"x".repeat(500)}"}`,
  }));
  const ingested = await t.rpc("EventIngestService/IngestEvents", { events });
  expect(ingested.body.results.map(({ duplicate = false }) => duplicate)).toEqual([
    false,
    ...Array.from({ length: 99 }, () => true),
  ]);
  // One for the message.
  expect(waits).toBeGreaterThan(1 + 95);
});

test.each([
  ["to the gateway", KINDS["to the gateway"]?.call()],
  ["of an RPC", KINDS["as JSON"]?.call()],
  ["for a list", { path: "/api/Webhook", body: null }],
])("a request %s that leaves while it waits for a turn is no fault of the server", async (_what, call) => {
  let nowMs = 0;
  await t.dispose();
  // The first computation takes a second. Then time stands still, so that nothing is repaid.
  await start({
    now: () => nowMs,
    onWaited: () => {
      nowMs = 1_000;
    },
  });
  for (let n = 0; n < 10; n++)
    await t.rest("POST", "/api/Webhook", {
      json: { target_url: `https://host${n}.example/`, event: "invoice_sent" },
    });
  await answerTo({ body: JSON.stringify(EVENT) });
  // Another account's request, which needs the loop.
  const socket = connect(Number(new URL(t.url).port), "127.0.0.1");
  const head = ["host: a", `authorization: Bearer ${other}`, "content-type: application/json"];
  socket.write(`${["POST /api/Webhook HTTP/1.1", ...head, "content-length: 9"].join("\r\n")}\r\n\r\n{`);
  await expect.poll(() => t.counters().admitted).toBe(1);
  const over = new AbortController();
  const left = answerTo(call ?? { body: "" }, t.token, over.signal).catch(() => "left");
  await expect.poll(() => t.counters().computations).toBe(1);
  over.abort();
  expect(await left).toBe("left");
  await expect.poll(() => t.counters()).toMatchObject({ computations: 0, lines: 1 });
  expect(t.logged("request.faulted")).toEqual([]);
  socket.destroy();
});
