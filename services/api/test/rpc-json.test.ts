import { once } from "node:events";
import { connect as connectHttp2, type IncomingHttpHeaders } from "node:http2";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Bench, startBench } from "./fixture.ts";

let t: Bench;
beforeEach(async () => {
  t = await startBench();
});
afterEach(() => t.dispose());

const INGEST = "EventIngestService/IngestEvent";
const LIST = "DeliveryService/ListDeliveries";
const nothing = { subscriptions: 0, events: 0, deliveries: 0 };

type Detail = { readonly debug: { readonly fieldViolations?: readonly { readonly description: string }[] } };

/** Sends a call's body as it is. */
const send = async (method: string, contentType: string, body: string | Uint8Array) => {
  const answer = await fetch(`${t.url}/posthaste.v1.${method}`, {
    method: "POST",
    headers: { authorization: `Bearer ${t.token}`, "content-type": contentType },
    body: body as string,
  });
  return { status: answer.status, headers: answer.headers, body: Buffer.from(await answer.arrayBuffer()) };
};

/** Puts a message into the frame of a stream. */
const framed = (message: Uint8Array) => {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
};

describe("a field that the contracts do not know", () => {
  test("is refused in JSON, with its name: a misspelt idempotency key would not be one", async () => {
    const event = { eventType: "invoice_sent", dataJson: "{}", idempotencyKy: "1" };
    expect(await t.rpc(INGEST, event)).toMatchObject({
      status: 400,
      body: { code: "invalid_argument", message: expect.stringContaining('"idempotencyKy" is unknown') },
    });
    expect(await t.rpc("EventIngestService/IngestEvents", { events: [event] })).toMatchObject({
      status: 400,
    });
    expect(await t.stored()).toEqual(nothing);
  });

  const FIELDS = "; there is eventType, data, dataJson, idempotencyKey";
  test.each([
    ["one letter less", "idempotencyKy", "; did you mean idempotencyKey?"],
    ["one letter less, as the contracts write it", "idempotency_ky", "; did you mean idempotency_key?"],
    ["another case", "EventType", "; did you mean eventType?"],
    ["another word", "colour", FIELDS],
    ["half a million letters", "x".repeat(500_000), FIELDS],
  ])("is refused with the name that is meant, if one is: %s", async (_what, name, hint) => {
    for (const [method, message] of [
      [INGEST, { [name]: "1" }],
      ["EventIngestService/IngestEvents", { events: [{ [name]: "1" }] }],
    ] as const) {
      const { status, body } = await t.rpc(method, message);
      expect(status).toBe(400);
      const [why] = body.details.flatMap((detail: Detail) => detail.debug.fieldViolations ?? []);
      expect(why.description).toBe(`is unknown${hint}`);
      expect(body.message).toMatch(/(is unknown|…);/);
      expect(body.message.endsWith(hint)).toBe(true);
    }
  });

  test.each([
    ["what there is instead", "SubscriptionService/GetSubscription", "; there is id"],
    ["that there is none", "EventCatalogService/GetSchemaCheck", "; there is no field"],
    ["nothing more where there is much", "SubscriptionService/UpdateSubscription", ""],
  ])("is refused with %s, if no name is similar", async (_what, method, hint) => {
    const { body } = await t.rpc(method, { somethingElse: 1 });
    expect(body.message.replace(/^.* is unknown/, "")).toBe(hint);
  });

  test("is refused if it is the name of an enum's value", async () => {
    expect(await t.rpc(LIST, { state: "DELIVERY_STATE_FALED" })).toMatchObject({
      status: 400,
      body: { message: expect.stringContaining("DELIVERY_STATE_FALED") },
    });
  });

  test("is ignored if the installation says so, for clients that are newer", async () => {
    const lenient = await startBench({ limits: { refusesUnknownFields: false } });
    try {
      const event = { eventType: "invoice_sent", dataJson: "{}", of_next_year: 1 };
      expect((await lenient.rpc(INGEST, event)).status).toBe(200);
    } finally {
      await lenient.dispose();
    }
  });
});

describe("a value that its field does not take is refused with the field and what it takes:", () => {
  const CREATE = "SubscriptionService/CreateSubscription";
  const subscription = { targetUrl: "https://yoursite.example/", eventTypes: ["*"] };
  const seconds = 'takes seconds as text with an s, such as "20s"';
  const checks = "SCHEMA_CHECK_OFF, SCHEMA_CHECK_WARN or SCHEMA_CHECK_REJECT";
  test.each<[string, string, object, string, string]>([
    [
      "an enum's value by a short name",
      "EventCatalogService/SetSchemaCheck",
      { schemaCheck: "REJECT" },
      "schema_check",
      `takes ${checks}`,
    ],
    [
      "an enum's value by a number that it lacks",
      "EventCatalogService/SetSchemaCheck",
      { schemaCheck: 99 },
      "schema_check",
      `must be one of ${checks}`,
    ],
    ["a duration without a unit", CREATE, { ...subscription, timeout: "20" }, "timeout", seconds],
    ["a duration as a number", CREATE, { ...subscription, timeout: 20 }, "timeout", seconds],
    [
      "headers as text",
      CREATE,
      { ...subscription, headers: "x-a: 1" },
      "headers",
      'cannot be decoded: "x-a: 1"',
    ],
  ])("%s", async (_what, method, message, field, description) => {
    const { status, body } = await t.rpc(method, message);
    expect(status).toBe(400);
    const details = body.details.map(({ debug }: { debug: object }) => debug);
    expect(details).toContainEqual(expect.objectContaining({ reason: "FIELD_INVALID" }));
    expect(details).toContainEqual(
      expect.objectContaining({ fieldViolations: [expect.objectContaining({ field, description })] }),
    );
    if (!description.startsWith("cannot")) expect(body.message).toContain(`${field} ${description}`);
  });

  test("a value that several fields might have is refused with their names and what they take", async () => {
    const { body } = await t.rpc("DeliveryService/ListDeliveries", { createdFrom: "yesterday" });
    const takes = 'takes a time as text (RFC 3339), such as "2030-01-31T12:00:00Z"';
    expect(body.message).toContain(`; created_from or created_before ${takes}`);
  });

  test("two members of which a message takes one are refused in plain words, and both are named", async () => {
    const message = { eventType: "invoice_sent", idempotencyKey: "k", data: {}, dataJson: "{}" };
    const { status, body } = await t.rpc(INGEST, message);
    expect([status, body.message]).toEqual([400, "the message has data and data_json; send one of them"]);
    const fieldViolations = ["data", "data_json"].map((field) =>
      expect.objectContaining({ field, description: "send one of data and data_json" }),
    );
    expect(body.details.map(({ debug }: { debug: object }) => debug)).toEqual([
      expect.objectContaining({ reason: "FIELD_INVALID" }),
      expect.objectContaining({ fieldViolations }),
    ]);
  });
});

describe("bytes that are not UTF-8 are refused, not replaced,", () => {
  const text = (char: Uint8Array) =>
    Buffer.concat([Buffer.from('{"eventType":"invoice_sent","data":{"a":"'), char, Buffer.from('"}}')]);
  const invalid = text(Buffer.from([0xc3, 0x28]));

  test("in the JSON of Connect", async () => {
    const answer = await send(INGEST, "application/json", invalid);
    expect(JSON.parse(String(answer.body))).toMatchObject({
      code: "invalid_argument",
      message: "the message is not valid UTF-8",
    });
    expect((await send(INGEST, "application/json", text(Buffer.from("é")))).status).toBe(200);
    expect((await t.stored()).events).toBe(1);
  });

  test("in the JSON of gRPC-Web", async () => {
    const { headers, body } = await send(INGEST, "application/grpc-web+json", framed(invalid));
    expect(`${headers.get("grpc-status")} ${body}`).toMatch(/not%20valid%20UTF-8/);
    expect(await t.stored()).toEqual(nothing);
  });

  test("in the JSON of gRPC", async () => {
    const session = connectHttp2(t.url);
    const stream = session.request({
      ":method": "POST",
      ":path": `/posthaste.v1.${INGEST}`,
      "content-type": "application/grpc+json",
      te: "trailers",
      authorization: `Bearer ${t.token}`,
    });
    let answer: IncomingHttpHeaders = {};
    stream.on("response", (headers) => (answer = { ...answer, ...headers }));
    stream.on("trailers", (headers) => (answer = { ...answer, ...headers }));
    stream.resume().end(framed(invalid));
    await once(stream, "close");
    session.close();
    expect(answer).toMatchObject({ "grpc-status": "3", "grpc-message": expect.stringMatching(/UTF-8/) });
    expect(await t.stored()).toEqual(nothing);
  });

  test.each([
    ["percent-encoded", `message=${encodeURIComponent('{"pageToken":"')}%C3%28%22}`],
    ["Base64", `base64=1&message=${Buffer.from('{"pageToken":"\xc3("}', "latin1").toString("base64url")}`],
  ])("in the query of a GET, %s", async (_title, message) => {
    const { status, body } = await t.rest("GET", `/posthaste.v1.${LIST}?connect=v1&encoding=json&${message}`);
    expect({ status, message: body.message }).toEqual({
      status: 400,
      message: "the message is not valid UTF-8",
    });
  });

  test("and a GET whose message is valid is answered", async () => {
    const message = encodeURIComponent('{"pageSize": 7}').replaceAll("%20", "+");
    const path = `/posthaste.v1.${LIST}?connect=v1&encoding=json&message=${message}`;
    expect(await t.rest("GET", path)).toMatchObject({ status: 200 });
    const wrong = `/posthaste.v1.${LIST}?connect=v1&encoding=json&message=${encodeURIComponent('{"é":1}')}`;
    expect((await t.rest("GET", wrong)).body.message).toContain('"é" is unknown');
  });
});

test("a member called __proto__ is kept, in a snapshot and in metadata", async () => {
  const raw = '{"eventType":"invoice_sent","data":{"__proto__":{"a":1},"b":2}}';
  expect(await t.rpc(INGEST, undefined, { raw })).toMatchObject({ status: 200 });
  const { data } = await t.store.db.selectFrom("events").select("data").executeTakeFirstOrThrow();
  expect(JSON.parse(String(data))).toEqual(JSON.parse('{"__proto__":{"a":1},"b":2}'));

  const create =
    '{"targetUrl":"https://yoursite.example/","eventTypes":["*"],"metadata":{"values":{"__proto__":"x"}}}';
  const { status, body } = await t.rpc("SubscriptionService/CreateSubscription", undefined, { raw: create });
  expect({ status, metadata: JSON.stringify(body.subscription?.metadata) }).toEqual({
    status: 200,
    metadata: '{"__proto__":"x"}',
  });
});

test.each([
  "application/json",
  'application/json; charset="utf-8"',
  "application/json ;  charset=UTF-8",
  "Application/JSON;charset=utf-8;",
])("JSON declared as %s is read", async (contentType) => {
  const { status, headers } = await send(LIST, contentType, "{}");
  expect(status).toBe(200);
  expect(headers.get("cache-control")).toBe("no-store");
});

test.each(["application/json; charset=latin1", 'application/json; charset="utf-16"', "application/jsonp"])(
  "JSON declared as %s is refused",
  async (contentType) => {
    expect((await send(LIST, contentType, "{}")).status).toBe(415);
  },
);
