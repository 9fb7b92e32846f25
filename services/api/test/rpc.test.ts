import { toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { DeliveryState } from "@posthaste/contracts/delivery";
import {
  type ListSubscriptionsResponse,
  ListSubscriptionsResponseSchema,
  SubscriptionState,
} from "@posthaste/contracts/subscription";
import { type DeliveryId, SCOPES } from "@posthaste/domain";
import { claimDeliveries, markStarted } from "@posthaste/store";
import { failedAttempt, recordAttempt, timesIn } from "@posthaste/testkit";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { accessTo, SERVICES } from "../src/connect/access.ts";
import { type Bench, startBench } from "./fixture.ts";

const URL_1 = "https://yoursite.com/yourpage";

let t: Bench;
beforeEach(async () => {
  t = await startBench();
});
afterEach(() => t.dispose());

const nothing = { subscriptions: 0, events: 0, deliveries: 0 };
const ingest = (dataJson: string, idempotencyKey = "") =>
  t.client.events.ingestEvent({
    eventType: "invoice_sent",
    snapshot: { case: "dataJson", value: dataJson },
    idempotencyKey,
  });
const refusal = async (call: Promise<unknown>) => {
  const error = ConnectError.from(
    await call.then(
      () => undefined,
      (reason: unknown) => reason,
    ),
  );
  return { code: error.code, message: error.rawMessage };
};

describe("JSON over Connect, as curl sends it", () => {
  test("ingests an event and returns its id and the number of its deliveries", async () => {
    await t.client.subscriptions.createSubscription({ targetUrl: URL_1, eventTypes: ["invoice_sent"] });
    const { status, body } = await t.rpc("EventIngestService/IngestEvent", {
      eventType: "invoice_sent",
      dataJson: '{"InvoiceNumber":"INV-7"}',
      idempotencyKey: "inv-7-sent",
    });
    expect(status).toBe(200);
    expect(body).toEqual({ eventId: expect.stringMatching(/^evt_[0-9a-z]{26}$/), deliveryCount: 1 });
    expect(t.nudges()).toBe(1);
  });

  test("the snapshot is stored byte for byte", async () => {
    const json = String.raw`{ "z":12345678901234567890, "a" : 1.10,"u":"\u00e9\ud83d\ude80é🚀\u0000" }`;
    await ingest(json);
    const row = await t.store.db.selectFrom("events").select("data").executeTakeFirstOrThrow();
    expect(row.data.toString("utf8")).toBe(json);
  });

  test("a Struct becomes JSON exactly or is refused", async () => {
    const send = (data: object) =>
      t.rpc("EventIngestService/IngestEvent", { eventType: "invoice_sent", data });
    expect((await send({ n: 2 ** 53 - 1, d: 1.5, list: [null, true, { x: "y" }] })).status).toBe(200);
    const row = await t.store.db.selectFrom("events").select("data").executeTakeFirstOrThrow();
    expect(JSON.parse(row.data.toString())).toEqual({
      n: 2 ** 53 - 1,
      d: 1.5,
      list: [null, true, { x: "y" }],
    });
    const { status, body } = await t.rpc("EventIngestService/IngestEvent", undefined, {
      raw: '{"eventType":"invoice_sent","data":{"a":{"ids":[1,12345678901234567890]}}}',
    });
    expect(status).toBe(400);
    expect(body.message).toMatch(/data\.a\.ids\[1\].*2\^53.*data_json/);
    expect((await t.stored()).events).toBe(1);
  });
});

describe("an invalid call is refused with a reason, and nothing is stored:", () => {
  const event = (over: object) => ({ eventType: "invoice_sent", dataJson: "{}", ...over });
  const big = "x".repeat(1_048_577);
  test.each<[string, string, unknown, string, RegExp]>([
    [
      "an unknown event",
      "EventIngestService/IngestEvent",
      event({ eventType: "invoice_snet" }),
      "invalid_argument",
      /did you mean invoice_sent/,
    ],
    [
      "a malformed event type",
      "EventIngestService/IngestEvent",
      event({ eventType: "Invoice Sent" }),
      "invalid_argument",
      /event_type/,
    ],
    [
      "no data",
      "EventIngestService/IngestEvent",
      { eventType: "invoice_sent" },
      "invalid_argument",
      /snapshot|data/,
    ],
    [
      "data that is an array",
      "EventIngestService/IngestEvent",
      event({ dataJson: "[1]" }),
      "invalid_argument",
      /not a JSON object/,
    ],
    [
      "data that is not JSON",
      "EventIngestService/IngestEvent",
      event({ dataJson: "{a:1}" }),
      "invalid_argument",
      /not valid JSON/,
    ],
    [
      "data nested too deeply",
      "EventIngestService/IngestEvent",
      event({ dataJson: `{"a":${"[".repeat(100_000)}` }),
      "invalid_argument",
      /nests deeper/,
    ],
    [
      "half a surrogate pair",
      "EventIngestService/IngestEvent",
      event({ idempotencyKey: "\ud800" }),
      "invalid_argument",
      /./,
    ],
    [
      "NUL in the key",
      "EventIngestService/IngestEvent",
      event({ idempotencyKey: "a\u0000" }),
      "invalid_argument",
      /control character/,
    ],
    [
      "a key of 300 characters",
      "EventIngestService/IngestEvent",
      event({ idempotencyKey: "x".repeat(300) }),
      "invalid_argument",
      /idempotency_key/,
    ],
    [
      "a snapshot over 1 MiB",
      "EventIngestService/IngestEvent",
      event({ dataJson: `{"x":"${big}"}` }),
      "invalid_argument|resource_exhausted",
      /./,
    ],
    [
      "a body over the limit",
      "EventIngestService/IngestEvent",
      event({ dataJson: `{"x":"${big}${"y".repeat(200_000)}"}` }),
      "invalid_argument",
      /./,
    ],
    ["no events", "EventIngestService/IngestEvents", { events: [] }, "invalid_argument", /events/],
    [
      "1,001 events",
      "EventIngestService/IngestEvents",
      { events: Array.from({ length: 1_001 }, () => event({})) },
      "invalid_argument",
      /events/,
    ],
    [
      "one bad event of three",
      "EventIngestService/IngestEvents",
      { events: [event({}), event({ dataJson: "[]" }), event({})] },
      "invalid_argument",
      /events\[1\]\.data_json/,
    ],
    [
      "a target_url for ftp",
      "SubscriptionService/CreateSubscription",
      { targetUrl: "ftp://x.example/", eventTypes: ["*"] },
      "invalid_argument",
      /https: and http:/,
    ],
    [
      "a target_url with credentials",
      "SubscriptionService/CreateSubscription",
      { targetUrl: "https://a:b@x.example/", eventTypes: ["*"] },
      "invalid_argument",
      /credentials/,
    ],
    [
      "a target_url of 3,000 characters",
      "SubscriptionService/CreateSubscription",
      { targetUrl: `${URL_1}?${"x".repeat(3_000)}`, eventTypes: ["*"] },
      "invalid_argument",
      /target_url/,
    ],
    [
      "NUL in target_url",
      "SubscriptionService/CreateSubscription",
      { targetUrl: `${URL_1}\u0000`, eventTypes: ["*"] },
      "invalid_argument",
      /control character/,
    ],
    [
      "no event types",
      "SubscriptionService/CreateSubscription",
      { targetUrl: URL_1 },
      "invalid_argument",
      /event_types/,
    ],
    [
      "a repeated type",
      "SubscriptionService/CreateSubscription",
      { targetUrl: URL_1, eventTypes: ["a", "a"] },
      "invalid_argument",
      /event_types/,
    ],
    [
      "* with other types",
      "SubscriptionService/CreateSubscription",
      { targetUrl: URL_1, eventTypes: ["*", "invoice_sent"] },
      "invalid_argument",
      /alone/,
    ],
    [
      "an unknown type",
      "SubscriptionService/CreateSubscription",
      { targetUrl: URL_1, eventTypes: ["contact_create"] },
      "invalid_argument",
      /contact_created/,
    ],
    [
      "a secret of 300 characters",
      "SubscriptionService/CreateSubscription",
      { targetUrl: URL_1, eventTypes: ["*"], secret: "x".repeat(300) },
      "invalid_argument",
      /secret/,
    ],
    [
      "a timeout of a minute",
      "SubscriptionService/CreateSubscription",
      { targetUrl: URL_1, eventTypes: ["*"], timeout: "60s" },
      "invalid_argument",
      /timeout/,
    ],
    [
      "a page size of 501",
      "SubscriptionService/ListSubscriptions",
      { pageSize: 501 },
      "invalid_argument",
      /page_size/,
    ],
    [
      "a made-up page token",
      "SubscriptionService/ListSubscriptions",
      { pageToken: "xyz" },
      "invalid_argument",
      /page_token/,
    ],
    ["id 0", "SubscriptionService/GetSubscription", { id: 0 }, "invalid_argument", /id/],
  ])("%s", async (_title, method, body, code, message) => {
    const answer = await t.rpc(method, body);
    expect(answer.body.code).toMatch(new RegExp(`^(${code})$`));
    expect(answer.body.message).toMatch(message);
    expect(await t.stored()).toEqual(nothing);
  });

  test.each([
    ["malformed JSON", "{"],
    ["a JSON array", "[]"],
    [
      "deeply nested JSON",
      `{"eventType":"invoice_sent","data":${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}}`,
    ],
    [
      "a deeply nested list",
      `{"eventType":"invoice_sent","data":{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}}`,
    ],
    [
      "moderately nested JSON",
      `{"eventType":"invoice_sent","data":${'{"a":'.repeat(200)}1${"}".repeat(200)}}`,
    ],
    ["a number instead of a string", '{"eventType":5,"dataJson":"{}"}'],
  ])("%s is the caller's mistake, not an internal error", async (_title, raw) => {
    const answer = await t.rpc("EventIngestService/IngestEvent", undefined, { raw });
    expect(answer.body.code).toBe("invalid_argument");
    expect(await t.stored()).toEqual(nothing);
    expect((await t.rpc("EventIngestService/IngestEvent", event({}))).status).toBe(200);
  });
});

describe("idempotency", () => {
  test("50 concurrent calls with one key create one event", async () => {
    const results = await Promise.all(Array.from({ length: 50 }, () => ingest('{"a":1}', "one")));
    expect(new Set(results.map((result) => result.eventId)).size).toBe(1);
    expect(results.filter((result) => !result.duplicate)).toHaveLength(1);
    expect((await t.stored()).events).toBe(1);
  });

  test("content is compared as canonical JSON, and other content is refused", async () => {
    const first = await ingest('{"a":1.10,"b":[1]}', "k");
    expect(await ingest('{ "b":[1], "a":1.1 }', "k")).toMatchObject({
      eventId: first.eventId,
      duplicate: true,
    });
    expect(await refusal(ingest('{"a":1.11,"b":[1]}', "k"))).toMatchObject({ code: Code.AlreadyExists });
    const otherType = t.client.events.ingestEvent({
      eventType: "invoice_created",
      snapshot: { case: "dataJson", value: '{"a":1.1,"b":[1]}' },
      idempotencyKey: "k",
    });
    expect(await refusal(otherType)).toMatchObject({ code: Code.AlreadyExists });
    expect((await t.stored()).events).toBe(1);
  });

  test("a batch is stored completely or not at all", async () => {
    await ingest('{"a":1}', "taken");
    const batch = (last: string) =>
      t.client.events.ingestEvents({
        events: ["x", "y", last].map((key) => ({
          eventType: "invoice_sent",
          snapshot: { case: "dataJson", value: '{"b":1}' },
          idempotencyKey: key,
        })),
      });
    expect(await refusal(batch("taken"))).toMatchObject({
      code: Code.AlreadyExists,
      message: expect.stringContaining("events[2].idempotency_key"),
    });
    expect((await t.stored()).events).toBe(1);
    expect((await batch("z")).results).toHaveLength(3);
    expect((await t.stored()).events).toBe(4);
  });
});

describe("tokens and accounts", () => {
  test("every RPC is refused without a token and without its scope", async () => {
    for (const service of SERVICES) {
      for (const method of service.methods) {
        const access = accessTo(method);
        if (access === "public" || method.methodKind !== "unary") continue;
        const path = `${service.typeName.replace("posthaste.v1.", "")}/${method.name}`;
        expect(await t.rpc(path, {}, { token: null })).toMatchObject({
          status: 401,
          body: { code: "unauthenticated" },
        });
        if (access === "any") continue;
        const others = SCOPES.filter((scope) => scope !== access && scope !== "admin");
        const answer = await t.rpc(path, {}, { token: await t.tokenWith(others) });
        expect(answer).toMatchObject({ status: 403, body: { code: "permission_denied" } });
        expect(answer.body.message).toContain(access);
        const allowed = await t.rpc(path, {}, { token: await t.tokenWith([access]) });
        expect([401, 403]).not.toContain(allowed.status);
      }
    }
  });

  test("another account's ids are answered like ids that do not exist", async () => {
    const { subscription } = await t.client.subscriptions.createSubscription({
      targetUrl: URL_1,
      eventTypes: ["*"],
    });
    await ingest("{}");
    const { deliveries } = await t.client.deliveries.listDeliveries({});
    const { token } = await t.accountWith(SCOPES.filter((scope) => scope !== "admin"));
    const as = { token };
    const theirs = { id: subscription?.id };
    const never = { id: 999_999 };
    for (const rpc of ["Get", "Update", "Delete"]) {
      const method = `SubscriptionService/${rpc}Subscription`;
      const found = await t.rpc(method, theirs, as);
      expect(found).toMatchObject({ status: 404, body: { code: "not_found" } });
      const missing = await t.rpc(method, never, as);
      expect(found.body.message.replace(String(theirs.id), "N")).toBe(
        missing.body.message.replace("999999", "N"),
      );
    }
    const id = deliveries[0]?.id;
    expect((await t.rpc("DeliveryService/GetDelivery", { id }, as)).status).toBe(404);
    expect((await t.rpc("DeliveryService/RetryDelivery", { id }, as)).status).toBe(404);
    expect((await t.rpc("DeliveryService/ListAttempts", { deliveryId: id }, as)).status).toBe(404);
    expect((await t.rpc("DeliveryService/ListDeliveries", {}, as)).body).toEqual({});
    expect((await t.rpc("SubscriptionService/ListSubscriptions", {}, as)).body).toEqual({});
    expect(
      (await t.client.subscriptions.getSubscription({ id: subscription?.id ?? 0 })).subscription?.state,
    ).toBe(SubscriptionState.ACTIVE);
  });

  test("an administrator creates accounts and tokens; a token's secret is shown once", async () => {
    const admin = { token: await t.tokenWith(["admin"]) };
    const { body: created } = await t.rpc("AccountService/CreateAccount", { name: "Acme" }, admin);
    const wanted = { accountId: created.account.id, name: "ci", scopes: ["subscriptions:read"] };
    const { body: issued } = await t.rpc("AccountService/CreateToken", wanted, admin);
    expect(issued.secret).toMatch(/^pht_[0-9A-Za-z]{46}$/);
    expect((await t.rpc("SubscriptionService/ListSubscriptions", {}, { token: issued.secret })).status).toBe(
      200,
    );
    const { body: listed } = await t.rpc(
      "AccountService/ListTokens",
      { accountId: created.account.id },
      admin,
    );
    expect(listed.tokens).toMatchObject([{ id: issued.token.id, hint: issued.secret.slice(0, 8) }]);
    expect(JSON.stringify(listed)).not.toContain(issued.secret);
    await t.rpc("AccountService/RevokeToken", { id: issued.token.id }, admin);
    expect((await t.rpc("SubscriptionService/ListSubscriptions", {}, { token: issued.secret })).status).toBe(
      401,
    );
    expect((await t.rpc("AccountService/CreateToken", { ...wanted, accountId: 999 }, admin)).status).toBe(
      404,
    );
    const past = { ...wanted, expiresAt: "2020-01-01T00:00:00Z" };
    expect((await t.rpc("AccountService/CreateToken", past, admin)).status).toBe(400);
  });

  test("an administrator sets an account's lane and restores the default", async () => {
    const admin = { token: await t.tokenWith(["admin"]) };
    const setLane = (lane?: string, accountId: number = t.accountId) =>
      t.rpc("AccountService/SetLane", { accountId, lane }, admin);
    expect((await setLane("LANE_DIRECT")).body.account).toMatchObject({
      id: t.accountId,
      lane: "LANE_DIRECT",
    });
    const { body } = await t.rpc("AccountService/ListAccounts", {}, admin);
    expect(body.accounts).toMatchObject([{ id: t.accountId, lane: "LANE_DIRECT" }]);
    expect((await setLane()).body.account).not.toHaveProperty("lane");
    expect((await setLane("LANE_DIRECT", 999)).status).toBe(404);
  });
});

describe("subscriptions and deliveries", () => {
  test("pages have the requested size, and the last has no next page", async () => {
    for (let i = 0; i < 5; i++) {
      await t.client.subscriptions.createSubscription({ targetUrl: `${URL_1}/${i}`, eventTypes: ["*"] });
    }
    const first = await t.client.subscriptions.listSubscriptions({ pageSize: 2 });
    const second = await t.client.subscriptions.listSubscriptions({
      pageSize: 3,
      pageToken: first.nextPageToken,
    });
    expect([first, second].map((page) => page.subscriptions.length)).toEqual([2, 3]);
    expect(second.nextPageToken).toBe("");
    await ingest("{}");
    const deliveries = await t.client.deliveries.listDeliveries({ pageSize: 4 });
    const rest = await t.client.deliveries.listDeliveries({
      pageSize: 4,
      pageToken: deliveries.nextPageToken,
    });
    expect([deliveries, rest].map((page) => page.deliveries.length)).toEqual([4, 1]);
  });

  test("a page of the largest subscriptions is one that gRPC clients accept", async () => {
    const clientsAccept = 4 * 1024 * 1024;
    const values = Object.fromEntries(
      Array.from({ length: 20 }, (_, n) => [`${"😀".repeat(62)}${n + 10}`, "😀".repeat(500)]),
    );
    const largest = {
      eventTypes: ["*"],
      description: "😀".repeat(255),
      metadata: { values },
      headers: {
        values: Object.fromEntries(Array.from({ length: 20 }, (_, n) => [`${n + 10}`.padEnd(64, "x"), "1"])),
      },
    };
    const ids: number[] = [];
    for (let i = 0; i < 110; i++) {
      const targetUrl = `https://host${i}.example/`.padEnd(2_048, "x");
      const { subscription } = await t.client.subscriptions.createSubscription({ ...largest, targetUrl });
      ids.push(subscription?.id ?? 0);
    }
    const pages: ListSubscriptionsResponse[] = [];
    do {
      const pageToken = pages.at(-1)?.nextPageToken ?? "";
      pages.push(await t.client.subscriptions.listSubscriptions({ pageSize: 500, pageToken }));
    } while (pages.at(-1)?.nextPageToken !== "");
    const bytes = pages.map((page) => toBinary(ListSubscriptionsResponseSchema, page).byteLength);
    expect(Math.max(...bytes)).toBeLessThan(clientsAccept);
    expect(Math.max(...bytes)).toBeGreaterThan(clientsAccept / 2);
    expect(pages.flatMap(({ subscriptions }) => subscriptions.map(({ id }) => id))).toEqual(ids);
  });

  test("an update replaces single headers, or all of them, but not both at once", async () => {
    const { subscription } = await t.client.subscriptions.createSubscription({
      targetUrl: URL_1,
      eventTypes: ["*"],
      headers: { values: { "X-A": "1", "X-B": "2" } },
    });
    const id = subscription?.id ?? 0;
    const headerChanges = { set: { "x-c": "3" }, remove: ["X-A"] };
    const changed = await t.client.subscriptions.updateSubscription({ id, headerChanges });
    expect(changed.subscription?.headerNames).toEqual(["x-b", "x-c"]);
    const both = t.client.subscriptions.updateSubscription({ id, headerChanges, headers: { values: {} } });
    await expect(both).rejects.toThrow("headers and header_changes exclude each other");
  });

  test("an update changes only the given fields, and is refused for a deleted subscription", async () => {
    const { subscription } = await t.client.subscriptions.createSubscription({
      targetUrl: URL_1,
      eventTypes: ["*"],
      secret: "hush",
    });
    const id = subscription?.id ?? 0;
    expect(subscription).toMatchObject({ hasSecret: true, timeout: { seconds: 15n } });
    const changed = await t.client.subscriptions.updateSubscription({
      id,
      secret: "",
      timeout: { seconds: 5n },
    });
    expect(changed.subscription).toMatchObject({
      targetUrl: URL_1,
      hasSecret: false,
      timeout: { seconds: 5n },
    });
    await t.client.subscriptions.deleteSubscription({ id });
    await t.client.subscriptions.deleteSubscription({ id });
    expect((await t.client.subscriptions.getSubscription({ id })).subscription?.state).toBe(
      SubscriptionState.ENDED,
    );
    expect(await refusal(t.client.subscriptions.updateSubscription({ id, secret: "x" }))).toMatchObject({
      code: Code.FailedPrecondition,
    });
  });

  async function waitingDelivery(): Promise<DeliveryId> {
    await t.client.subscriptions.createSubscription({ targetUrl: URL_1, eventTypes: ["*"] });
    await ingest("{}");
    const now = Date.now();
    const claimed = await claimDeliveries(t.store, {
      owner: "x",
      limit: 1,
      inFlightMax: 1,
      leaseMs: 1_000,
      now: () => now,
    });
    const [delivery] = claimed;
    if (delivery === undefined) throw new Error("no delivery");
    const { deliveryId } = delivery;
    await markStarted(t.store, { owner: "x", ids: [deliveryId], now });
    await recordAttempt(t.store, {
      deliveryId,
      attempt: failedAttempt({
        startedAt: now,
        durationMs: 5,
        status: 503,
        responseHeaders: [["retry-after", "1"]],
        responseBody: Buffer.from("later"),
        targetUrl: URL_1,
        retryAfterMs: 1_000,
      }),
      state: "started",
      nextAttemptAt: now + 600_000,
      endedReason: null,
      now,
    });
    return deliveryId;
  }

  test("a delivery shows its attempts and when the next is due; its log shows the responses", async () => {
    const id = await waitingDelivery();
    const { delivery } = await t.client.deliveries.getDelivery({ id });
    expect(delivery).toMatchObject({ state: DeliveryState.STARTED, attempts: 1, lastStatus: 503 });
    expect(Number(delivery?.nextAttemptAt?.seconds)).toBeGreaterThan(Date.now() / 1000 + 500);
    const { attempts } = await t.client.deliveries.listAttempts({ deliveryId: id });
    expect(attempts).toMatchObject([
      {
        number: 1,
        status: 503,
        address: "203.0.113.7:443",
        responseHeaders: [{ name: "retry-after", value: "1" }],
      },
    ]);
    const { deliveries } = await t.client.deliveries.listDeliveries({ state: DeliveryState.STARTED });
    expect(deliveries).toHaveLength(1);
  });

  test("a retry is stored and sent to Temporal once, however often it is requested", async () => {
    const id = await waitingDelivery();
    const { delivery } = await t.client.deliveries.retryDelivery({ id });
    expect(Number(delivery?.nextAttemptAt?.seconds)).toBeLessThanOrEqual(Date.now() / 1000);
    await t.client.deliveries.retryDelivery({ id });
    expect(t.retried).toEqual([id]);
  });

  test("a retry of an ended delivery is refused, naming its state", async () => {
    const id = await waitingDelivery();
    const { subscriptions } = await t.client.subscriptions.listSubscriptions({});
    await t.client.subscriptions.deleteSubscription({ id: subscriptions[0]?.id ?? 0 });
    expect(await refusal(t.client.deliveries.retryDelivery({ id }))).toEqual({
      code: Code.FailedPrecondition,
      message: expect.stringContaining("cancelled"),
    });
  });
});

test("a retry while Temporal is unreachable is accepted and stored for later", async () => {
  const bench = await startBench({ retryNow: () => Promise.reject(new Error("Temporal is unreachable")) });
  try {
    await bench.client.subscriptions.createSubscription({ targetUrl: URL_1, eventTypes: ["*"] });
    const id = (await bench.store.db.selectFrom("deliveries").select("id").executeTakeFirst())?.id;
    expect(id).toBeUndefined();
    await bench.client.events.ingestEvent({
      eventType: "invoice_sent",
      snapshot: { case: "dataJson", value: "{}" },
    });
    await bench.store.db
      .updateTable("deliveries")
      .set({ state: "started", ...timesIn("started", Date.now() + 600_000) })
      .execute();
    const { deliveries } = await bench.client.deliveries.listDeliveries({});
    await bench.client.deliveries.retryDelivery({ id: deliveries[0]?.id ?? "" });
    expect(bench.logged("delivery.retry_delayed")).toHaveLength(1);
  } finally {
    await bench.dispose();
  }
});

test("a Temporal that does not answer keeps nobody waiting for what is stored", async () => {
  const never = () => new Promise<never>(() => {});
  const bench = await startBench({
    retryNow: never,
    wakeCancelled: never,
    isHeldByOperator: never,
    signalRecovery: never,
    temporalWaitMs: 20,
  });
  try {
    const { deliveries, events, subscriptions } = bench.client;
    await subscriptions.createSubscription({ targetUrl: URL_1, eventTypes: ["*"] });
    await events.ingestEvent({ eventType: "invoice_sent", snapshot: { case: "dataJson", value: "{}" } });
    await bench.store.db
      .updateTable("deliveries")
      .set({ state: "started", ...timesIn("started", Date.now() + 600_000) })
      .execute();
    const id = (await deliveries.listDeliveries({})).deliveries[0]?.id ?? "";

    const retried = await deliveries.retryDelivery({ id });
    const { nextAttemptAt } = retried.delivery ?? {};
    expect(Number(nextAttemptAt?.seconds) * 1_000).toBeLessThanOrEqual(Date.now());
    // Due already: whether an operator holds it is asked, too.
    await deliveries.retryDelivery({ id });
    expect(bench.logged("delivery.retry_delayed")).toHaveLength(2);

    expect((await deliveries.cancelDelivery({ id })).delivery?.state).toBe(DeliveryState.CANCELLED);
    expect(bench.logged("delivery.cancel_delayed")).toHaveLength(1);

    const { recovery } = await deliveries.recoverDeliveries({ since: { seconds: 0n } });
    await deliveries.pauseRecovery({ id: recovery?.id ?? 0 });
    await deliveries.resumeRecovery({ id: recovery?.id ?? 0 });
    expect(bench.logged("recovery.signal_delayed")).toHaveLength(2);
  } finally {
    await bench.dispose();
  }
});

test("a retry of a delivery that an operator has paused says so, and is due when they unpause it", async () => {
  const calls: string[] = [];
  const bench = await startBench({
    retryNow: async () => {
      calls.push("retryNow");
      return "held_by_operator";
    },
    wakeCancelled: async () => {
      calls.push("wakeCancelled");
    },
    isHeldByOperator: async () => true,
  });
  try {
    await bench.client.subscriptions.createSubscription({ targetUrl: URL_1, eventTypes: ["*"] });
    await bench.client.events.ingestEvent({
      eventType: "invoice_sent",
      snapshot: { case: "dataJson", value: "{}" },
    });
    await bench.store.db
      .updateTable("deliveries")
      .set({ state: "started", ...timesIn("started", Date.now() + 600_000) })
      .execute();
    const { deliveries } = await bench.client.deliveries.listDeliveries({});
    const id = deliveries[0]?.id ?? "";
    const held = {
      code: Code.FailedPrecondition,
      message: expect.stringContaining("an operator has paused"),
    };
    expect(await refusal(bench.client.deliveries.retryDelivery({ id }))).toEqual(held);
    // The attempt is due, so nothing is requested any more; whoever asks again is told again.
    expect(await refusal(bench.client.deliveries.retryDelivery({ id }))).toEqual(held);
    expect(calls).toEqual(["retryNow"]);
    const { delivery } = await bench.client.deliveries.getDelivery({ id });
    expect(Number(delivery?.nextAttemptAt?.seconds)).toBeLessThanOrEqual(Date.now() / 1000);
    // A cancelled delivery sends nothing, so its workflow need not wait for the operator.
    await bench.client.deliveries.cancelDelivery({ id });
    expect(calls).toEqual(["retryNow", "wakeCancelled"]);
    // If that did not reach Temporal, whoever cancels again tries again.
    await bench.client.deliveries.cancelDelivery({ id });
    expect(calls).toEqual(["retryNow", "wakeCancelled", "wakeCancelled"]);
  } finally {
    await bench.dispose();
  }
});

test("any token may read the catalogue, and an unknown code is answered with similar codes", async () => {
  const token = await t.tokenWith(["events:write"]);
  const { body } = await t.rpc("EventCatalogService/ListEventTypes", {}, { token });
  // 24 event types that platforms send, and 4 that Posthaste sends.
  expect(body.eventTypes).toHaveLength(28);
  const invoice = await t.client.catalog.getEventType({ code: "invoice_sent" });
  expect(JSON.parse(invoice.eventType?.sampleJson ?? "")).toHaveProperty("InvoiceNumber");
  expect(await refusal(t.client.catalog.getEventType({ code: "invoice_snt" }))).toEqual({
    code: Code.NotFound,
    message: expect.stringContaining("invoice_sent"),
  });
});

test("a fault is logged in full, and the caller sees only an internal error", async () => {
  await t.store.db.schema.dropTable("deliveries").execute();
  const answer = await t.rpc("DeliveryService/ListDeliveries", {});
  expect(answer).toMatchObject({ status: 500, body: { code: "internal", message: "internal error" } });
  expect(String(t.logged("request.faulted")[0]?.["error"])).toContain("deliveries");
});
