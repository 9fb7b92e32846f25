import { once } from "node:events";
import { connect as connectHttp2, constants } from "node:http2";
import { connect } from "node:net";
import { json } from "node:stream/consumers";
import { createClient } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { EventCatalogService } from "@posthaste/contracts/event_catalog";
import { Health, HealthCheckResponse_ServingStatus as Status } from "@posthaste/contracts/health";
import { createSubscription } from "@posthaste/store";
import { headers, preface, reset } from "@posthaste/testkit/http2-frames";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Bench, startBench } from "./fixture.ts";

let t: Bench;
beforeEach(async () => {
  t = await startBench();
});
afterEach(() => t.dispose());

const transports = {
  "Connect over HTTP/1.1": (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: "1.1" }),
  "Connect over h2c": (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: "2" }),
  "Connect with JSON": (baseUrl: string) =>
    createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false }),
  "gRPC over h2c": (baseUrl: string) => createGrpcTransport({ baseUrl }),
  "gRPC-Web over HTTP/1.1": (baseUrl: string) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
  "gRPC-Web over h2c": (baseUrl: string) => createGrpcWebTransport({ baseUrl, httpVersion: "2" }),
};

describe("one port speaks", () => {
  test.each(Object.entries(transports))("%s", async (_name, transportTo) => {
    const transport = transportTo(t.url);
    const headers = { authorization: `Bearer ${t.token}` };
    const { eventTypes } = await createClient(EventCatalogService, transport).listEventTypes({}, { headers });
    expect(eventTypes).toHaveLength(28);
    const health = createClient(Health, transport);
    expect((await health.check({ service: "posthaste.v1.EventIngestService" })).status).toBe(Status.SERVING);
    for await (const { status } of health.watch({})) {
      expect(status).toBe(Status.SERVING);
      break;
    }
  });

  test("plain HTTP, for health and readiness", async () => {
    expect((await fetch(`${t.url}/healthz`)).status).toBe(200);
    expect(await (await fetch(`${t.url}/readyz`)).json()).toEqual({ database: "ok", temporal: "ok" });
  });
});

test("without Temporal's namespace the API is ready, since events are accepted, and says why", async () => {
  const other = await startBench({ whyTemporalAway: async () => "no_namespace" });
  try {
    const response = await fetch(`${other.url}/readyz`);
    expect([response.status, await response.json()]).toEqual([
      200,
      { database: "ok", temporal: "away", why: { temporal: "no_namespace" } },
    ]);
  } finally {
    await other.dispose();
  }
});

test("fifty probes at once, each over a connection of its own, share one look at the database", async () => {
  const probes = 50;
  const isLookedAt = Promise.withResolvers<void>();
  const whyTemporalAway = vi.fn(async () => {
    await isLookedAt.promise;
    return undefined;
  });
  const other = await startBench({ whyTemporalAway });
  try {
    const ping = vi.spyOn(other.store, "ping");
    const answers = Array.from({ length: probes }, () => fetch(`${other.url}/readyz`));
    await expect.poll(other.counters).toMatchObject({ http1: probes, responses: probes });
    isLookedAt.resolve();
    for (const answer of answers) expect((await answer).status).toBe(200);
    expect([ping, whyTemporalAway].map(({ mock }) => mock.calls.length)).toEqual([1, 1]);
    await fetch(`${other.url}/readyz`);
    expect(ping).toHaveBeenCalledTimes(2);
  } finally {
    await other.dispose();
  }
});

/** Subscribes to so much that a list of it fits in no buffer. */
async function subscribeAtLength() {
  for (let i = 0; i < 60; i++) {
    await createSubscription(t.store, {
      ...{ accountId: t.accountId, credential: null, acceptance: "OK_ONLY", timeoutMs: null, now: 1 },
      targetUrl: `https://yoursite.example/${"x".repeat(1_900)}/${i}`,
      eventTypes: Array.from({ length: 60 }, (_, n) => `type_${n}`),
    });
  }
}

describe("a connection that", () => {
  const raw = () => {
    const socket = connect(Number(new URL(t.url).port), "127.0.0.1");
    let answer = "";
    socket.on("data", (chunk) => {
      answer += chunk;
    });
    socket.on("error", () => {});
    const closed = new Promise<string>((resolve) => socket.once("close", () => resolve(answer)));
    return { socket, closed };
  };

  test("sends its first request byte by byte is served", async () => {
    const { socket, closed } = raw();
    for (const byte of "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n") {
      socket.write(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await closed).toContain("200 OK");
  });

  test.each([
    ["a POST", "P", "OST /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", "HTTP/1.1 405"],
    ["HTTP/2", "PR", "I * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u0004\0\0\0\0\0", "\0\0"],
  ])("sends the first letters of %s alone is waited for", async (_what, start, rest, answer) => {
    const { socket } = raw();
    await once(socket, "connect");
    socket.write(start);
    await expect.poll(() => t.counters().undecided).toBe(1);
    // Meanwhile, others are served.
    expect((await fetch(`${t.url}/healthz`)).status).toBe(200);
    socket.write(rest);
    const [first] = await once(socket, "data");
    expect(String(first)).toContain(answer);
    socket.destroy();
  });

  test("sends the HTTP/2 preface in pieces is served", async () => {
    const { socket, closed } = raw();
    socket.write("P");
    await new Promise((resolve) => setImmediate(resolve));
    socket.write("RI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    // The server's first frame is SETTINGS (type 4).
    const first = await new Promise<Buffer>((resolve) => socket.once("data", resolve));
    expect(first[3]).toBe(4);
    socket.destroy();
    await closed;
  });

  test("sends nothing, or only half of its headers, is closed after the headers' timeout", async () => {
    await t.dispose();
    // The default is ten seconds.
    t = await startBench({ limits: { headersTimeoutMs: 500 } });
    const silent = raw();
    const half = raw();
    half.socket.write("GET /healthz HTTP/1.1\r\nhost: x\r\n");
    expect(await silent.closed).toBe("");
    expect(await half.closed).toMatch(/^$|408/);
  });

  test("is idle stays open longer than a load balancer's idle time, also past the headers' time", async () => {
    await t.dispose();
    t = await startBench({ limits: { headersTimeoutMs: 200 } });
    const { socket, closed } = raw();
    let answer = "";
    socket.on("data", (chunk) => {
      answer += chunk;
    });
    socket.write("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
    await expect.poll(() => answer).toMatch(/keep-alive: timeout=75/i);
    // A connection that sends nothing is closed after the headers' time. By then, this one was idle for it.
    expect(await raw().closed).toBe("");
    socket.write("GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    expect((await closed).match(/200 OK/g)).toHaveLength(2);
  });

  test("speaks HTTP/2 and asks for nothing is closed after the headers' time", async () => {
    await t.dispose();
    t = await startBench({ limits: { headersTimeoutMs: 200 } });
    const session = connectHttp2(t.url);
    await new Promise((resolve) => session.once("goaway", resolve));
    session.destroy();
  });

  test.each(["HTTP/1.1", "HTTP/2"])(
    "does not read its answer over %s is cut off, and its place is free again",
    async (protocol) => {
      await t.dispose();
      t = await startBench({ limits: { silenceMs: 300 } });
      await subscribeAtLength();
      const list = { ":path": "/api/Webhook", authorization: `Bearer ${t.token}` };
      const { socket, closed } = raw();
      socket.pause();
      if (protocol === "HTTP/2")
        socket.write(Buffer.concat([preface(), headers(1, { ":method": "GET", ...list })]));
      else
        socket.write(
          `GET ${list[":path"]} HTTP/1.1\r\nhost: x\r\nauthorization: ${list.authorization}\r\n\r\n`,
        );
      await expect.poll(() => t.requestsUnderWay().token).toBe(1);
      await expect.poll(() => t.requestsUnderWay().token).toBe(0);
      socket.destroy();
      await closed;
    },
  );

  test("takes longer to read its answer over HTTP/2 than a request may take to arrive gets all of it", async () => {
    await t.dispose();
    t = await startBench({ limits: { requestTimeoutMs: 200, headersTimeoutMs: 100 } });
    await subscribeAtLength();
    const session = connectHttp2(t.url);
    const list = session.request({ ":path": "/api/Webhook", authorization: `Bearer ${t.token}` });
    await once(list, "response");
    // A request that never ends tells when the time is over.
    const endless = session.request({
      ":method": "POST",
      ":path": "/api/Webhook",
      authorization: `Bearer ${t.token}`,
    });
    await once(endless.on("error", () => {}).resume(), "close");
    expect(await json(list)).toMatchObject({ Webhooks: { length: 60 * 60 } });
    session.destroy();
  });

  test("resets requests before it is asked for their bodies does no harm", async () => {
    const { socket, closed } = raw();
    const head = { ":method": "POST", ":path": "/nowhere", expect: "100-continue" };
    const streams = Array.from({ length: 20 }, (_, i) => 2 * i + 1);
    const frames = streams.flatMap((id) => [headers(id, head, false), reset(id, constants.NGHTTP2_CANCEL)]);
    socket.write(Buffer.concat([preface(), ...frames]));
    await expect.poll(() => t.logged("request.completed").length).toBe(streams.length);
    expect((await fetch(`${t.url}/healthz`)).status).toBe(200);
    socket.destroy();
    await closed;
  });

  test("does not speak HTTP is answered 400 with a problem, and closed", async () => {
    const { socket, closed } = raw();
    socket.write("HELLO\r\n\r\n");
    const [head = "", body = ""] = (await closed).split("\r\n\r\n");
    expect(head).toMatch(/^HTTP\/1.1 400 Bad Request\r\n.*problem\+json/s);
    expect(JSON.parse(body)).toMatchObject({ status: 400, reason: "MESSAGE_UNREADABLE" });
  });
});

describe("stopping", () => {
  test("requests in flight finish, and new connections are refused", async () => {
    const body = JSON.stringify({ target_url: "https://yoursite.com/", event: "*" });
    const socket = connect(Number(new URL(t.url).port), "127.0.0.1");
    let answer = "";
    socket.on("data", (chunk) => {
      answer += chunk;
    });
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.write(
      `POST /api/Webhook HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${t.token}\r\n` +
        `content-type: application/json\r\ncontent-length: ${body.length}\r\nexpect: 100-continue\r\n\r\n`,
    );
    // The server sends this once it handles the request.
    await expect.poll(() => answer).toContain("100 Continue");
    const stopped = t.stop();
    await expect(fetch(`${t.url}/healthz`)).rejects.toThrow();
    socket.write(body);
    await closed;
    expect(answer).toContain("201 Created");
    expect(answer.toLowerCase()).toContain("connection: close");
    await stopped;
  });

  test("a request that outlasts the drain is cut off, and one line says how many were", async () => {
    const bench = await startBench({ drainMs: 1 });
    try {
      const socket = connect(Number(new URL(bench.url).port), "127.0.0.1");
      let answer = "";
      socket.on("data", (chunk) => {
        answer += chunk;
      });
      const closed = new Promise((resolve) => socket.once("close", resolve));
      socket.write(
        `POST /api/Webhook HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${bench.token}\r\n` +
          "content-type: application/json\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n",
      );
      await expect.poll(() => answer).toContain("100 Continue");
      await bench.stop();
      await closed;
      expect(bench.logged("api.requests_cut")).toEqual([{ drainMs: 1, token: 1, public: 0 }]);
    } finally {
      await bench.dispose();
    }
  });

  test("HTTP/2 connections receive GOAWAY, and endless streams end", async () => {
    const session = connectHttp2(t.url);
    const goaway = new Promise((resolve) => session.once("goaway", resolve));
    const health = createClient(Health, createGrpcTransport({ baseUrl: t.url }));
    const seen: Status[] = [];
    const watching = (async () => {
      for await (const { status } of health.watch({})) seen.push(status);
    })().catch(() => {});
    await new Promise((resolve) => session.once("remoteSettings", resolve));
    await expect.poll(() => seen).toEqual([Status.SERVING]);
    await t.stop();
    await goaway;
    await watching;
  });
});
