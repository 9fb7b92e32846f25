import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { EventIngestService } from "@posthaste/contracts/event_ingest";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Bench, startBench } from "./fixture.ts";

let t: Bench;
beforeEach(async () => {
  t = await startBench();
  const answer = await t.rpc("EventCatalogService/CreateEventType", {
    code: "parcel_sent",
    schema: SCHEMA,
    sampleJson: JSON.stringify(VALID),
  });
  expect(answer.status).toBe(200);
});
afterEach(() => t.dispose());

const SCHEMA = {
  type: "object",
  required: ["ParcelID"],
  properties: {
    ParcelID: { type: "integer" },
    Lines: { type: "array", items: { required: ["Price"], properties: { Price: { type: "number" } } } },
    To: { type: "string", pattern: "^(a+)+$" },
  },
};
const VALID = { ParcelID: 1, Lines: [{ Price: 1.5 }] };
const INVALID = { ParcelID: "1", Lines: [{ Price: 1 }, { Price: "2" }, {}] };
const choose = async (schemaCheck: string) => {
  const answer = await t.rpc("EventCatalogService/SetSchemaCheck", { schemaCheck });
  expect(answer.body).toEqual({ schemaCheck });
};
const event = (snapshot: unknown, eventType = "parcel_sent") => ({
  eventType,
  dataJson: typeof snapshot === "string" ? snapshot : JSON.stringify(snapshot),
});
const ingest = (snapshot: unknown, eventType?: string) =>
  t.rpc("EventIngestService/IngestEvent", event(snapshot, eventType));
const ingestAll = (...snapshots: unknown[]) =>
  t.rpc("EventIngestService/IngestEvents", { events: snapshots.map((snapshot) => event(snapshot)) });
const VIOLATIONS = [
  { path: "/ParcelID", message: "must be integer" },
  { path: "/Lines/1/Price", message: "must be number" },
  { path: "/Lines/2", message: "must have required property 'Price'" },
];
const accepted = { eventId: expect.stringMatching(/^evt_/) };

test("nothing is checked by default", async () => {
  expect((await t.rpc("EventCatalogService/GetSchemaCheck", {})).body).toEqual({
    schemaCheck: "SCHEMA_CHECK_OFF",
  });
  expect((await ingest(INVALID)).body).toEqual(accepted);
  await choose("SCHEMA_CHECK_REJECT");
  await choose("SCHEMA_CHECK_OFF");
  expect((await ingest(INVALID)).body).toEqual(accepted);
  expect((await t.rpc("EventCatalogService/SetSchemaCheck", {})).body).toEqual({
    schemaCheck: "SCHEMA_CHECK_OFF",
  });
  expect((await t.rpc("EventCatalogService/SetSchemaCheck", { schemaCheck: 9 })).status).toBe(400);
});

describe("with the schema check WARN", () => {
  beforeEach(() => choose("SCHEMA_CHECK_WARN"));

  test("a valid event is accepted without warnings, and an invalid event with its violations", async () => {
    expect((await ingest(VALID)).body).toEqual(accepted);
    expect(t.logged("ingest.schema_violated")).toEqual([]);
    expect((await ingest(INVALID)).body).toEqual({ ...accepted, warnings: VIOLATIONS });
    const { body } = await ingestAll(VALID, INVALID, VALID);
    expect(body.results).toEqual([accepted, { ...accepted, warnings: VIOLATIONS }, accepted]);
    expect((await t.stored()).events).toBe(5);
    const line = { accountId: t.accountId, mode: "WARN", events: 1, violations: 3 };
    expect(t.logged("ingest.schema_violated")).toEqual([line, line]);
  });

  test("a batch of a thousand gets a warning per event, in an answer small enough for every client", async () => {
    const wrong = { Lines: Array.from({ length: 20 }, () => ({})) };
    const { body } = await ingestAll(...Array.from({ length: 1_000 }, () => wrong));
    expect(body.results).toHaveLength(1_000);
    for (const { warnings } of body.results) expect(warnings).toHaveLength(1);
    expect((await ingest(wrong)).body.warnings).toHaveLength(10);
  });

  test("the latest version counts from the moment it is stored", async () => {
    const update = {
      code: "parcel_sent",
      schema: { required: ["a"] },
      sampleJson: '{"a":1}',
      allowBreaking: true,
    };
    expect((await ingest({ a: 1 })).body.warnings).toHaveLength(1);
    expect((await t.rpc("EventCatalogService/UpdateEventType", update)).status).toBe(200);
    expect((await ingest({ a: 1 })).body.warnings).toBeUndefined();
    expect((await ingest(VALID)).body.warnings).toHaveLength(1);
  });
});

describe("with the schema check REJECT", () => {
  beforeEach(() => choose("SCHEMA_CHECK_REJECT"));

  test("an invalid event is refused with its first violations, by field and path", async () => {
    const { status, body } = await ingest(INVALID);
    expect(status).toBe(400);
    expect(body.message).toBe(
      VIOLATIONS.map(({ path, message }) => `data_json: ${path} ${message}`).join("; "),
    );
    expect(body.details[0]).toMatchObject({
      type: "buf.validate.Violations",
      debug: { violations: [{ ruleId: "schema", message: "/ParcelID must be integer" }, {}, {}] },
    });
    const batch = await ingestAll(VALID, VALID, { Lines: Array.from({ length: 20 }, () => ({})) });
    expect(batch.body.message).toMatch(
      /^events\[2\]\.data_json: the snapshot must have required property 'ParcelID'; events\[2\]\.data_json: \/Lines\/0 /,
    );
    expect(batch.body.details[0].debug.violations).toHaveLength(10);
    const struct = { eventType: "parcel_sent", data: { ParcelID: 1.5 } };
    expect((await t.rpc("EventIngestService/IngestEvent", struct)).body.message).toMatch(
      /^data: \/ParcelID must be integer$/,
    );
    expect((await t.stored()).events).toBe(0);
    expect((await ingest(VALID)).status).toBe(200);
  });

  test("built-in types are checked, too, but not the events of other accounts", async () => {
    const { body } = await t.rpc("EventCatalogService/GetEventType", { code: "invoice_sent" });
    expect((await ingest(body.eventType.sampleJson, "invoice_sent")).status).toBe(200);
    expect((await ingest("{}", "invoice_sent")).status).toBe(400);
    const { token } = await t.accountWith(["events:write"]);
    const free = await t.rpc("EventIngestService/IngestEvent", event("{}", "invoice_sent"), { token });
    expect(free.status).toBe(200);
  });

  test("numbers are checked as JSON defines them", async () => {
    const statusOf = async (number: string) => (await ingest(`{"ParcelID":${number}}`)).status;
    expect(await Promise.all(["1.0", "10e1", "12345678901234567890"].map(statusOf))).toEqual([200, 200, 200]);
    expect(await Promise.all(["1.5", '"1"', "1e400", "null"].map(statusOf))).toEqual([400, 400, 400, 400]);
    const row = await t.store.db.selectFrom("events").select("data").orderBy("id", "desc").executeTakeFirst();
    expect(row?.data.toString()).toBe('{"ParcelID":12345678901234567890}');
  });

  test("a pattern that JavaScript's engine would never finish is checked", async () => {
    const { status, body } = await ingest({ ParcelID: 1, To: `${"a".repeat(500_000)}!` });
    expect({ status, message: body.message }).toEqual({
      status: 400,
      message: 'data_json: /To must match pattern "^(a+)+$"',
    });
  });

  test("properties that an alternative leaves unevaluated are the caller's mistake, not a fault", async () => {
    const alternative = { patternProperties: { "^a": {} }, anyOf: [{ unevaluatedProperties: false }] };
    const type = { code: "alternative", schema: { allOf: [alternative] }, sampleJson: "{}" };
    expect((await t.rpc("EventCatalogService/CreateEventType", type)).status).toBe(200);
    const { status, body } = await ingest({ a: {} }, "alternative");
    expect({ status, message: body.message }).toEqual({
      status: 400,
      message: expect.stringContaining('must NOT have unevaluated properties, such as "a"'),
    });
  });

  test("an event that takes too long to check is refused, not accepted", async () => {
    const schema = {
      items: { allOf: Array.from({ length: 200 }, (_item, i) => ({ not: { const: -i - 1 } })) },
    };
    const code = "list_sent";
    const type = { code, schema: { properties: { list: schema } }, sampleJson: '{"list":[1]}' };
    expect((await t.rpc("EventCatalogService/CreateEventType", type)).status).toBe(200);
    const list = Array.from({ length: 20_000 }, (_item, i) => i);
    expect((await ingest({ list }, code)).body.message).toMatch(
      /data_json: the snapshot cannot be checked.*too many steps/,
    );
  });

  test("a refusal is small enough for every protocol, however long the snapshot's names are", async () => {
    const transport = createGrpcTransport({ baseUrl: t.url });
    const lines = Object.fromEntries(
      Array.from({ length: 10 }, (_item, i) => [`${"漢".repeat(90)}${i}`, {}]),
    );
    const schema = { additionalProperties: { additionalProperties: false, required: ["字".repeat(90)] } };
    const type = { code: "map_sent", schema, sampleJson: "{}" };
    expect((await t.rpc("EventCatalogService/CreateEventType", type)).status).toBe(200);
    const headers = { authorization: `Bearer ${t.token}` };
    const error = await createClient(EventIngestService, transport)
      .ingestEvent(
        { eventType: "map_sent", snapshot: { case: "dataJson", value: JSON.stringify(lines) } },
        { headers },
      )
      .then(() => undefined, ConnectError.from);
    expect(error?.code).toBe(Code.InvalidArgument);
    expect(error?.rawMessage).toMatch(/; and more$/);
  });
});
