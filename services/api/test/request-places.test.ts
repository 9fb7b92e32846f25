import { type ClientHttp2Session, connect as connectHttp2, constants } from "node:http2";
import type { Socket } from "node:net";
import { placesToShare } from "@posthaste/domain";
import { createMetrics } from "@posthaste/runtime";
import {
  countFrames,
  data,
  enveloped,
  FRAME,
  type Head,
  headers,
  preface,
  rawSocket,
  reset,
} from "@posthaste/testkit/http2-frames";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { measureOpen } from "../src/metrics.ts";
import { type Bench, startBench } from "./fixture.ts";

const { NGHTTP2_CANCEL: CANCEL, NGHTTP2_NO_ERROR: NO_ERROR } = constants;
/** Far fewer than the requests of a storm, so that a few leaked places show. */
const PLACES = 20;
/** Requests of one connection; Node treats 1,000 resets as an attack. */
const STORM = 120;
const WATCH_HEALTH = "/grpc.health.v1.Health/Watch";
const WATCH_DELIVERIES = "/posthaste.v1.DeliveryService/WatchDeliveries";

let t: Bench;
const leave: (() => void)[] = [];
beforeEach(async () => {
  t = await startBench({
    // One account alone may have PLACES of those that need a token.
    limits: { publicRequestsMax: PLACES, requestsMax: placesToShare(PLACES), accountRequestsMax: 2 * PLACES },
  });
});
afterEach(async () => {
  for (const end of leave.splice(0)) end();
  await t.dispose();
});

const none = { token: 0, public: 0 };
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
/** The requests of a storm. */
const targets: readonly (readonly [string, () => Head])[] = [
  ["a public route", () => ({ ":method": "GET", ":path": "/api/openapi.json" })],
  ["a token's route", () => ({ ":method": "GET", ":path": "/api/Webhook", ...bearer(t.token) })],
  ["a token's route with a bad token", () => ({ ":method": "GET", ":path": "/api/Webhook", ...bearer("x") })],
];

/** Waits until this many requests are over, then asserts that every place is free. */
const allOver = async (requests: number) => {
  // Of those that were reset in the bytes that opened them, some are only counted.
  await expect.poll(() => t.logged("request.completed").length + t.dropped.length).toBe(requests);
  expect(t.requestsUnderWay()).toEqual(none);
  expect(await t.rest("GET", "/api/openapi.json", { token: null })).toMatchObject({ status: 200 });
  expect(await t.rest("GET", "/api/Webhook")).toMatchObject({ status: 200 });
};
const underWay = (kind: "token" | "public") => expect.poll(() => t.requestsUnderWay()[kind]);
const open = (): Socket => {
  const socket = rawSocket(t.url);
  leave.push(() => socket.destroy());
  return socket;
};
const session = async (): Promise<ClientHttp2Session> => {
  const session = connectHttp2(t.url);
  session.on("error", () => {});
  leave.push(() => session.destroy());
  await new Promise((resolve) => session.once("remoteSettings", resolve));
  return session;
};
const ids = (count: number) => Array.from({ length: count }, (_, i) => 2 * i + 1);
const watch = (path: string) => ({
  ":method": "POST",
  ":path": path,
  "content-type": "application/connect+json",
  ...bearer(t.token),
});

describe.each(targets)("streams that request %s and are reset", (_name, head) => {
  test.each([
    ["CANCEL", CANCEL],
    ["NO_ERROR", NO_ERROR],
  ])("with %s in a connection's first write take no place", async (_code, code) => {
    const storm = ids(STORM).flatMap((id) => [headers(id, head()), reset(id, code)]);
    open().write(Buffer.concat([preface(), ...storm]));
    await allOver(STORM);
  });

  test.each([
    ["CANCEL", CANCEL],
    ["NO_ERROR", NO_ERROR],
  ])("with %s while their answers wait for the client give their places back", async (_code, code) => {
    const socket = open();
    const received = countFrames(socket);
    socket.write(preface(0));
    // From now on, Node reads frames from the socket as they arrive.
    await expect.poll(() => received(FRAME.settings)).toBeGreaterThan(0);
    for (let from = 0; from < 2 * PLACES; from += PLACES) {
      const some = ids(2 * PLACES).slice(from, from + PLACES);
      socket.write(Buffer.concat(some.map((id) => headers(id, head()))));
      await expect.poll(() => received(FRAME.headers)).toBe(from + PLACES);
      socket.write(Buffer.concat(some.map((id) => reset(id, code))));
      await expect.poll(t.requestsUnderWay).toEqual(none);
    }
    await allOver(2 * PLACES);
  });

  test.each<[string, (cancel: () => void) => void]>([
    ["immediately", (cancel) => cancel()],
    ["a tick later", (cancel) => process.nextTick(cancel)],
    ["a turn of the loop later", (cancel) => setImmediate(cancel)],
  ])("by Node's client %s take no place", async (_when, whenever) => {
    const connections = 20;
    for (let i = 0; i < connections; i++) {
      const client = connectHttp2(t.url);
      leave.push(() => client.destroy());
      const ended = ids(STORM / connections).map(() => {
        const stream = client.request(head());
        whenever(() => stream.close(CANCEL));
        return new Promise((resolve) => stream.once("close", resolve));
      });
      await Promise.all(ended);
      // Once this is answered, the server has seen everything sent before it.
      const probe = client.request({ ":path": "/healthz" });
      await new Promise((resolve) => probe.resume().once("end", resolve));
    }
    await expect.poll(t.requestsUnderWay).toEqual(none);
    expect(await t.rest("GET", "/api/openapi.json", { token: null })).toMatchObject({ status: 200 });
    expect(await t.rest("GET", "/api/Webhook")).toMatchObject({ status: 200 });
  });
});

test("a request that is reset before it is handled is not worked on", async () => {
  await t.dispose();
  t = await startBench({ limits: { ratePerSecond: 1 } });
  const head = { ":method": "GET", ":path": "/api/Webhook", ...bearer(t.token) };
  const storm = ids(STORM).flatMap((id) => [headers(id, head), reset(id, CANCEL)]);
  open().write(Buffer.concat([preface(), ...storm]));
  // If the token had been checked for each, it would exceed its rate.
  await allOver(STORM);
});

describe("a client that", () => {
  test("resets a stream with NO_ERROR after the server stopped reading it gives its place back", async () => {
    const socket = open();
    const received = countFrames(socket);
    socket.write(preface(0));
    // The server refuses the body for its length and leaves the rest unread; the answer waits for the window.
    const body = data(1, Buffer.concat([enveloped("x".repeat(8_000)), Buffer.alloc(8_000)]));
    socket.write(Buffer.concat([headers(1, watch(WATCH_HEALTH), false), body, body, body]));
    await expect.poll(() => received(FRAME.headers)).toBe(1);
    expect(t.requestsUnderWay()).toEqual({ token: 0, public: 1 });
    socket.write(reset(1, NO_ERROR));
    await allOver(1);
  });

  test.each([
    ["a watched health status", "public", WATCH_HEALTH],
    ["watched deliveries", "token", WATCH_DELIVERIES],
  ] as const)("leaves %s after the answer started gives its place back", async (_what, kind, path) => {
    const client = await session();
    for (let i = 0; i < PLACES; i++) {
      const stream = client.request(watch(path));
      stream.end(enveloped("{}"));
      stream.once("data", () => stream.close(CANCEL));
      stream.on("error", () => {});
      await new Promise((resolve) => stream.once("close", resolve));
    }
    await underWay(kind).toBe(0);
    await allOver(PLACES);
  });

  test.each<[string, (socket: Socket) => void]>([
    ["ends its half of a connection", (socket) => socket.end()],
    ["resets a connection", (socket) => socket.resetAndDestroy()],
  ])("%s with open streams gives their places back", async (_how, depart) => {
    for (const [kind, path] of [
      ["public", WATCH_HEALTH],
      ["token", WATCH_DELIVERIES],
    ] as const) {
      const socket = open();
      const head = watch(path);
      const streams = ids(PLACES).map((id) =>
        Buffer.concat([headers(id, head, false), data(id, enveloped("{}"))]),
      );
      socket.write(Buffer.concat([preface(), ...streams]));
      await underWay(kind).toBe(PLACES);
      depart(socket);
    }
    await allOver(2 * PLACES);
  });
});

test.each<[string, (socket: Socket) => void]>([
  ["with its first bytes", (socket) => socket.end(preface())],
  [
    "after its requests were answered",
    (socket) => {
      socket.write(preface());
      socket.end(headers(1, { ":method": "GET", ":path": "/api/openapi.json" }));
    },
  ],
])("a session that its client ends %s is gone soon", async (_when, depart) => {
  const sockets = Array.from({ length: 50 }, open);
  sockets.forEach(depart);
  // By itself, it would last for ten minutes without a request, or for the headers' time.
  await expect.poll(() => sockets.every(({ closed }) => closed), { timeout: 5_000 }).toBe(true);
  await expect.poll(() => t.counters().sessions + t.counters().http2).toBe(0);
});

describe("an HTTP/1.1 client that", () => {
  const request = (head: string, body = "") =>
    `${head} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${t.token}\r\n${body}\r\n`;
  const departures: [string, (socket: Socket) => void][] = [
    ["leaves", (socket) => socket.end()],
    ["resets the connection", (socket) => socket.resetAndDestroy()],
  ];

  test.each(departures)("%s in the middle of its requests gives their places back", async (_how, depart) => {
    const half = "content-type: application/json\r\ncontent-length: 100\r\n";
    const sockets = Array.from({ length: PLACES }, open);
    for (const [i, socket] of sockets.entries()) {
      socket.write(
        request(i % 2 === 0 ? "POST /api/Webhook" : "POST /posthaste.v1.SessionService/OpenSession", half),
      );
    }
    await expect.poll(t.requestsUnderWay).toEqual({ token: PLACES / 2, public: PLACES / 2 });
    for (const socket of sockets) depart(socket);
    await allOver(PLACES);
  });

  test.each(departures)(
    "%s while pipelined requests wait for their turn has each logged, and they took no places",
    async (_how, depart) => {
      const socket = open();
      const message = enveloped("{}");
      // The first request is a stream that lasts as long as its client stays.
      socket.write(
        request(
          `POST ${WATCH_HEALTH}`,
          `content-type: application/connect+json\r\ncontent-length: ${message.length}\r\n`,
        ),
      );
      socket.write(message);
      socket.write(request("GET /api/openapi.json").repeat(PLACES / 2 - 1));
      socket.write(request("GET /api/Webhook").repeat(PLACES / 2));
      await expect.poll(() => t.counters().responses).toBe(PLACES);
      await expect.poll(t.requestsUnderWay).toEqual({ token: 0, public: 1 });
      depart(socket);
      await allOver(PLACES);
    },
  );
});

describe("the limit holds", () => {
  /** Sends a request whose body is incomplete until `end`. */
  const slow: Record<string, (path: string) => Promise<{ end(): void }>> = {
    "HTTP/1.1": async (path) => {
      const socket = open();
      const head = `POST ${path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer ${t.token}\r\n`;
      socket.write(`${head}content-type: application/json\r\ncontent-length: 2\r\n\r\n{`);
      return { end: () => socket.write("}") };
    },
    "HTTP/2": async (path) => {
      const head = { ":method": "POST", ":path": path, "content-type": "application/json" };
      const stream = (await session()).request({ ...head, ...bearer(t.token) });
      stream.write("{");
      stream.resume();
      return { end: () => stream.end("}") };
    },
  };

  test.each(Object.keys(slow))(
    "over %s: a further request that needs a token is refused until a place is free",
    async (protocol) => {
      const path = "/api/Webhook";
      const send = () => slow[protocol]?.(path);
      const held = [];
      for (let i = 0; i < PLACES; i++) held.push(await send());
      await underWay("token").toBe(PLACES);
      const ask = () => t.rest("GET", path);
      expect(await ask()).toMatchObject({ status: 429 });
      await underWay("token").toBe(PLACES);
      held.pop()?.end();
      await underWay("token").toBe(PLACES - 1);
      expect(await ask()).toMatchObject({ status: 200 });
      held.push(await send());
      await underWay("token").toBe(PLACES);
      expect(await ask()).toMatchObject({ status: 429 });
      for (const request of held) request?.end();
      await expect.poll(t.requestsUnderWay).toEqual(none);
    },
  );

  test.each(Object.keys(slow))(
    "over %s: a further request that needs none takes the place of the oldest that waits for its caller",
    async (protocol) => {
      const send = () => slow[protocol]?.("/posthaste.v1.SessionService/OpenSession");
      for (let i = 0; i < PLACES; i++) await send();
      await underWay("public").toBe(PLACES);
      expect(await t.rest("GET", "/api/openapi.json")).toMatchObject({ status: 200 });
      await underWay("public").toBe(PLACES - 1);
      await send();
      await underWay("public").toBe(PLACES);
      for (const end of leave.splice(0)) end();
      await allOver(PLACES + 2);
    },
  );
});

test("metrics count the requests in flight and what else is open, by kind", async () => {
  const metrics = createMetrics();
  measureOpen(metrics, t.counters);
  const shown = /^posthaste_(requests_under_way|open)\{kind="(token|public|deliveries|health|streams)"/;
  const rendered = async () => (await metrics.render()).split("\n").filter((line) => shown.test(line));
  const values = (token: number, withoutToken: number) => [
    `posthaste_requests_under_way{kind="token"} ${token}`,
    `posthaste_requests_under_way{kind="public"} ${withoutToken}`,
    `posthaste_open{kind="streams"} ${token + withoutToken}`,
    `posthaste_open{kind="deliveries"} ${token}`,
    `posthaste_open{kind="health"} ${withoutToken}`,
  ];
  expect(await rendered()).toEqual(values(0, 0));
  const client = await session();
  for (const path of [WATCH_HEALTH, WATCH_DELIVERIES, WATCH_DELIVERIES]) {
    const stream = client.request(watch(path));
    stream.end(enveloped("{}"));
    await new Promise((resolve) => stream.once("data", resolve));
  }
  expect(await rendered()).toEqual(values(2, 1));
  client.destroy();
  await expect.poll(rendered).toEqual(values(0, 0));
});
