import { connect as connectHttp2 } from "node:http2";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Bench, startBench } from "./fixture.ts";

const INGEST = "/posthaste.v1.EventIngestService/IngestEvent";
const INVALID_ARGUMENT = "3";

let t: Bench;
beforeEach(async () => {
  t = await startBench();
});
afterEach(() => t.dispose());

/** The parts of Protobuf's wire format that these tests need. */
const varint = (n: number): number[] => (n < 128 ? [n] : [(n % 128) + 128, ...varint(Math.floor(n / 128))]);
const lengthDelimited = (field: number, content: Buffer) =>
  Buffer.concat([Buffer.from([field * 8 + 2, ...varint(content.length)]), content]);
const envelope = (content: Buffer, isCompressed = false) => {
  const head = Buffer.alloc(5);
  head[0] = isCompressed ? 1 : 0;
  head.writeUInt32BE(content.length, 1);
  return Buffer.concat([head, content]);
};

/** An event whose `data` is a list in a list in a list, 5,000 levels deep. */
function nestedTooDeep(): Buffer {
  let value = Buffer.from([8, 0]);
  for (let i = 0; i < 5_000; i++) value = lengthDelimited(6, lengthDelimited(1, value));
  const entry = Buffer.concat([lengthDelimited(1, Buffer.from("a")), lengthDelimited(2, value)]);
  return Buffer.concat([
    lengthDelimited(1, Buffer.from("invoice_sent")),
    lengthDelimited(2, lengthDelimited(1, entry)),
  ]);
}

type Payload = { readonly body: Buffer; readonly isCompressed?: boolean };

const compressed = gzipSync(lengthDelimited(1, Buffer.from("invoice_sent")));
const PAYLOADS: Readonly<Record<string, Payload>> = {
  "a field longer than the message": { body: Buffer.from([10, 255, 255, 255, 255, 15]) },
  "a text that is not UTF-8": { body: lengthDelimited(1, Buffer.from([0xc3, 0x28])) },
  "nesting that overflows parsers": { body: nestedTooDeep() },
  "truncated gzip": { body: compressed.subarray(0, -10), isCompressed: true },
  "empty gzip": { body: Buffer.alloc(0), isCompressed: true },
  "a body that claims to be gzip": { body: Buffer.from("no gzip"), isCompressed: true },
};

const post = (contentType: string, body: Buffer, headers: Readonly<Record<string, string>> = {}) =>
  fetch(`${t.url}${INGEST}`, {
    method: "POST",
    headers: { ...headers, "content-type": contentType, authorization: `Bearer ${t.token}` },
    body,
  });

describe.each(Object.entries(PAYLOADS))("%s is the caller's mistake", (_name, payload) => {
  const { body, isCompressed = false } = payload;
  const encodedAs = (header: string): Record<string, string> => (isCompressed ? { [header]: "gzip" } : {});
  afterEach(async () => {
    expect((await t.stored()).events).toBe(0);
    expect(t.logged("request.faulted")).toEqual([]);
    expect((await t.rest("GET", "/api/Webhook")).status).toBe(200);
  });

  test("over Connect", async () => {
    const response = await post("application/proto", body, encodedAs("content-encoding"));
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: "invalid_argument" });
  });

  test("over gRPC-Web", async () => {
    const response = await post(
      "application/grpc-web+proto",
      envelope(body, isCompressed),
      encodedAs("grpc-encoding"),
    );
    const frame = Buffer.from(await response.arrayBuffer());
    expect(frame[0]).toBe(128);
    expect(frame.readUInt32BE(1)).toBe(frame.length - 5);
    expect(frame.toString("latin1", 5)).toMatch(/^grpc-status: 3\r$/m);
  });

  test("over gRPC", async () => {
    const session = connectHttp2(t.url);
    const stream = session.request({
      ":method": "POST",
      ":path": INGEST,
      "content-type": "application/grpc+proto",
      ...encodedAs("grpc-encoding"),
      te: "trailers",
      authorization: `Bearer ${t.token}`,
    });
    const status = new Promise((resolve) => {
      // A response without a body carries its trailers in the only header block.
      stream.on("response", (headers) => headers["grpc-status"] && resolve(headers["grpc-status"]));
      stream.on("trailers", (trailers) => resolve(trailers["grpc-status"]));
    });
    stream.resume();
    stream.end(envelope(body, isCompressed));
    expect(await status).toBe(INVALID_ARGUMENT);
    session.destroy();
  });
});

describe("a message that can never fit is the caller's mistake", () => {
  const large = lengthDelimited(3, Buffer.alloc(6_400_000, "x"));
  const words = /the message is over 6356992 bytes/;

  test("over Connect", async () => {
    const response = await post("application/proto", large);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      code: "invalid_argument",
      message: expect.stringMatching(words),
    });
  });

  test("over gRPC-Web", async () => {
    const response = await post("application/grpc-web+proto", envelope(large));
    const answer = `${response.headers.get("grpc-message")}${await response.text()}`;
    expect(decodeURIComponent(answer)).toMatch(words);
    expect(`${response.headers.get("grpc-status")} ${answer}`).toMatch(/^3 |grpc-status: 3\r/);
  });

  test.each([
    ["over Connect", "application/proto", gzipSync(large), { "content-encoding": "gzip" }],
    [
      "over gRPC-Web",
      "application/grpc-web+proto",
      envelope(gzipSync(large), true),
      { "grpc-encoding": "gzip" },
    ],
  ])("also if it is small until it is decompressed, %s", async (_title, type, body, headers) => {
    const response = await post(type, body, headers);
    const answer = `${response.headers.get("grpc-message")}${await response.text()}`;
    expect(decodeURIComponent(answer)).toMatch(words);
    expect(`${response.status} ${response.headers.get("grpc-status")} ${answer}`).toMatch(
      /^400 |^200 3 |grpc-status: 3\r/,
    );
  });

  test("as a stream over Connect", async () => {
    const response = await fetch(`${t.url}/posthaste.v1.DeliveryService/WatchDeliveries`, {
      method: "POST",
      headers: { "content-type": "application/connect+proto", authorization: `Bearer ${t.token}` },
      body: envelope(lengthDelimited(15, Buffer.alloc(1_200_000, "x"))),
    });
    const frame = Buffer.from(await response.arrayBuffer());
    expect(frame[0]).toBe(2);
    expect(JSON.parse(frame.toString("utf8", 5)).error).toMatchObject({
      code: "invalid_argument",
      message: expect.stringMatching(/the message is over 1114112 bytes/),
    });
  });

  test.each([
    ["every character escaped", (text: string) => text.replaceAll("<", "\\u003c")],
    ["letters of other alphabets escaped", (text: string) => text.replaceAll("é", "\\u00e9")],
  ])("but the largest snapshot fits into JSON with %s", async (_title, escaped) => {
    const dataJson = JSON.stringify({ a: "<".repeat(500_000), b: "é".repeat(274_280) });
    expect(Buffer.byteLength(dataJson)).toBeLessThanOrEqual(1_048_576);
    const raw = escaped(JSON.stringify({ eventType: "invoice_sent", dataJson }));
    expect(await t.rpc("EventIngestService/IngestEvent", undefined, { raw })).toMatchObject({ status: 200 });
    const { data } = await t.store.db.selectFrom("events").select("data").executeTakeFirstOrThrow();
    expect(String(data)).toBe(dataJson);
  });
});

test("a fault is answered as an internal error in every protocol", async () => {
  await t.store.db.schema.dropTable("events").execute();
  const event = Buffer.concat([
    lengthDelimited(1, Buffer.from("invoice_sent")),
    lengthDelimited(3, Buffer.from("{}")),
  ]);
  const overConnect = await post("application/proto", event);
  expect(overConnect.status).toBe(500);
  const { code, message } = (await overConnect.json()) as { code: string; message: string };
  expect({ code, message }).toEqual({ code: "internal", message: "internal error" });
  const overWeb = await post("application/grpc-web+proto", envelope(event));
  expect(await overWeb.text()).toMatch(/grpc-status: 13\r$/m);
});
