import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { EventCatalogService } from "@posthaste/contracts/event_catalog";
import { closeStore } from "@posthaste/store";
import { data, headers, preface } from "@posthaste/testkit/http2-frames";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Bench, startBench } from "./fixture.ts";
import { openSocket } from "./open-socket.ts";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const INGEST = "posthaste.v1.EventIngestService/IngestEvent";

let t: Bench;
beforeEach(async () => {
  t = await startBench();
});
afterEach(() => t.dispose());

const lines = () => t.logged("request.completed");
/** Sends a request with any method, which only HTTP/2 lets through. */
async function askWith(method: string): Promise<void> {
  const session = connectHttp2(t.url);
  await once(session.request({ ":method": method, ":path": "/api/Webhook" }).end().resume(), "close");
  session.destroy();
}
const post = (path: string, body: string, type = "application/json") => t.rest("POST", path, { body, type });

/** The head of a call, and a part of its body. */
const overHttp1 = (path: string, type: string) =>
  `POST ${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${t.token}\r\n` +
  `content-type: ${type}\r\ncontent-length: 100\r\n\r\n{`;
const overHttp2 = (path: string, type: string) => {
  const fields = { authorization: `Bearer ${t.token}`, "content-type": type };
  const head = headers(1, { ":method": "POST", ":path": path, ...fields }, false);
  return Buffer.concat([preface(), head, data(1, Buffer.from("{"))]);
};

describe("one line is logged and one request counted for", () => {
  test.each<[string, () => Promise<unknown>, Record<string, unknown>]>([
    [
      "a request to the gateway",
      () => t.rest("GET", "/api/Webhook"),
      { route: "/api/Webhook", method: "GET", code: 200 },
    ],
    ["an unknown path", () => t.rest("GET", "/wp-login.php?x=hush"), { method: "GET", code: 404 }],
    ["a method that is none of HTTP's", () => askWith("hush"), { method: "_OTHER", code: 405 }],
    ["a path that cannot be decoded", () => t.rest("GET", "/api/%zz"), { method: "GET", code: 400 }],
    [
      "an RPC",
      () => t.rpc("EventIngestService/IngestEvent", { eventType: "invoice_sent", dataJson: "{}" }),
      { rpc: INGEST, code: "ok" },
    ],
    [
      "a refused RPC",
      () => t.rpc("EventIngestService/IngestEvent", { eventType: "nope", dataJson: "{}" }),
      { rpc: INGEST, code: "invalid_argument" },
    ],
    [
      "an RPC without a token",
      () => t.rpc("EventIngestService/IngestEvent", {}, { token: null }),
      { rpc: INGEST, code: "unauthenticated" },
    ],
    ["an RPC with an unreadable message", () => post(`/${INGEST}`, "{hush"), { rpc: INGEST, code: "unread" }],
    [
      "an RPC with an unsupported media type",
      () => post(`/${INGEST}`, "<hush/>", "application/xml"),
      { rpc: INGEST, code: 415 },
    ],
  ])("%s", async (_title, send, line) => {
    await send();
    await expect.poll(lines).toHaveLength(1);
    expect(lines()[0]).toMatchObject({ ...line, requestId: expect.stringMatching(UUID) });
    expect(lines()[0]?.["durationMs"]).toBeTypeOf("number");
    expect(t.counted).toEqual([
      { call: line["rpc"] ?? line["route"] ?? "unmatched", code: String(line["code"]) },
    ]);
    expect(JSON.stringify(lines())).not.toMatch(/hush|pht_/);
  });

  test("an RPC that finds no place, by the name that it has otherwise", async () => {
    const bench = await startBench({ limits: { requestsMax: 0 } });
    try {
      await bench.rpc("EventIngestService/IngestEvent", { eventType: "invoice_sent", dataJson: "{}" });
      await expect.poll(() => bench.logged("request.completed")).toMatchObject([{ rpc: INGEST, code: 503 }]);
      expect(bench.counted).toEqual([{ call: INGEST, code: "503" }]);
    } finally {
      await bench.dispose();
    }
  });

  test("a call over gRPC", async () => {
    const client = createClient(EventCatalogService, createGrpcTransport({ baseUrl: t.url }));
    await client.listEventTypes({}, { headers: { authorization: `Bearer ${t.token}` } });
    await expect
      .poll(lines)
      .toMatchObject([
        { rpc: "posthaste.v1.EventCatalogService/ListEventTypes", code: "ok", accountId: t.accountId },
      ]);
  });

  test.each([
    ["HTTP/1.1", overHttp1],
    ["HTTP/2", overHttp2],
  ])("a request whose caller leaves before the answer, over %s", async (_protocol, request) => {
    for (const [path, line] of [
      ["/api/Webhook", { route: "/api/Webhook", code: 499 }],
      [`/${INGEST}`, { rpc: INGEST, code: "canceled" }],
    ] as const) {
      const before = lines().length;
      const { socket } = openSocket(t.url);
      socket.write(request(path, "application/json"));
      await expect.poll(() => t.counters().admitted).toBe(1);
      socket.destroy();
      await expect
        .poll(() => lines().slice(before))
        .toMatchObject([{ ...line, aborted: true, accountId: t.accountId }]);
      expect(t.counted.at(-1)?.code).toBe(String(line.code));
    }
    // This is not a fault.
    expect(t.logged("request.faulted")).toEqual([]);
  });
});

test("the answer to a fault carries the request id that the log has", async () => {
  await t.store.db.schema.dropTable("subscriptions").execute();
  const overRest = await t.rest("GET", "/api/Webhook");
  const overConnect = await t.rpc("SubscriptionService/ListSubscriptions", {});
  const ids = [overRest, overConnect].map(({ headers }) => headers.get("x-request-id"));
  expect(new Set(ids).size).toBe(2);
  expect(t.logged("request.faulted").map((line) => line["requestId"])).toEqual(ids);
  await expect.poll(() => lines().map((line) => line["requestId"])).toEqual(ids);
});

test("probes are logged only if they fail", async () => {
  const probe = () =>
    Promise.all([
      fetch(`${t.url}/healthz`),
      fetch(`${t.url}/readyz`),
      fetch(`${t.url}/grpc.health.v1.Health/Check`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: "{}",
      }),
    ]);
  expect((await probe()).map(({ status }) => status)).toEqual([200, 200, 200]);
  expect(lines()).toEqual([]);
  await closeStore(t.store);
  const [live, ready, health] = await probe();
  expect([live.status, ready.status]).toEqual([200, 503]);
  expect(await ready.json()).toEqual({ database: "away", temporal: "ok", why: { database: "failing" } });
  expect(await health.json()).toEqual({ status: "NOT_SERVING" });
  await expect.poll(lines).toMatchObject([{ route: "/readyz", code: 503 }]);
});

describe("a browser", () => {
  test("does not guess media types", async () => {
    const answers = [
      await t.rest("GET", "/api/Webhook"),
      await t.rest("GET", "/api/docs/"),
      await t.rest("GET", "/nothing"),
      await t.rpc("EventCatalogService/ListEventTypes", {}),
    ];
    for (const { headers } of answers) expect(headers.get("x-content-type-options")).toBe("nosniff");
  });

  test("loads the docs page from this server only, even over plain http", async () => {
    const { headers, body } = await t.rest("GET", "/api/docs/", { token: null });
    const policy = headers.get("content-security-policy") ?? "";
    expect(policy).toContain("default-src 'self'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).not.toMatch(/upgrade-insecure|swagger\.io|https:|unsafe/);
    // Nothing in the page itself needs what the policy forbids.
    expect(body).not.toMatch(/<script>|<script(?![^>]* src=)|https?:\/\//);
  });
});
