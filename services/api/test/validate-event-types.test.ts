import { listAuditEntries } from "@posthaste/store";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Bench, startBench } from "./fixture.ts";

let t: Bench;
beforeEach(async () => {
  t = await startBench();
});
afterEach(() => t.dispose());

const SCHEMA = {
  type: "object",
  required: ["ParcelID"],
  properties: { ParcelID: { type: "integer" }, Carrier: { enum: ["post", "bike"] } },
};
const PARCEL = {
  code: "parcel_sent",
  description: "A parcel was sent.",
  schema: SCHEMA,
  sampleJson: '{"ParcelID":1}',
  keys: [{ pointer: "/ParcelID" }],
};
const call = (method: string, body: object, token?: string) =>
  t.rpc(`EventCatalogService/${method}`, body, token === undefined ? {} : { token });
const create = (over: object = {}, token?: string) => call("CreateEventType", { ...PARCEL, ...over }, token);
const update = (over: object = {}) => call("UpdateEventType", { code: "parcel_sent", ...over });
/** The rows that a call might have left: event types, their versions, and entries of the audit log. */
async function stored() {
  const { db } = t.store;
  const types = await db.selectFrom("event_types").selectAll().execute();
  const versions = await db.selectFrom("event_type_versions").selectAll().execute();
  return { types, versions, entries: await listAuditEntries(t.store, { limit: 100 }) };
}

/** Answers with an error as a whole, whatever the request's id. */
const answerOf = async (answer: ReturnType<typeof create>) => {
  const { status, body } = await answer;
  return { status, body };
};

describe("a new event type that is only validated", () => {
  test("is answered as it would be stored, and nothing is stored", async () => {
    const before = await stored();
    const { status, body } = await create({ validateOnly: true });
    expect(status).toBe(200);
    expect(body.eventType).toMatchObject({ ...PARCEL, version: 1 });
    expect(await stored()).toEqual(before);
    expect((await call("GetEventType", { code: "parcel_sent" })).status).toBe(404);
    expect((await create()).status).toBe(200);
  });

  test.each<[string, object]>([
    ["a built-in code", { code: "invoice_sent" }],
    ["a code that is no code", { code: "Parcel" }],
    ["a sample that does not match", { sampleJson: '{"ParcelID":"x"}' }],
    ["a sample that is not JSON", { sampleJson: "{a}" }],
    ["an unknown keyword", { schema: { nulable: true } }],
    ["a key that is no pointer", { keys: [{ pointer: "ParcelID" }] }],
    ["a line break in its description", { description: "a\nb" }],
    ["the scope admin missing", { shared: true }],
  ])("is refused for %s with the same error as without validate_only", async (_title, over) => {
    const refused = await answerOf(create({ ...over, validateOnly: true }));
    expect(refused.status).toBeGreaterThanOrEqual(400);
    expect(refused).toEqual(await answerOf(create(over)));
  });

  test("is refused if the code is taken, even by an archived event type or, if shared, by any account", async () => {
    await create();
    await call("ArchiveEventType", { code: "parcel_sent" });
    const own = await answerOf(create({ validateOnly: true }));
    expect(own.body).toMatchObject({ code: "already_exists" });
    expect(own).toEqual(await answerOf(create()));
    const admin = await t.tokenWith(["admin"]);
    expect((await create({ shared: true, validateOnly: true }, admin)).body).toMatchObject({
      code: "already_exists",
    });
    const { token } = await t.accountWith(["catalog:write"]);
    expect((await create({ validateOnly: true }, token)).status).toBe(200);
  });

  test("is refused if the catalogue would be too large", async () => {
    const schema = { default: Array(31_000).fill(1) };
    const large = { schema, sampleJson: "{}", keys: [] };
    expect((await create({ ...large, code: "parcel_1" })).status).toBe(200);
    expect((await create({ ...large, code: "parcel_2" })).status).toBe(200);
    const refused = await answerOf(create({ ...large, validateOnly: true }));
    expect(refused.body).toMatchObject({ code: "resource_exhausted" });
    expect(refused).toEqual(await answerOf(create(large)));
  });

  test("needs the scope catalog:write", async () => {
    const token = await t.tokenWith(["subscriptions:read"]);
    expect((await create({ validateOnly: true }, token)).status).toBe(403);
  });
});

describe("a new version that is only validated", () => {
  beforeEach(async () => void (await create()));

  test("is answered as it would be stored, and nothing is stored", async () => {
    const before = await stored();
    const change = { description: "Sent.", schema: { ...SCHEMA, title: "Parcel" }, keys: { keys: [] } };
    const { body } = await update({ ...change, validateOnly: true });
    expect(body.eventType).toMatchObject({ description: "Sent.", schema: change.schema, version: 2 });
    expect(body.eventType.keys).toBeUndefined();
    expect(await stored()).toEqual(before);
    const read = await call("GetEventType", { code: "parcel_sent" });
    expect(read.body.eventType).toMatchObject({ ...PARCEL, version: 1 });
    expect((await update(change)).body.eventType).toMatchObject({ version: 2 });
  });

  test.each<[string, object]>([
    ["breaks receivers", { schema: { type: "object", properties: { Carrier: true } } }],
    ["does not match the sample", { sampleJson: '{"ParcelID":"x"}' }],
    ["has an invalid schema", { schema: { type: "date" } }],
  ])("is refused with the same error as without validate_only if it %s", async (_title, change) => {
    const refused = await answerOf(update({ ...change, validateOnly: true }));
    expect(refused.status).toBeGreaterThanOrEqual(400);
    expect(refused).toEqual(await answerOf(update(change)));
  });

  test("is fine though it breaks receivers, if allow_breaking is set", async () => {
    const schema = { type: "object", properties: { Carrier: true } };
    const { body } = await update({ schema, allowBreaking: true, validateOnly: true });
    expect(body.eventType).toMatchObject({ schema, version: 2 });
  });

  test("is refused for a built-in and for an archived event type", async () => {
    const builtIn = await update({ code: "invoice_sent", validateOnly: true });
    expect(builtIn.body).toMatchObject({ code: "failed_precondition" });
    await call("ArchiveEventType", { code: "parcel_sent" });
    expect((await update({ validateOnly: true })).body).toMatchObject({ code: "failed_precondition" });
  });
});
