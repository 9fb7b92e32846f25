import type { JsonObject } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, type Transport } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { refusalOf } from "@posthaste/client";
import { DeliveryService } from "@posthaste/contracts/delivery";
import { ErrorReason } from "@posthaste/contracts/error";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "@posthaste/contracts/error-details";
import { EventCatalogService, SchemaCheck } from "@posthaste/contracts/event_catalog";
import { EventIngestService } from "@posthaste/contracts/event_ingest";
import { Health } from "@posthaste/contracts/health";
import { SubscriptionService } from "@posthaste/contracts/subscription";
import { createToken, revokeToken } from "@posthaste/store";
import { afterEach, describe, expect, test } from "vitest";
import { SERVICES } from "../src/connect/access.ts";
import { type Bench, startBench } from "./fixture.ts";

let t: Bench;
const start = async (options: Parameters<typeof startBench>[0] = {}) => {
  t = await startBench(options);
};
afterEach(() => t.dispose());

const PROTOCOLS: Readonly<Record<string, (useBinaryFormat: boolean) => Transport>> = {
  Connect: (useBinaryFormat) =>
    createConnectTransport({ baseUrl: t.url, httpVersion: "1.1", useBinaryFormat }),
  gRPC: (useBinaryFormat) => createGrpcTransport({ baseUrl: t.url, useBinaryFormat }),
  "gRPC-Web": (useBinaryFormat) =>
    createGrpcWebTransport({ baseUrl: t.url, httpVersion: "1.1", useBinaryFormat }),
};
const EACH = Object.entries(PROTOCOLS).flatMap(([name, transport]) => [
  [`${name} with binary`, () => transport(true)] as const,
  [`${name} with JSON`, () => transport(false)] as const,
]);

const as = (token: string) => ({ headers: { authorization: `Bearer ${token}` } });
const event = { eventType: "invoice_sent", snapshot: { case: "dataJson" as const, value: "{}" } };

/** Returns the error of a call, or of reading a stream to its end. */
async function failureOf(call: Promise<unknown> | AsyncIterable<unknown>): Promise<ConnectError> {
  try {
    if (call instanceof Promise) await call;
    else for await (const _ of call);
  } catch (error) {
    return ConnectError.from(error);
  }
  throw new Error("the call was accepted");
}

/** Returns what a program reads from an error; fails unless it has exactly one reason, from the list. */
function readingOf(error: ConnectError) {
  const infos = error.findDetails(ErrorInfoSchema);
  expect(infos, error.message).toHaveLength(1);
  const [{ reason, domain, metadata } = { reason: "", domain: "", metadata: {} }] = infos;
  expect(Object.keys(ErrorReason)).toContain(reason);
  expect(domain).toBe("posthaste");
  const fields = error.findDetails(BadRequestSchema).flatMap(({ fieldViolations }) => fieldViolations);
  const [wait] = error.findDetails(RetryInfoSchema);
  return { reason, metadata, fields: fields.map(({ field }) => field), waits: wait !== undefined };
}

describe.each(EACH)("over %s", (_name, transport) => {
  test("every call without a token says so", async () => {
    await start();
    for (const service of SERVICES.filter(({ typeName }) => typeName.startsWith("posthaste."))) {
      const client = createClient(service, transport()) as unknown as Readonly<
        Record<string, (request: object) => Promise<unknown> | AsyncIterable<unknown>>
      >;
      for (const { localName } of service.methods) {
        if (localName === "openSession") continue;
        const error = await failureOf(client[localName]?.({}) ?? Promise.resolve());
        expect(readingOf(error), localName).toMatchObject({ reason: "TOKEN_MISSING" });
        expect(error.code).toBe(Code.Unauthenticated);
      }
    }
  });

  test("a refusal says what a program needs to act on it", async () => {
    await start({ limits: { ratePerSecond: 100 } });
    const reader = await t.tokenWith(["deliveries:read"]);
    const events = createClient(EventIngestService, transport());
    const deliveries = createClient(DeliveryService, transport());
    const subscriptions = createClient(SubscriptionService, transport());
    const catalog = createClient(EventCatalogService, transport());
    const target = { targetUrl: "https://a.example/", eventTypes: ["invoice_sent"] };
    await subscriptions.createSubscription(target, as(t.token));
    await events.ingestEvent({ ...event, idempotencyKey: "k" }, as(t.token));
    const other = { ...event, snapshot: { case: "dataJson" as const, value: '{"a":1}' } };
    const cases: [() => Promise<unknown> | AsyncIterable<unknown>, object][] = [
      [() => events.ingestEvent(event, as("pht_none")), { reason: "TOKEN_INVALID" }],
      [
        () => events.ingestEvent(event, as(reader)),
        { reason: "SCOPE_MISSING", metadata: { scope: "events:write" } },
      ],
      [
        () => events.ingestEvent({ ...event, eventType: "" }, as(t.token)),
        { reason: "FIELD_INVALID", fields: ["event_type"] },
      ],
      [
        () => events.ingestEvent({ ...event, eventType: "invoice_snt" }, as(t.token)),
        { reason: "EVENT_TYPE_UNKNOWN", fields: ["event_type"] },
      ],
      [
        () => events.ingestEvent({ ...other, idempotencyKey: "k" }, as(t.token)),
        { reason: "IDEMPOTENCY_KEY_REUSED", fields: ["idempotency_key"] },
      ],
      [
        () =>
          events.ingestEvent(
            { ...event, snapshot: { case: "dataJson", value: `{"a":"${"x".repeat(1_048_576)}"}` } },
            as(t.token),
          ),
        { reason: "SNAPSHOT_TOO_LARGE", metadata: { limit: "1048576" }, fields: ["data_json"] },
      ],
      [
        () => subscriptions.createSubscription(target, as(t.token)),
        { reason: "SUBSCRIPTION_EXISTS", fields: ["target_url"] },
      ],
      [
        () => subscriptions.createSubscription({ ...target, targetUrl: "https://10.0.0.1/" }, as(t.token)),
        { reason: "URL_NOT_ALLOWED", fields: ["target_url"] },
      ],
      [() => deliveries.getDelivery({ id: "d" }, as(t.token)), { reason: "NOT_FOUND", fields: ["id"] }],
      [
        () => deliveries.watchDeliveries({ cursor: "x" }, as(t.token)),
        { reason: "PAGE_TOKEN_INVALID", fields: ["cursor"] },
      ],
      [() => catalog.getEventType({ code: "none" }, as(t.token)), { reason: "EVENT_TYPE_UNKNOWN" }],
      [() => createClient(Health, transport()).check({ service: "none" }), { reason: "NOT_FOUND" }],
    ];
    for (const [call, expected] of cases) {
      expect(readingOf(await failureOf(call()))).toMatchObject({ waits: false, ...expected });
    }
  });

  test("a limit says whose it is and how long to wait", async () => {
    await start({ limits: { ratePerSecond: 1 } });
    const { getEventType } = createClient(EventCatalogService, transport());
    const call = () => getEventType({ code: "invoice_sent" }, as(t.token));
    let error: ConnectError | undefined;
    for (let i = 0; i < 100 && error === undefined; i++) {
      error = await call().then(
        () => undefined,
        (reason: unknown) => ConnectError.from(reason),
      );
    }
    expect(readingOf(error ?? new ConnectError("none"))).toMatchObject({
      reason: "RATE_LIMITED",
      metadata: { limit: "1" },
      waits: true,
    });
  });

  test("a call that finds no place says so before its body is read", async () => {
    await start({ limits: { requestsMax: 0, publicRequestsMax: 0 } });
    const busy = { reason: "SERVER_BUSY", waits: true };
    const calls = [
      () => createClient(EventIngestService, transport()).ingestEvent(event, as(t.token)),
      () => createClient(DeliveryService, transport()).watchDeliveries({}, as(t.token)),
      () => createClient(Health, transport()).watch({}),
    ];
    for (const call of calls) {
      const error = await failureOf(call());
      expect(error.code).toBe(Code.Unavailable);
      expect(error.metadata.get("retry-after")).toBe("1");
      expect(readingOf(error)).toMatchObject(busy);
    }
    expect(t.logged("request.completed").map(({ code }) => code)).toEqual([503, 503, 503]);
  });

  test("a stream that ends in a refusal says why", async () => {
    await start();
    const { secret, token } = await createToken(t.store, {
      accountId: t.accountId,
      name: "short",
      scopes: ["deliveries:read"],
      expiresAt: null,
      now: Date.now(),
    });
    const { watchDeliveries } = createClient(DeliveryService, transport());
    const stream = watchDeliveries({}, as(secret))[Symbol.asyncIterator]();
    await stream.next();
    await revokeToken(t.store, { id: token.id, now: Date.now() });
    const rest = { [Symbol.asyncIterator]: () => stream };
    expect(readingOf(await failureOf(rest))).toMatchObject({ reason: "TOKEN_INVALID" });
  });

  test("what Connect refuses before a handler runs has a reason", async () => {
    await start();
    const events = createClient(EventIngestService, transport());
    const large = await failureOf(
      events.ingestEvent(
        { ...event, snapshot: { case: "dataJson", value: "x".repeat(7_000_000) } },
        as(t.token),
      ),
    );
    expect(large.code).toBe(Code.InvalidArgument);
    expect(readingOf(large)).toMatchObject({ reason: "MESSAGE_TOO_LARGE", metadata: { limit: "6356992" } });
  });

  test("the largest refusals fit into the 8 KiB of trailers that clients take", async () => {
    await start();
    const expectSmall = async (call: Promise<unknown>, reason: string) => {
      const error = await failureOf(call);
      const reading = readingOf(error);
      expect(reading).toMatchObject({ reason });
      expect(reading.fields).not.toEqual([]);
      const bytes = [...error.metadata].reduce((sum, [name, value]) => sum + name.length + value.length, 0);
      expect(bytes).toBeLessThan(8_192);
    };
    const catalog = createClient(EventCatalogService, transport());
    const { createSubscription } = createClient(SubscriptionService, transport());
    const names = (chars: number) => Array.from({ length: 10 }, (_, i) => `${i}${"漢".repeat(chars)}`);
    const all = <T>(keys: readonly string[], value: T) =>
      Object.fromEntries(keys.map((key) => [key, value] as const));
    const target = { targetUrl: "https://a.example/", eventTypes: ["invoice_sent"] };
    const metadata = { values: all(names(10_000), "x".repeat(2_000)) };
    await expectSmall(createSubscription({ ...target, metadata }, as(t.token)), "FIELD_INVALID");

    const typeOf = (properties: JsonObject) => ({
      code: "mine",
      description: "x",
      schema: { type: "object", properties },
      sampleJson: "{}",
    });
    for (const chars of [30, 1_000]) {
      const unknown = typeOf({ [`a${"漢".repeat(chars)}`]: { nonsense: 1 } });
      await expectSmall(catalog.createEventType(unknown, as(t.token)), "SCHEMA_INVALID");
    }
    await catalog.createEventType(typeOf(all(names(1_000), { type: "null" })), as(t.token));
    await expectSmall(catalog.updateEventType(typeOf({}), as(t.token)), "SCHEMA_BREAKS");
    await catalog.setSchemaCheck({ schemaCheck: SchemaCheck.REJECT }, as(t.token));
    const value = JSON.stringify(all(names(1_000), 1));
    const { ingestEvent } = createClient(EventIngestService, transport());
    const violating = { eventType: "mine", snapshot: { case: "dataJson" as const, value } };
    await expectSmall(ingestEvent(violating, as(t.token)), "SCHEMA_VIOLATED");
  });
});

test.each([
  ["a misspelt field", '{"eventType":"invoice_sent","dataJson":"{}","idempotencyKy":"1"}', "FIELD_UNKNOWN"],
  [
    "a misspelt field with a long name",
    `{"eventType":"invoice_sent","${"x".repeat(50_000)}":"1"}`,
    "FIELD_UNKNOWN",
  ],
  ["a field of another type", '{"eventType":7}', "FIELD_INVALID"],
  ["text that is not JSON", "{", "MESSAGE_UNREADABLE"],
])("%s in the JSON of a call has a reason, compressed or not", async (_title, raw, reason) => {
  await start();
  for (const encoding of ["identity", "gzip", "br"]) {
    const answer = await fetch(`${t.url}/posthaste.v1.EventIngestService/IngestEvent`, {
      method: "POST",
      headers: { ...as(t.token).headers, "content-type": "application/json", "accept-encoding": encoding },
      body: raw,
    });
    const text = await answer.text();
    expect(text.length).toBeLessThan(8_192);
    const { code, details } = JSON.parse(text) as { code: string; details: { debug: object }[] };
    expect(code).toBe("invalid_argument");
    expect(details.map(({ debug }) => debug)).toContainEqual(expect.objectContaining({ reason }));
  }
});

test("a compression that the server does not know is unsupported", async () => {
  await start();
  const path = "/posthaste.v1.EventIngestService/IngestEvent";
  const { status, body } = await t.rest("POST", path, { json: {}, encoding: "zip" });
  expect(status).toBe(501);
  expect(body.details[0].debug).toMatchObject({ reason: "UNSUPPORTED" });
  for (const transport of [PROTOCOLS["gRPC"], PROTOCOLS["gRPC-Web"]]) {
    if (transport === undefined) throw new Error("no such protocol");
    const headers = { ...as(t.token).headers, "grpc-encoding": "zip" };
    const call = createClient(EventIngestService, transport(true)).ingestEvent(event, { headers });
    expect(readingOf(await failureOf(call))).toMatchObject({ reason: "UNSUPPORTED" });
  }
});

test("a call whose protocol is not known is answered with a problem", async () => {
  await start();
  const path = "/posthaste.v1.EventIngestService/IngestEvent";
  // The second is what curl sends by itself.
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "image/png"]) {
    expect(await t.rest("POST", path, { body: "{}", type })).toMatchObject({
      status: 415,
      body: {
        status: 415,
        reason: "MEDIA_TYPE_UNSUPPORTED",
        detail:
          "send a content type of Connect, gRPC or gRPC-Web that fits the call, such as application/json",
      },
    });
  }
  expect(await t.rest("GET", path)).toMatchObject({ status: 405, body: { reason: "METHOD_NOT_ALLOWED" } });
});

test("the gateway's problems have the same reasons", async () => {
  await start();
  const ok = { target_url: "https://a.example/", event: "invoice_sent" };
  await t.rest("POST", "/api/Webhook", { json: ok });
  const cases: [string, string, Parameters<Bench["rest"]>[2], string][] = [
    ["GET", "/api/Webhook", { token: null }, "TOKEN_MISSING"],
    ["GET", "/api/Webhook", { token: "pht_none" }, "TOKEN_INVALID"],
    ["POST", "/api/Webhook", { body: "{" }, "MESSAGE_UNREADABLE"],
    ["POST", "/api/Webhook", { body: "x", type: "text/plain" }, "MEDIA_TYPE_UNSUPPORTED"],
    ["POST", "/api/Webhook", { json: { ...ok, event: "none" } }, "EVENT_TYPE_UNKNOWN"],
    ["POST", "/api/Webhook", { json: { ...ok, target_url: "https://10.0.0.1/" } }, "URL_NOT_ALLOWED"],
    ["POST", "/api/Webhook", { json: ok }, "SUBSCRIPTION_EXISTS"],
    ["POST", "/api/Webhook", { body: " ".repeat(2_000_000) }, "MESSAGE_TOO_LARGE"],
    ["GET", "/api/Webhook/999", {}, "NOT_FOUND"],
    ["GET", "/nowhere", {}, "ROUTE_UNKNOWN"],
    ["PUT", "/api/Webhook", {}, "METHOD_NOT_ALLOWED"],
    ["GET", "/%ff", {}, "MESSAGE_UNREADABLE"],
    ["POST", "/inbox/none", { json: {} }, "INBOX_EXPIRED"],
  ];
  for (const [method, path, options, reason] of cases) {
    const { headers, body } = await t.rest(method, path, options);
    expect(headers.get("content-type"), path).toContain("application/problem+json");
    expect(body, path).toMatchObject({ reason });
  }
});

test("the client reads what was wrong, with which field, and how long to wait", async () => {
  await start({ limits: { requestsMax: 1 } });
  const { subscriptions } = t.client;
  const read = async (call: Promise<unknown>) => refusalOf(await failureOf(call));
  expect(
    await read(subscriptions.createSubscription({ targetUrl: "https://10.0.0.1/", eventTypes: ["*"] })),
  ).toEqual({
    reason: ErrorReason.URL_NOT_ALLOWED,
    metadata: {},
    fields: [{ field: "target_url", message: expect.stringMatching(/^target_url has an address/) }],
    retryAfterMs: undefined,
  });
  const watch = t.client.deliveries.watchDeliveries({})[Symbol.asyncIterator]();
  await watch.next();
  const busy = await read(subscriptions.listSubscriptions({}, { timeoutMs: 500 }));
  expect(busy).toMatchObject({ reason: ErrorReason.SERVER_BUSY, retryAfterMs: 1_000 });
  await watch.return?.();
});
