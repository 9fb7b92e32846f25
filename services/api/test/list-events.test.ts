import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { createPosthasteClient, type PosthasteClient } from "@posthaste/client";
import { EVENT_TYPES } from "@posthaste/domain";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Bench, startBench } from "./fixture.ts";

let t: Bench;
beforeEach(async () => {
  t = await startBench();
});
afterEach(() => t.dispose());

const ingest = async (eventType: string, json: string, idempotencyKey = "", client = t.client) => {
  const snapshot = { case: "dataJson" as const, value: json };
  return (await client.events.ingestEvent({ eventType, snapshot, idempotencyKey })).eventId;
};
const find = async (filter: Parameters<PosthasteClient["deliveries"]["listEvents"]>[0], client = t.client) =>
  (await client.deliveries.listEvents(filter)).events.map(({ id }) => id);
const parcel = (keys: readonly { pointer: string; sensitive?: boolean }[], over: object = {}) =>
  t.client.catalog.createEventType({ code: "parcel_sent", sampleJson: "{}", keys: [...keys], ...over });
const refusal = async (answer: Promise<unknown>) => {
  const [settled] = await Promise.allSettled([answer]);
  return settled?.status === "rejected" ? settled.reason : undefined;
};

describe("an event says", () => {
  const keysOf = async (id: string) =>
    (await t.client.deliveries.getEvent({ id })).keys.map(({ pointer, value, sensitive }) => {
      return sensitive ? [pointer, value, "sensitive"] : [pointer, value];
    });

  test("by which keys it is found, and of sensitive ones only where they are", async () => {
    await parcel([{ pointer: "/ParcelID" }, { pointer: "/To/Phone", sensitive: true }, { pointer: "/None" }]);
    const id = await ingest("parcel_sent", '{"To":{"Phone":"+44 117"},"ParcelID":12.50,"Other":"x"}');
    expect(await keysOf(id)).toEqual([
      ["/To/Phone", "", "sensitive"],
      ["/ParcelID", "12.50"],
    ]);
  });

  test("none that its type has had only since", async () => {
    await parcel([{ pointer: "/a" }, { pointer: "/b" }]);
    const before = await ingest("parcel_sent", '{"a":"x","b":"y","c":"z"}');
    const keys = [{ pointer: "/b" }, { pointer: "/c" }];
    await t.client.catalog.updateEventType({ code: "parcel_sent", keys: { keys } });
    expect(await keysOf(before)).toEqual([["/b", "y"]]);
    expect(await keysOf(await ingest("parcel_sent", '{"a":"x","b":"y","c":"z"}'))).toHaveLength(2);
  });

  test("its idempotency key exactly, and none if it had none", async () => {
    const keyOf = async (id: string) => (await t.client.deliveries.getEvent({ id })).idempotencyKey;
    const longest = "é".repeat(254);
    for (const key of ["order 7 ", `${longest} `]) {
      const id = await ingest("invoice_sent", "{}", key);
      expect(await ingest("invoice_sent", "{}", key)).toBe(id);
      expect(await keyOf(id)).toBe(key);
    }
    // The client library makes a key if it is given none.
    const event = { eventType: "invoice_sent", dataJson: "{}" };
    expect(await keyOf((await t.rpc("EventIngestService/IngestEvent", event)).body.eventId)).toBe("");
  });
});

describe("an event is found", () => {
  test("by the values of its type's keys, exactly as its snapshot has them", async () => {
    await parcel([{ pointer: "/ParcelID" }, { pointer: "/To/Phone", sensitive: true }, { pointer: "/Sum" }]);
    const json = '{"Sum":12345678901234567890.10,"To":{"Phone":"+44 117"},"ParcelID":"P/7 ","Other":"x"}';
    const id = await ingest("parcel_sent", json);
    for (const keyValue of ["P/7 ", "+44 117", "12345678901234567890.10"]) {
      expect(await find({ keyValue })).toEqual([id]);
    }
    for (const keyValue of ["P/7", "+44117", "12345678901234567890.1", "x", "p/7 "]) {
      expect(await find({ keyValue })).toEqual([]);
    }
  });

  test("by the identifying fields of a built-in type, also if it is sent as a Struct or as a test", async () => {
    const invoice = EVENT_TYPES.find(({ code }) => code === "invoice_sent");
    const first = await ingest("invoice_sent", JSON.stringify(invoice?.sample));
    const data = { InvoiceNumber: "1042", CompanyIDFK: 4711 };
    const snapshot = { case: "data" as const, value: data };
    const { eventId: second } = await t.client.events.ingestEvent({ eventType: "invoice_sent", snapshot });
    const third = await ingest("company_updated", '{"CompanyID":4711}');
    expect(await find({ keyValue: "1042" })).toEqual([second, first]);
    expect(await find({ keyValue: "58213" })).toEqual([first]);
    expect(await find({ keyValue: "4711" })).toEqual([third, second, first]);
    expect(await find({ keyValue: "4711", eventType: "company_updated" })).toEqual([third]);
    const { subscription } = await t.client.subscriptions.createSubscription({
      targetUrl: "https://receiver.example/",
      eventTypes: ["contact_created"],
    });
    const { delivery } = await t.client.subscriptions.sendTestEvent({
      subscriptionId: subscription?.id ?? 0,
    });
    expect(await find({ keyValue: "ada@foxglove-quill.example" })).toEqual([delivery?.eventId]);
  });

  test("by the keys that its type had when it was ingested", async () => {
    await parcel([{ pointer: "/a" }]);
    const json = '{"a":"x","b":"y"}';
    const before = await ingest("parcel_sent", json);
    await t.client.catalog.updateEventType({ code: "parcel_sent", keys: { keys: [{ pointer: "/b" }] } });
    const after = await ingest("parcel_sent", json);
    expect(await find({ keyValue: "x" })).toEqual([before]);
    expect(await find({ keyValue: "y" })).toEqual([after]);
  });

  test("by its idempotency key, and by its type and time", async () => {
    const first = await ingest("invoice_sent", "{}", "once ");
    const second = await ingest("contact_created", "{}", "twice");
    expect(await find({ idempotencyKey: "once " })).toEqual([first]);
    expect(await find({ idempotencyKey: "once" })).toEqual([]);
    expect(await find({ idempotencyKey: "once ", eventType: "contact_created" })).toEqual([]);
    expect(await find({ eventType: "contact_created" })).toEqual([second]);
    const { createdAt } = await t.client.deliveries.getEvent({ id: first });
    expect(await find({ createdBefore: createdAt })).toEqual([]);
    expect(await find({ createdFrom: createdAt })).toEqual([second, first]);
    expect(await find({ createdFrom: timestampFromMs(Date.now() + 60_000) })).toEqual([]);
  });

  test("with its type, time and size, and without its snapshot", async () => {
    const id = await ingest("invoice_sent", '{"Note":"é"}');
    const { events, nextPageToken } = await t.client.deliveries.listEvents({});
    const { createdAt } = await t.client.deliveries.getEvent({ id });
    expect(nextPageToken).toBe("");
    expect(events).toMatchObject([{ id, eventType: "invoice_sent", createdAt, dataBytes: 13 }]);
    expect(Object.keys(events[0] ?? {})).not.toContain("dataJson");
  });

  test("by nobody of another account, nor with a token that may not read deliveries", async () => {
    await ingest("invoice_sent", '{"InvoiceNumber":"1042"}', "once");
    const { token } = await t.accountWith(["deliveries:read"]);
    const other = createPosthasteClient({ baseUrl: t.url, token });
    for (const filter of [{}, { keyValue: "1042" }, { idempotencyKey: "once" }]) {
      expect(await find(filter, other)).toEqual([]);
      expect(await find(filter)).toHaveLength(1);
    }
    await other.close();
    const writer = createPosthasteClient({ baseUrl: t.url, token: await t.tokenWith(["events:write"]) });
    expect(await refusal(find({}, writer))).toMatchObject({ code: Code.PermissionDenied });
    await writer.close();
  });

  test("on one of several pages", async () => {
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) ids.unshift(await ingest("invoice_sent", '{"CompanyIDFK":4711}'));
    const seen: string[] = [];
    for (let pageToken = ""; ; ) {
      const page = await t.client.deliveries.listEvents({ keyValue: "4711", pageSize: 2, pageToken });
      seen.push(...page.events.map(({ id }) => id));
      if (page.nextPageToken === "") break;
      pageToken = page.nextPageToken;
    }
    expect(seen).toEqual(ids);
  });

  test.each<[string, object, RegExp]>([
    ["a value of more than 256 bytes", { keyValue: "é".repeat(129) }, /key_value/],
    ["an idempotency key of 256 characters", { idempotencyKey: "x".repeat(256) }, /idempotency_key/],
    ["an event type with a space", { eventType: "invoice sent" }, /event_type/],
    ["a page of 501", { pageSize: 501 }, /page_size/],
    ["a page token that was not issued", { pageToken: "x" }, /page_token/],
  ])("unless the request has %s", async (_what, filter, message) => {
    expect(await refusal(find(filter))).toMatchObject({
      code: Code.InvalidArgument,
      message: expect.stringMatching(message),
    });
  });
});

describe("the keys of an event type", () => {
  const KEYS = [
    { pointer: "/ParcelID", sensitive: false },
    { pointer: "/To/Phone", sensitive: true },
  ];

  test("are read as they were written, in each version", async () => {
    expect((await parcel(KEYS)).eventType?.keys).toMatchObject(KEYS);
    const code = "parcel_sent";
    const updated = await t.client.catalog.updateEventType({ code, description: "Sent." });
    expect(updated.eventType?.keys).toMatchObject(KEYS);
    const none = await t.client.catalog.updateEventType({ code, keys: { keys: [] } });
    expect(none.eventType).toMatchObject({ version: 3, keys: [], description: "Sent." });
    expect((await t.client.catalog.getEventType({ code, version: 2 })).eventType?.keys).toMatchObject(KEYS);
    const { eventTypes } = await t.client.catalog.listEventTypes({});
    expect(eventTypes.find((type) => type.code === code)?.keys).toEqual([]);
    expect(eventTypes.find((type) => type.code === "contact_created")?.keys).toMatchObject([
      { pointer: "/ContactID", sensitive: false },
      { pointer: "/CompanyIDFK", sensitive: false },
      { pointer: "/Email", sensitive: true },
    ]);
  });

  const keysAt = (...pointers: string[]) => pointers.map((pointer) => ({ pointer }));
  const nine = keysAt(...[..."abcdefghi"].map((name) => `/${name}`));
  test.each<[string, { pointer: string }[], RegExp]>([
    ["no pointer", keysAt("/a", ""), /keys\[1\]\.pointer/],
    ["a name instead of a pointer", keysAt("ParcelID"), /keys\[0\]\.pointer is not a JSON Pointer/],
    ["a pointer of 257 characters", keysAt(`/${"x".repeat(256)}`), /keys\[0\]\.pointer/],
    ["a pointer that ends in a space", keysAt("/a "), /keys\[0\]\.pointer ends in a space/],
    ["a pointer twice", keysAt("/a", "/a"), /keys\[1\]\.pointer repeats \/a/],
    ["nine pointers", nine, /keys/],
  ])("are refused with %s, by their field", async (_what, keys, message) => {
    expect(await refusal(parcel(keys))).toMatchObject({
      code: Code.InvalidArgument,
      message: expect.stringMatching(message),
    });
    await parcel([]);
    const update = t.client.catalog.updateEventType({ code: "parcel_sent", keys: { keys } });
    expect(await refusal(update)).toMatchObject({
      code: Code.InvalidArgument,
      message: expect.stringMatching(new RegExp(message.source.replace("keys", "keys\\.keys"))),
    });
  });
});
