import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { EventCatalogService } from "@posthaste/contracts/event_catalog";
import { Health, HealthCheckResponse_ServingStatus as Status } from "@posthaste/contracts/health";
import { createAccount } from "@posthaste/store";
import { afterEach, describe, expect, test } from "vitest";
import type { Limits } from "../src/http/limits.ts";
import { type Bench, startBench } from "./fixture.ts";
import { openSocket } from "./open-socket.ts";

let t: Bench;
afterEach(() => t.dispose());
const start = async (limits: Partial<Limits>) => {
  t = await startBench({ limits });
};

const transports = {
  Connect: (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: "1.1" }),
  gRPC: (baseUrl: string) => createGrpcTransport({ baseUrl }),
  "gRPC-Web": (baseUrl: string) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
};
const failureOf = async (call: Promise<unknown>): Promise<ConnectError> => {
  try {
    await call;
  } catch (error) {
    if (error instanceof ConnectError) return error;
    throw error;
  }
  throw new Error("the call succeeded");
};

describe("the rate of a token", () => {
  test.each(Object.entries(transports))(
    "is answered over %s with the time to wait",
    async (_name, transportTo) => {
      await start({ ratePerSecond: 1 });
      const catalog = createClient(EventCatalogService, transportTo(t.url));
      const headers = { authorization: `Bearer ${t.token}` };
      for (let n = 0; n < 10; n++) await catalog.listEventTypes({}, { headers });
      const refused = await failureOf(catalog.listEventTypes({}, { headers }));
      expect(refused.code).toBe(Code.ResourceExhausted);
      expect(Number(refused.metadata.get("retry-after"))).toBeGreaterThanOrEqual(1);
      expect(Number(refused.metadata.get("retry-after"))).toBeLessThanOrEqual(10);
      expect(refused.rawMessage).toMatch(
        /^this token sent over 10 requests within 10 s, 1 a second; .*batches/,
      );
    },
  );

  test("is shared by RPCs and the gateway, which answers 429, and is separate for each token", async () => {
    await start({ ratePerSecond: 1 });
    for (let n = 0; n < 10; n++) expect(await t.rest("GET", "/api/Webhook")).toMatchObject({ status: 200 });
    const { status, headers, body } = await t.rest("GET", "/api/Webhook");
    expect(status).toBe(429);
    expect(Number(headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
    expect(body).toMatchObject({ status: 429, title: "Too many requests" });
    expect(await t.rpc("EventCatalogService/ListEventTypes", {})).toMatchObject({ status: 429 });
    const other = await t.tokenWith(["subscriptions:read"]);
    expect(await t.rest("GET", "/api/Webhook", { token: other })).toMatchObject({ status: 200 });
  });

  test("does not apply to an unknown token, which is answered 401", async () => {
    await start({ ratePerSecond: 1 });
    for (let n = 0; n < 12; n++) {
      expect(await t.rest("GET", "/api/Webhook", { token: "none" })).toMatchObject({ status: 401 });
    }
  });
});

describe("requests in flight", () => {
  /** Takes the only place with a request whose body never arrives. */
  const holdOne = async () => {
    const socket = connect(Number(new URL(t.url).port), "127.0.0.1");
    socket.on("error", () => {});
    const head = [
      "POST /api/Webhook HTTP/1.1",
      "host: a",
      `authorization: Bearer ${t.token}`,
      "content-type: application/json",
      "content-length: 100",
    ];
    socket.write(`${head.join("\r\n")}\r\n\r\n`);
    // It holds its place once others are refused.
    await expect.poll(async () => (await t.rest("GET", "/api/Webhook")).status).toBe(503);
    return socket;
  };

  test("over the limit are refused before their bodies are read, until a place is free", async () => {
    await start({ requestsMax: 1 });
    const socket = await holdOne();
    const { headers, body } = await t.rest("POST", "/api/Webhook", { json: {} });
    expect(headers.get("retry-after")).toBe("1");
    expect(body).toMatchObject({
      status: 503,
      detail: "the limit of 1 concurrent requests of this kind is reached; try again in a moment",
    });
    expect(await t.rest("GET", "/healthz", { token: null })).toMatchObject({ status: 200 });
    expect(await t.rest("GET", "/readyz", { token: null })).toMatchObject({ status: 200 });
    socket.destroy();
    await expect.poll(async () => (await t.rest("GET", "/api/Webhook")).status).toBe(200);
  });

  test("that need no token have a separate limit and take no place from the others", async () => {
    await start({ publicRequestsMax: 1, requestsMax: 1 });
    const health = createClient(Health, createGrpcTransport({ baseUrl: t.url }));
    const leave = new AbortController();
    const first = health.watch({}, { signal: leave.signal })[Symbol.asyncIterator]();
    await first.next();
    const refused = await failureOf(health.watch({})[Symbol.asyncIterator]().next());
    expect(refused.code).toBe(Code.Unavailable);
    expect(refused.metadata.get("retry-after")).toBe("1");
    // An unknown path takes a place, too, because its body is awaited.
    expect(await t.rest("POST", "/nowhere", { json: {}, token: null })).toMatchObject({ status: 503 });
    expect(await t.rest("GET", "/api/openapi.json", { token: null })).toMatchObject({ status: 503 });
    expect(await t.rest("GET", "/api/Webhook")).toMatchObject({ status: 200 });
    expect(await t.rpc("EventCatalogService/ListEventTypes", {})).toMatchObject({ status: 200 });
    // Probes are exempt.
    expect((await health.check({})).status).toBe(Status.SERVING);
    leave.abort();
    await failureOf(first.next());
    await expect
      .poll(async () => (await t.rest("GET", "/api/openapi.json", { token: null })).status)
      .toBe(200);
  });

  test.each(Object.entries(transports))(
    "over the limit are unavailable to %s clients",
    async (_name, transportTo) => {
      await start({ requestsMax: 1 });
      const socket = await holdOne();
      const catalog = createClient(EventCatalogService, transportTo(t.url));
      const refused = await failureOf(
        catalog.listEventTypes({}, { headers: { authorization: `Bearer ${t.token}` } }),
      );
      expect(refused.code).toBe(Code.Unavailable);
      socket.destroy();
    },
  );
});

describe("an unknown token is refused before the body arrives", () => {
  const path = "/posthaste.v1.EventIngestService/IngestEvents";

  test.each(["application/json", "application/proto"])("over Connect with %s", async (type) => {
    await start({});
    const socket = connect(Number(new URL(t.url).port), "127.0.0.1");
    const answer = new Promise<string>((resolve) => socket.once("data", (chunk) => resolve(String(chunk))));
    socket.write(
      `POST ${path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer none\r\ncontent-type: ${type}\r\ncontent-length: 1000000\r\ncontent-encoding: gzip\r\n\r\nx`,
    );
    expect(await answer).toMatch(/^HTTP\/1\.1 401 [\s\S]*www-authenticate: Bearer/i);
    socket.destroy();
  });

  test.each(["application/grpc", "application/grpc+json", "application/grpc-web+proto"])(
    "with %s",
    async (type) => {
      await start({});
      const session = connectHttp2(t.url);
      const stream = session.request({
        ":method": "POST",
        ":path": path,
        "content-type": type,
        te: "trailers",
      });
      stream.on("error", () => {});
      stream.write(Buffer.from([0, 0, 15, 0, 0, 1]));
      let body = "";
      stream.on("data", (chunk) => {
        body += chunk;
      });
      const status = await new Promise((resolve) => {
        stream.once("trailers", (trailers) => resolve(trailers["grpc-status"]));
        stream.on("response", (headers) => headers["grpc-status"] && resolve(headers["grpc-status"]));
        stream.on(
          "data",
          () => /grpc-status: (\d+)/.test(body) && resolve(/grpc-status: (\d+)/.exec(body)?.[1]),
        );
      });
      expect(status).toBe(String(Code.Unauthenticated));
      session.destroy();
    },
  );
});

describe("streams", () => {
  test("of one HTTP/2 connection are limited by its settings", async () => {
    await start({ streamsMax: 7 });
    const session = connectHttp2(t.url);
    const settings = await new Promise<{ maxConcurrentStreams?: number }>((resolve) =>
      session.once("remoteSettings", resolve),
    );
    expect(settings.maxConcurrentStreams).toBe(7);
    session.destroy();
  });
});

describe("connections", () => {
  test.each([
    ["no bytes", ""],
    ["half of their headers", "POST /api/Webhook HTTP/1.1\r\nhost: a\r\n"],
  ])("that send %s are closed", async (_what, bytes) => {
    await start({ headersTimeoutMs: 100, requestTimeoutMs: 60_000 });
    const { socket, closed } = openSocket(t.url);
    socket.write(bytes);
    expect(await closed).toMatch(/^$|408/);
  });

  test("whose request body never arrives are closed, over HTTP/1.1 and over HTTP/2", async () => {
    await start({ requestTimeoutMs: 150, headersTimeoutMs: 100 });
    const { socket, closed } = openSocket(t.url);
    socket.write(
      `POST /api/Webhook HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${t.token}\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{`,
    );
    expect(await closed).toMatch(/^$|408/);
    const session = connectHttp2(t.url);
    const stream = session.request({
      ":method": "POST",
      ":path": "/api/Webhook",
      authorization: `Bearer ${t.token}`,
      "content-type": "application/json",
    });
    stream.on("error", () => {});
    stream.write("{");
    await new Promise((resolve) => stream.once("close", resolve));
    expect(stream.rstCode).not.toBe(0);
    session.destroy();
  });
});

describe("sizes", () => {
  test("of bodies, batches and headers are limited", async () => {
    await start({
      bodyBytesMax: 1_500,
      eventBytesMax: 2_000,
      batchBytesMax: 3_000,
      gatewayBodyBytesMax: 1_024,
      headerBytesMax: 4_096,
    });
    const event = (bytes: number) => ({
      eventType: "invoice_sent",
      dataJson: JSON.stringify({ a: "x".repeat(bytes) }),
    });
    const single = (bytes: number) => t.rpc("EventIngestService/IngestEvent", event(bytes));
    const batch = (...sizes: number[]) =>
      t.rpc("EventIngestService/IngestEvents", { events: sizes.map(event) });
    expect(await single(1_000)).toMatchObject({ status: 200 });
    expect(await single(2_100)).toMatchObject({
      status: 400,
      body: {
        code: "invalid_argument",
        message: "the message is over 2000 bytes, uncompressed; send less at once",
      },
    });
    expect(await t.rpc("EventCatalogService/GetEventType", { code: "x".repeat(1_500) })).toMatchObject({
      status: 400,
      body: { message: expect.stringContaining("over 1500 bytes") },
    });
    expect(await batch(2_100)).toMatchObject({ status: 200 });
    expect(await batch(2_100, 1_000)).toMatchObject({ status: 400 });
    expect(await t.rest("POST", "/api/Webhook", { json: { a: "x".repeat(1_100) } })).toMatchObject({
      status: 413,
    });
    const response = await fetch(`${t.url}/healthz`, { headers: { "x-large": "x".repeat(5_000) } });
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    expect([response.status, await response.json()]).toMatchObject([431, { reason: "MESSAGE_UNREADABLE" }]);
  });
});

describe("subscriptions of an account on a host that has answered none with 2xx", () => {
  const create = (url: string) =>
    t.rest("POST", "/api/Webhook", { json: { target_url: url, event: "invoice_sent" } });

  test("are limited, by their creation and by a change of their URL", async () => {
    await start({ unprovenHostMax: 2 });
    for (const n of [1, 2]) expect((await create(`https://victim.example/${n}`)).status).toBe(201);
    const refused = await create("https://victim.example:8443/3");
    // To wait does not help.
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([429, null]);
    expect(refused.body.reason).toBe("HOST_UNPROVEN");
    expect(refused.body.detail).toMatch(/2 subscriptions on victim\.example.* send one a test event/);
    const { body } = await create("https://own.example/");
    const moved = t.client.subscriptions.updateSubscription({
      id: body.ID,
      targetUrl: "https://victim.example/4",
    });
    expect((await failureOf(moved)).code).toBe(Code.ResourceExhausted);
  });
});

describe("subscriptions of an account", () => {
  const create = (n: number, token?: string) =>
    t.rest("POST", "/api/Webhook", {
      json: { target_url: `https://yoursite.example/${n}`, event: "invoice_sent" },
      ...(token === undefined ? {} : { token }),
    });

  test("are limited even for concurrent callers, and a deleted subscription makes room", async () => {
    await start({ subscriptionsMax: 3 });
    const answers = await Promise.all(Array.from({ length: 8 }, (_, n) => create(n)));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 201, 201, 429, 429, 429, 429, 429]);
    const refused = answers.find(({ status }) => status === 429);
    expect(refused?.headers.get("retry-after")).toBe("3600");
    expect(refused?.body.detail).toMatch(/has 3 subscriptions/);
    const other = await createAccount(t.store, { name: "other", now: Date.now() });
    expect(await create(1, await t.tokenWith(["subscriptions:write"], other.id))).toMatchObject({
      status: 201,
    });
    const [created] = answers.filter(({ status }) => status === 201);
    await t.rest("DELETE", `/api/Webhook/${created?.body.ID}`);
    expect(await create(9)).toMatchObject({ status: 201 });
  });
});
