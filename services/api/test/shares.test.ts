import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { Code } from "@connectrpc/connect";
import { createPosthasteClient, type PosthasteClient } from "@posthaste/client";
import { SCOPES } from "@posthaste/domain";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Limits } from "../src/http/limits.ts";
import { type Bench, startBench } from "./fixture.ts";

let t: Bench;
const ends: (() => unknown)[] = [];
/** Another account, which is to notice nothing. */
let other: PosthasteClient;
const start = async (limits: Partial<Limits>) => {
  t = await startBench({ limits });
  const { token } = await t.accountWith(SCOPES.filter((scope) => scope !== "admin"));
  other = createPosthasteClient({ baseUrl: t.url, token });
  ends.push(() => other.close());
};
beforeEach(() => void ends.splice(0));
afterEach(async () => {
  for (const end of ends) await end();
  await t.dispose();
});

/** Sends a request whose body never ends, and returns how to end it. */
type Hold = (token: string) => () => void;
const HOLDS: Record<string, Hold> = {
  "an RPC over HTTP/1.1": (token) =>
    overHttp1("/posthaste.v1.EventIngestService/IngestEvent", token, "application/json"),
  "the gateway over HTTP/1.1": (token) => overHttp1("/api/Webhook", token, "application/json"),
  "gRPC over HTTP/2": (token) => overHttp2(token),
};
function overHttp1(path: string, token: string, type: string): () => void {
  const socket = connect(Number(new URL(t.url).port), "127.0.0.1").on("error", () => {});
  const head = [
    `POST ${path} HTTP/1.1`,
    "host: a",
    `authorization: Bearer ${token}`,
    `content-type: ${type}`,
    "content-length: 1000",
  ];
  socket.write(`${head.join("\r\n")}\r\n\r\n{`);
  ends.push(() => socket.destroy());
  return () => socket.destroy();
}
function overHttp2(token: string): () => void {
  const session = connectHttp2(t.url).on("error", () => {});
  ends.push(() => session.destroy());
  session
    .request({
      ":method": "POST",
      ":path": "/posthaste.v1.EventIngestService/IngestEvent",
      "content-type": "application/grpc+json",
      te: "trailers",
      authorization: `Bearer ${token}`,
    })
    .on("error", () => {})
    .write(Buffer.from([0, 0, 0, 4, 0]));
  return () => session.destroy();
}
const underWay = () => t.requestsUnderWay().token;

describe.each(Object.entries(HOLDS))("requests to %s whose bodies never end", (_what, hold) => {
  test("take the part of their token and account, and nothing of the others'", async () => {
    await start({ requestsMax: 20, accountRequestsMax: 4 });
    const held = Array.from({ length: 3 }, () => hold(t.token));
    await expect.poll(underWay).toBe(3);
    const { status, headers, body } = await t.rest("GET", "/api/Webhook");
    expect(status).toBe(429);
    expect(headers.get("retry-after")).toBe("1");
    expect(body.detail).toBe("this token has 3 requests in flight, its maximum; wait until one of them ends");
    expect(await t.rpc("EventCatalogService/ListEventTypes", {})).toMatchObject({
      status: 429,
      body: { code: "resource_exhausted" },
    });
    // The account's other tokens have the rest.
    const second = await t.tokenWith(["subscriptions:read", "subscriptions:write", "events:write"]);
    expect(await t.rest("GET", "/api/Webhook", { token: second })).toMatchObject({ status: 200 });
    hold(second);
    await expect.poll(underWay).toBe(4);
    const refused = await t.rest("GET", "/api/Webhook", { token: second });
    expect(refused.body.detail).toContain("this account has 4 requests in flight, its part of 20");
    expect(await other.subscriptions.listSubscriptions({})).toMatchObject({ subscriptions: [] });
    for (const end of held) end();
    await expect.poll(async () => (await t.rest("GET", "/api/Webhook")).status).toBe(200);
  });
});

test("requests of two accounts that want everything leave a place for the next one", async () => {
  await start({ requestsMax: 20 });
  for (let n = 0; n < 2; n++) {
    const { token } = await t.accountWith(["subscriptions:write"]);
    for (let i = 0; i < 20; i++) overHttp1("/api/Webhook", token, "application/json");
  }
  await expect.poll(() => t.logged("request.completed").length).toBe(40 - 19);
  expect(underWay()).toBe(19);
  expect(await other.subscriptions.listSubscriptions({})).toMatchObject({ subscriptions: [] });
});

test.each([
  ["calls", "/posthaste.v1.EventIngestService/IngestEvent", "resource_exhausted"],
  ["requests to the gateway", "/api/Webhook", 429],
])("bodies that an account's %s hold leave room for those of others", async (_what, path, refusedWith) => {
  await start({ bodiesBytesMax: 100_000 });
  const event = (bytes: number) => ({
    eventType: "invoice_sent",
    snapshot: { case: "dataJson" as const, value: JSON.stringify({ a: "x".repeat(bytes) }) },
  });
  const body = Buffer.from(`{"eventType":"invoice_sent","dataJson":"{}"${" ".repeat(30_000)}`);
  const sockets = Array.from({ length: 3 }, () => {
    const socket = connect(Number(new URL(t.url).port), "127.0.0.1").on("error", () => {});
    ends.push(() => socket.destroy());
    const head = [
      `POST ${path} HTTP/1.1`,
      `host: a\r\nauthorization: Bearer ${t.token}\r\ncontent-type: application/json\r\ncontent-length: 50000`,
    ];
    socket.write(`${head.join("\r\n")}\r\n\r\n`);
    socket.write(body);
    return socket;
  });
  const answers = sockets.map(
    (socket) => new Promise<string>((resolve) => socket.once("data", (text) => resolve(String(text)))),
  );
  const refused = await Promise.race(answers);
  expect(refused).toMatch(/^HTTP\/1\.1 429 /);
  expect(refused.toLowerCase()).toContain("retry-after: 1");
  expect(refused).toContain("its part of 100000; send and read fewer at once");
  await other.events.ingestEvent(event(15_000));
  for (const socket of sockets) socket.destroy();
  await expect
    .poll(() => t.client.events.ingestEvent(event(90_000)).then(() => "stored", String))
    .toBe("stored");
  expect(t.logged("request.completed").map(({ code }) => code)).toContain(refusedWith);
});

/** Opens a stream, and waits for its first answer. */
const opened = async (stream: AsyncIterable<unknown>) => {
  const iterator = stream[Symbol.asyncIterator]();
  ends.push(() => iterator.return?.());
  return await iterator.next();
};

test("streams of delivery changes are shared by token and account", async () => {
  await start({ accountWatchesMax: 4 });
  const watch = (client: PosthasteClient) => opened(client.deliveries.watchDeliveries({}));
  for (let n = 0; n < 3; n++) await watch(t.client);
  await expect(watch(t.client)).rejects.toMatchObject({
    code: Code.ResourceExhausted,
    rawMessage: expect.stringContaining("this token has 3 streams of delivery changes"),
  });
  await watch(other);
});

test("streams of inboxes are shared by token and account", async () => {
  await start({});
  const watch = async (client: PosthasteClient) => {
    const { inbox } = await client.inboxes.createInbox({});
    return async () => await opened(client.inboxes.watchInbox({ inboxId: inbox?.id ?? "" }));
  };
  const mine = await watch(t.client);
  for (let n = 0; n < 6; n++) await mine();
  await expect(mine()).rejects.toMatchObject({ code: Code.ResourceExhausted });
  await (await watch(other))();
});

test("watched health statuses leave places for the console, the documents and signing in", async () => {
  await start({ publicRequestsMax: 20 });
  const session = connectHttp2(t.url).on("error", () => {});
  ends.push(() => session.destroy());
  const ended: (string | undefined)[] = [];
  for (let n = 0; n < 30; n++) {
    const stream = session.request({
      ":method": "POST",
      ":path": "/grpc.health.v1.Health/Watch",
      "content-type": "application/grpc+json",
      te: "trailers",
    });
    stream.on("error", () => {}).on("trailers", (trailers) => ended.push(String(trailers["grpc-status"])));
    stream.resume().end(Buffer.from([0, 0, 0, 0, 2, ...Buffer.from("{}")]));
  }
  await expect.poll(() => t.requestsUnderWay().public).toBe(10);
  await expect.poll(() => ended.includes(String(Code.ResourceExhausted))).toBe(true);
  expect(await t.rest("GET", "/api/openapi.json", { token: null })).toMatchObject({ status: 200 });
  expect(await t.rpc("SessionService/OpenSession", { portalCode: "x" }, { token: null })).toMatchObject({
    status: 401,
  });
});

test.each(["HTTP/1.1", "HTTP/2"])(
  "slow requests without a token are cut off soon over %s",
  async (protocol) => {
    await start({ publicRequestsMax: 3, publicRequestTimeoutMs: 300 });
    for (let n = 0; n < 3; n++) {
      if (protocol === "HTTP/1.1") overHttp1("/nowhere", "", "application/json");
      else {
        const session = connectHttp2(t.url).on("error", () => {});
        ends.push(() => session.destroy());
        const path = "/posthaste.v1.SessionService/OpenSession";
        const slow = session.request({
          ":method": "POST",
          ":path": path,
          "content-type": "application/json",
        });
        slow.on("error", () => {}).write("{");
      }
    }
    await expect.poll(() => t.logged("request.completed").length, { timeout: 20_000 }).toBe(3);
    expect(await t.rest("GET", "/api/openapi.json", { token: null })).toMatchObject({ status: 200 });
  },
);
