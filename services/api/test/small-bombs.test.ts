import { gzipSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { IngestEventRequestSchema } from "@posthaste/contracts/event_ingest";
import { EVENT_TYPES } from "@posthaste/domain";
import { countComputing } from "@posthaste/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Bench, startBench } from "./fixture.ts";

const MIB = 1_048_576;
const INGEST = "EventIngestService/IngestEvent";
const INGEST_ALL = "EventIngestService/IngestEvents";

/** Less than one message of the tests below takes. */
const ROOM_BYTES = 100_000;

let t: Bench;
beforeEach(async () => {
  t = await startBench();
});
afterEach(() => t.dispose());

type Sent = { readonly method: string; readonly body: Uint8Array; readonly type?: string };

/** Sends a compressed call, and returns its answer and the processor time that it took. */
const send = async ({ method, body, type = "application/json" }: Sent) => {
  const compressed = gzipSync(body);
  const computedMs = countComputing();
  const answer = await fetch(`${t.url}/posthaste.v1.${method}`, {
    method: "POST",
    headers: { authorization: `Bearer ${t.token}`, "content-type": type, "content-encoding": "gzip" },
    body: compressed,
  });
  return {
    status: answer.status,
    body: (await answer.json()) as { message: string },
    ms: computedMs(),
    bytes: compressed.length,
  };
};

/** Sends a call three times, because the first compiles code, and returns the quickest. */
const leastOf = async (sent: Sent) => {
  const answers = [await send(sent), await send(sent), await send(sent)];
  return answers.reduce((least, one) => (one.ms < least.ms ? one : least));
};

/** Returns `head`, then the item as often as it fits into the bytes, then `tail`. */
const filled = (head: string, item: string, tail: string, bytes: number) =>
  Buffer.from(
    `${head}${`${item},`.repeat((bytes - head.length - tail.length) / (item.length + 1) - 1)}${item}${tail}`,
  );
const dense = (item: string, bytes: number) =>
  filled('{"eventType":"invoice_sent","data":{"a":[', item, "]}}", bytes);
const repeated = (head: Buffer, item: readonly number[], bytes: number) =>
  Buffer.concat([
    head,
    Buffer.alloc(bytes - head.length - ((bytes - head.length) % item.length), Buffer.from(item)),
  ]);

/** The largest snapshot that the contract promises, of invoices as they are. */
const honest = (): Sent => {
  const { sample } = EVENT_TYPES.find(({ code }) => code === "invoice_sent") ?? {};
  return { method: INGEST, body: dense(JSON.stringify(sample), MIB) };
};
/** A Struct of as many members, and then of nothing, again and again: each is merged into all before it. */
const merged = () => {
  const data = Object.fromEntries(Array.from({ length: 1_000 }, (_item, i) => [`m${i}`, 1]));
  const message = create(IngestEventRequestSchema, { snapshot: { case: "data", value: data } });
  return repeated(Buffer.from(toBinary(IngestEventRequestSchema, message)), [0x12, 0], 32_000);
};

describe("a call that is small on the wire takes no more time than two of the largest honest events:", () => {
  const PROTO = "application/proto";
  test.each<[string, Sent]>([
    ["a list of empty objects", { method: INGEST, body: dense("{}", 6 * MIB) }],
    ["a list of numbers", { method: INGEST, body: dense("1", 6 * MIB) }],
    ["a batch of empty events", { method: INGEST_ALL, body: filled('{"events":[', "{}", "]}", 4 * MIB) }],
    [
      "metadata of empty lists",
      {
        method: "SubscriptionService/CreateSubscription",
        body: filled('{"metadata":{"a":[', "[]", "]}}", 6 * MIB),
      },
    ],
    [
      "a batch of empty events in binary",
      { method: INGEST_ALL, body: repeated(Buffer.alloc(0), [0x0a, 0], 4 * MIB), type: PROTO },
    ],
    [
      "unknown fields in binary",
      { method: INGEST, body: repeated(Buffer.alloc(0), [0x78, 1], 6 * MIB), type: PROTO },
    ],
    ["a Struct that is merged again and again", { method: INGEST, body: merged(), type: PROTO }],
  ])("%s", async (_what, bomb) => {
    const most = await leastOf(honest());
    const taken = await leastOf(bomb);
    expect([most.status, taken.status]).toEqual([200, 400]);
    expect(taken.bytes).toBeLessThan(20_000);
    expect(taken.ms).toBeLessThan(2 * most.ms);
  });
});

describe("what a message takes once it is decompressed counts among the bodies of its account:", () => {
  beforeEach(async () => {
    await t.dispose();
    t = await startBench({ limits: { bodiesBytesMax: ROOM_BYTES } });
  });
  const message = Buffer.from(`{"eventType":"invoice_sent","dataJson":"{}"${" ".repeat(2 * ROOM_BYTES)}}`);
  const full = "are under way hold";

  test("in a body", async () => {
    const { status, body } = await send({ method: INGEST, body: message });
    expect([status, body.message]).toEqual([429, expect.stringContaining(full)]);
  });

  test("in an envelope", async () => {
    const compressed = gzipSync(message);
    const head = Buffer.from([1, 0, 0, 0, 0]);
    head.writeUInt32BE(compressed.length, 1);
    const answer = await fetch(`${t.url}/posthaste.v1.${INGEST}`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${t.token}`,
        "content-type": "application/grpc-web+json",
        "grpc-encoding": "gzip",
      },
      body: Buffer.concat([head, compressed]),
    });
    expect(await answer.text()).toMatch(/grpc-status: 8\r/);
  });

  test("in a URL", async () => {
    const encoded = gzipSync(`{"code":"invoice_sent"${" ".repeat(2 * ROOM_BYTES)}}`).toString("base64url");
    const query = `encoding=json&compression=gzip&base64=1&message=${encoded}`;
    const answer = await fetch(`${t.url}/posthaste.v1.EventCatalogService/GetEventType?${query}`, {
      headers: { authorization: `Bearer ${t.token}` },
    });
    expect([answer.status, ((await answer.json()) as { message: string }).message]).toEqual([
      429,
      expect.stringContaining(full),
    ]);
  });

  afterEach(() => expect.poll(() => t.counters()).toMatchObject({ token: 0 }));
});
