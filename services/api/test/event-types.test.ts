import { updateEventType } from "@posthaste/store";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { requireSubscribable } from "../src/catalog/require-event-type.ts";
import { type Bench, createOtherCatalog, type RestAnswer, startBench } from "./fixture.ts";

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
  sampleJson: '{"ParcelID": 1, "Carrier":"post"}',
};
const call = (method: string, body: object = {}, token?: string) =>
  t.rpc(`EventCatalogService/${method}`, body, token === undefined ? {} : { token });
const create = (over: object = {}, token?: string) => call("CreateEventType", { ...PARCEL, ...over }, token);
const ingest = (eventType: string, dataJson = "{}", token?: string) =>
  t.rpc("EventIngestService/IngestEvent", { eventType, dataJson }, token === undefined ? {} : { token });
const refused = (code: string, message: RegExp) => ({
  body: { code, message: expect.stringMatching(message) },
});
const admin = () => t.tokenWith(["admin"]);
const other = async () => (await t.accountWith(["catalog:write", "events:write"])).token;
const codesIn = ({ body }: RestAnswer): string[] =>
  body.eventTypes.map((type: { code: string }) => type.code);

describe("an event type created at run time", () => {
  test("works like a built-in type: it can be subscribed to by REST and RPC, ingested, tested, read", async () => {
    const { status, body } = await create();
    expect(status).toBe(200);
    expect(body.eventType).toEqual({
      ...PARCEL,
      version: 1,
      createdAt: expect.stringMatching(/^20/),
      updatedAt: body.eventType.createdAt,
    });
    const rest = await t.rest("POST", "/api/Webhook", {
      json: { target_url: "https://a.example/", event: "parcel_sent" },
    });
    expect(rest.status).toBe(201);
    const rpc = { targetUrl: "https://b.example/", eventTypes: ["parcel_sent"] };
    expect((await t.rpc("SubscriptionService/CreateSubscription", rpc)).status).toBe(200);
    expect((await ingest("parcel_sent", '{"ParcelID":7}')).body).toMatchObject({ deliveryCount: 2 });
    const tested = await t.rpc("SubscriptionService/SendTestEvent", { subscriptionId: rest.body.ID });
    expect(tested.body.delivery).toMatchObject({ eventType: "parcel_sent" });
    const data = await t.store.db
      .selectFrom("events")
      .select("data")
      .orderBy("id", "desc")
      .executeTakeFirst();
    expect(data?.data.toString()).toBe(PARCEL.sampleJson);
    expect(codesIn(await call("ListEventTypes"))).toHaveLength(29);
    expect((await call("GetEventType", { code: "parcel_sent" })).body).toEqual(body);
  });

  test("may have a schema of draft-07", async () => {
    const schema = { $schema: "http://json-schema.org/draft-07/schema#", ...SCHEMA };
    expect((await create({ schema })).body.eventType.schema).toEqual(schema);
  });

  test.each(["parcel.sent", "parcel-sent", "v2.parcel-line.sent_again"])(
    "may be called %s, and is found by this name everywhere",
    async (code) => {
      expect((await create({ code })).body.eventType).toMatchObject({ code });
      const byRest = { target_url: "https://receiver.example/rest", event: code };
      expect(await t.rest("POST", "/api/Webhook", { json: byRest })).toMatchObject({ status: 201 });
      await t.client.subscriptions.createSubscription({
        targetUrl: "https://receiver.example/rpc",
        eventTypes: [code],
      });
      const { deliveryCount } = await t.client.events.ingestEvent({
        eventType: code,
        snapshot: { case: "dataJson", value: PARCEL.sampleJson },
      });
      expect(deliveryCount).toBe(2);
      const { deliveries } = await t.client.deliveries.listDeliveries({ eventType: code });
      expect(deliveries).toHaveLength(2);
      expect((await call("GetEventType", { code })).body.eventType).toMatchObject({ code });
    },
  );

  test("is invisible to other accounts, and they may use its code", async () => {
    await create();
    const token = await other();
    expect(codesIn(await call("ListEventTypes", {}, token))).not.toContain("parcel_sent");
    for (const method of ["GetEventType", "UpdateEventType", "ArchiveEventType"]) {
      expect(await call(method, { code: "parcel_sent" }, token)).toMatchObject({ status: 404 });
    }
    expect(await ingest("parcel_sent", "{}", token)).toMatchObject(
      refused("invalid_argument", /not an event type/),
    );
    expect((await create({}, token)).status).toBe(200);
  });

  test("is shared by all accounts if an administrator says so, and only administrators change it", async () => {
    const token = await other();
    expect(await create({ shared: true })).toMatchObject(refused("permission_denied", /scope admin/));
    const { body } = await create({ shared: true }, await admin());
    expect(body.eventType).toMatchObject({ shared: true });
    expect((await ingest("parcel_sent", "{}", token)).status).toBe(200);
    for (const method of ["UpdateEventType", "ArchiveEventType"]) {
      expect(await call(method, { code: "parcel_sent" })).toMatchObject(
        refused("permission_denied", /scope admin/),
      );
    }
    const update = { code: "parcel_sent", description: "Sent." };
    expect((await call("UpdateEventType", update, await admin())).status).toBe(200);
    const seen = await call("GetEventType", { code: "parcel_sent" }, token);
    expect(seen.body.eventType).toMatchObject({ description: "Sent.", version: 2 });
  });

  test.each<[string, object, string, RegExp]>([
    ["a built-in code", { code: "invoice_sent" }, "already_exists", /built in/],
    ["a code in capitals", { code: "Parcel" }, "invalid_argument", /^code /],
    ["a code of 65 characters", { code: "a".repeat(65) }, "invalid_argument", /^code /],
    ["a code that ends in a dot", { code: "parcel." }, "invalid_argument", /^code /],
    ["a code with two dots in a row", { code: "parcel..sent" }, "invalid_argument", /^code /],
    ["a code that begins with a dash", { code: "-parcel" }, "invalid_argument", /^code /],
    ["no sample", { sampleJson: "" }, "invalid_argument", /sample_json/],
    ["a sample that is not JSON", { sampleJson: "{a}" }, "invalid_argument", /sample_json is not valid JSON/],
    [
      "a sample that does not match",
      { sampleJson: '{"ParcelID":1,"Carrier":"goat"}' },
      "invalid_argument",
      /^sample_json does not match the schema: \/Carrier must be equal to one of/,
    ],
    ["a line break in its description", { description: "a\nb" }, "invalid_argument", /control character/],
    [
      "a keyword of OpenAPI",
      { schema: { nullable: true } },
      "invalid_argument",
      /type: \["string", "null"\]/,
    ],
    ["an unknown JSON type", { schema: { type: "date" } }, "invalid_argument", /\/type must be equal/],
    [
      "an unknown keyword",
      { schema: { nulable: true } },
      "invalid_argument",
      /\/nulable is not a supported keyword/,
    ],
    [
      "a reference to another site",
      { schema: { $ref: "https://example.com/x.json" } },
      "invalid_argument",
      /\/\$ref must point into the same schema/,
    ],
    [
      "a reference to a file",
      { schema: { items: { $ref: "other.json#/a" } } },
      "invalid_argument",
      /same schema/,
    ],
    [
      "a reference to something that is not a schema",
      { schema: { enum: [{ type: "string" }], $ref: "#/enum/0" } },
      "invalid_argument",
      /points to \/enum\/0, which is not a schema/,
    ],
    [
      "another dialect",
      { schema: { $schema: "http://json-schema.org/draft-04/schema#" } },
      "invalid_argument",
      /2020-12/,
    ],
    ["look-ahead", { schema: { pattern: "(?=a)" } }, "invalid_argument", /RE2's syntax/],
    [
      "an invalid pattern",
      { schema: { patternProperties: { "(": true } } },
      "invalid_argument",
      /RE2's syntax/,
    ],
    [
      "a pattern that repeats too much",
      { schema: { pattern: "(ab){700}" } },
      "invalid_argument",
      /repeats too much/,
    ],
    [
      "an unsupported format",
      { schema: { format: "regex" } },
      "invalid_argument",
      /\/format must be one of date/,
    ],
    [
      "a schema of 70,000 bytes",
      { schema: { title: "x".repeat(70_000) } },
      "invalid_argument",
      /at most 65536/,
    ],
    [
      "101 alternatives",
      { schema: { oneOf: Array.from({ length: 101 }, () => true) } },
      "invalid_argument",
      /more than 100/,
    ],
    [
      "501 schemas",
      { schema: { allOf: Array.from({ length: 500 }, () => true) } },
      "invalid_argument",
      /more than 500/,
    ],
    [
      "a schema of 80 levels",
      { schema: Array.from({ length: 80 }).reduce<object>((not) => ({ not }), {}) },
      "invalid_argument",
      /nests deeper/,
    ],
    [
      "a circular schema",
      { schema: { allOf: [{ $ref: "#" }, { $ref: "#" }] } },
      "invalid_argument",
      /too many steps/,
    ],
  ])("with %s is refused, and nothing is stored", async (_title, over, code, message) => {
    expect(await create(over)).toMatchObject(refused(code, message));
    expect(await t.store.db.selectFrom("event_types").selectAll().execute()).toEqual([]);
  });

  test("with a taken code is refused, whichever account uses the code", async () => {
    await create();
    expect(await create()).toMatchObject(refused("already_exists", /parcel_sent/));
    expect(await create({ shared: true }, await admin())).toMatchObject(
      refused("already_exists", /parcel_sent/),
    );
  });
});

describe("a new version", () => {
  const update = (body: object) => call("UpdateEventType", { code: "parcel_sent", ...body });
  beforeEach(async () => {
    await create();
  });

  test("replaces the previous version, which can still be read", async () => {
    const schema = { ...SCHEMA, properties: { ...SCHEMA.properties, Weight: { type: "number" } } };
    expect((await update({ schema })).body.eventType).toMatchObject({
      version: 2,
      schema,
      sampleJson: PARCEL.sampleJson,
    });
    const read = async (version: number) =>
      (await call("GetEventType", { code: "parcel_sent", version })).body;
    expect((await read(0)).eventType).toMatchObject({ version: 2, schema });
    expect((await read(1)).eventType).toMatchObject({ version: 1, schema: SCHEMA });
    expect(await read(3)).toMatchObject({ code: "not_found", message: expect.stringContaining("1 to 2") });
  });

  test("that would break receivers is refused, naming the breaks, unless allow_breaking is set", async () => {
    const breaks = Object.fromEntries(
      Array.from({ length: 12 }, (_item, i) => [`p${i}`, { type: "string" }]),
    );
    await update({ schema: { ...SCHEMA, properties: { ...SCHEMA.properties, ...breaks } } });
    const schema = { type: "object", properties: { ParcelID: { type: ["integer", "null"] } } };
    const answer = await update({ schema });
    expect(answer).toMatchObject(refused("failed_precondition", /allow_breaking/));
    expect(answer.body.message).toMatch(
      /\/ParcelID may now be null \(was integer\); \/Carrier was removed; \/p0 was removed/,
    );
    expect(answer.body.message).toMatch(/\/p7 was removed; and 5 more/);
    expect(answer.body.details[0].debug.violations).toHaveLength(10);
    expect((await update({ schema, allowBreaking: true })).body.eventType).toMatchObject({ version: 3 });
  });

  test("needs a sample that matches, whether the sample is new or not", async () => {
    const schema = { ...SCHEMA, required: ["ParcelID", "To"] };
    expect(await update({ schema })).toMatchObject(refused("invalid_argument", /'To'/));
    expect((await update({ schema, sampleJson: '{"ParcelID":1,"To":"me"}' })).status).toBe(200);
  });

  test("is stored for each of five concurrent changes that succeed", async () => {
    const answers = await Promise.all(
      Array.from({ length: 5 }, (_item, i) => update({ description: `${i}` })),
    );
    const versions = answers.filter(({ status }) => status === 200).map(({ body }) => body.eventType.version);
    expect(versions.toSorted()).toEqual([2, 3, 4, 5, 6].slice(0, versions.length));
    expect(versions.length).toBeGreaterThan(1);
  });
});

test.each(["UpdateEventType", "ArchiveEventType"])(
  "%s refuses a built-in type, saying why",
  async (method) => {
    expect(await call(method, { code: "invoice_sent" }, await admin())).toMatchObject(
      refused("failed_precondition", /built in.*cannot be changed/),
    );
  },
);

describe("an archived event type", () => {
  const subscribe = (eventTypes: string[]) =>
    t.rpc("SubscriptionService/CreateSubscription", { targetUrl: "https://a.example/", eventTypes });
  const archived = refused("failed_precondition", /archived/);

  test("accepts no new events and no new subscriptions; existing subscriptions keep it", async () => {
    await create();
    const { body } = await subscribe(["parcel_sent"]);
    const first = await call("ArchiveEventType", { code: "parcel_sent" });
    expect(first.body.eventType.archivedAt).toMatch(/^20/);
    expect((await call("ArchiveEventType", { code: "parcel_sent" })).body).toEqual(first.body);

    expect(await ingest("parcel_sent")).toMatchObject(archived);
    expect(await subscribe(["invoice_sent", "parcel_sent"])).toMatchObject(archived);
    const rest = await t.rest("POST", "/api/Webhook", {
      json: { target_url: "https://b.example/", event: "parcel_sent" },
    });
    expect(rest).toMatchObject({ status: 409, body: { detail: expect.stringContaining("archived") } });
    const { id } = body.subscription;
    const updated = await t.rpc("SubscriptionService/UpdateSubscription", {
      id,
      eventTypes: ["parcel_sent", "invoice_sent"],
    });
    expect(updated.body.subscription.eventTypes).toEqual(["invoice_sent", "parcel_sent"]);
    expect(await call("UpdateEventType", { code: "parcel_sent" })).toMatchObject(archived);
    expect(await create()).toMatchObject(refused("already_exists", /parcel_sent/));
    expect(codesIn(await call("ListEventTypes"))).not.toContain("parcel_sent");
    expect(codesIn(await call("ListEventTypes", { includeArchived: true }))).toContain("parcel_sent");
  });

  test("is kept with others by a subscription that is read once", async () => {
    const codes = ["parcel_sent", "parcel_lost", "parcel_found"];
    for (const code of codes) await create({ code });
    for (const code of codes) await call("ArchiveEventType", { code });
    let reads = 0;
    const had = async () => {
      reads += 1;
      return codes;
    };
    await requireSubscribable(createOtherCatalog(t.store), t.accountId, codes, { field: "event_types", had });
    expect(reads).toBe(1);
  });
});

test("a full catalogue has no more values than a large event, and fits into an answer by gRPC", async () => {
  let values = 0;
  for (let count = 32_000, n = 1; count >= 500; n++) {
    const schema = { default: Array(count).fill(1) };
    const made = await create({ code: `parcel_${n}`, schema, sampleJson: "{}" });
    if (made.status === 200) values += count;
    else expect(made).toMatchObject(refused("resource_exhausted", /the maximum is 1500000/));
    if (made.status !== 200) count /= 2;
  }
  expect(values).toBeLessThan(100_000);
  const answer = await fetch(`${t.url}/posthaste.v1.EventCatalogService/ListEventTypes`, {
    method: "POST",
    headers: { authorization: `Bearer ${t.token}`, "content-type": "application/proto" },
  });
  expect(answer.status).toBe(200);
  // Half of 4 MiB: the shared event types may be as large.
  expect((await answer.arrayBuffer()).byteLength).toBeLessThan(2 * 1_048_576);
});

describe("another process of the API", () => {
  test("may have changed what an update would leave as this process knows it: the update is made", async () => {
    await create();
    const { id } = await t.store.db.selectFrom("event_types").select("id").executeTakeFirstOrThrow();
    const texts = {
      description: "Other.",
      schemaJson: JSON.stringify(SCHEMA),
      sampleJson: PARCEL.sampleJson,
    };
    await updateEventType(t.store, { id, owner: t.accountId, basedOn: 1, ...texts, now: Date.now() });
    const { code, description } = PARCEL;
    const back = await call("UpdateEventType", { code, description });
    expect(back.body.eventType).toMatchObject({ version: 3, description });
    expect((await call("UpdateEventType", { code, description })).body.eventType.version).toBe(3);
    await t.store.db.updateTable("event_types").set({ archived_at: Date.now() }).execute();
    expect(await call("UpdateEventType", { code, description })).toMatchObject({ status: 400 });
  });

  test("sees a change after two seconds, and reads the database no more often than that", async () => {
    let now = 1;
    let queries = 0;
    const counting = t.store.db.withPlugin({
      transformQuery: ({ node }) => {
        queries += 1;
        return node;
      },
      transformResult: async ({ result }) => result,
    });
    const catalog = createOtherCatalog({ ...t.store, db: counting }, () => now);
    const find = () => catalog.find(t.accountId, "parcel_sent");
    expect(await find()).toBeUndefined();
    await create();
    const perRead = queries;
    now = 2_001;
    for (let i = 0; i < 100; i++) expect(await find()).toBeUndefined();
    expect(queries).toBe(perRead);
    now = 2_002;
    expect(await find()).toMatchObject({ version: 1 });
    await Promise.all(Array.from({ length: 100 }, find));
    expect(queries).toBe(2 * perRead);
  });

  test("reads again after a failed read", async () => {
    const catalog = createOtherCatalog(t.store);
    await t.store.db.schema.alterTable("event_types").renameTo("away").execute();
    await expect(catalog.find(t.accountId, "parcel_sent")).rejects.toThrow();
    await t.store.db.schema.alterTable("away").renameTo("event_types").execute();
    expect(await catalog.find(t.accountId, "parcel_sent")).toBeUndefined();
  });
});
