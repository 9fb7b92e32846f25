import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AccountId, SCOPES } from "@posthaste/domain";
import {
  countFrames,
  data,
  enveloped,
  FRAME,
  type Head,
  headers,
  preface,
  rawSocket,
} from "@posthaste/testkit/http2-frames";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Bench, startBench } from "./fixture.ts";

/** Of each kind: of accounts, and of requests without a token. */
const PLACES = 20;
/** Larger than what a socket and a stream take at once. */
const ASSET_BYTES = 8_000_000;
const WATCH_HEALTH = "/grpc.health.v1.Health/Watch";
const SIGN_IN = "/posthaste.v1.SessionService/OpenSession";
const INGEST = "/posthaste.v1.EventIngestService/IngestEvent";

let t: Bench;
/** An account that is to notice nothing. */
let other: { readonly accountId: AccountId; readonly token: string };
const ends: (() => void)[] = [];
beforeEach(async () => {
  const dir = mkdtempSync(join(tmpdir(), "posthaste-"));
  mkdirSync(join(dir, "assets"));
  writeFileSync(join(dir, "index.html"), "<!doctype html>");
  writeFileSync(join(dir, "assets", "a.js"), Buffer.alloc(ASSET_BYTES, " "));
  ends.push(() => rmSync(dir, { recursive: true }));
  t = await startBench({
    limits: { publicRequestsMax: PLACES, requestsMax: PLACES, accountRequestsMax: PLACES },
    console: { dir, frameAncestors: [] },
  });
  other = await t.accountWith(SCOPES);
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) end();
  await t.dispose();
});

/** Accounts, people who sign in, and readers of documents notice nothing. */
async function othersAreServed() {
  const link = { accountId: other.accountId, scopes: ["deliveries:read"] };
  const { body } = await t.rpc("AccountService/CreatePortalLink", link, { token: other.token });
  const portalCode = String(body.path).split("#")[1];
  expect(await t.rest("GET", "/api/Webhook", { token: other.token })).toMatchObject({ status: 200 });
  expect(await t.rpc("SessionService/OpenSession", { portalCode }, { token: null })).toMatchObject({
    status: 200,
  });
  expect(await t.rest("GET", "/api/openapi.json", { token: null })).toMatchObject({ status: 200 });
  expect(await t.rest("GET", "/healthz", { token: null })).toMatchObject({ status: 200 });
}

const open = (): Socket => {
  const socket = rawSocket(t.url);
  ends.push(() => socket.destroy());
  return socket;
};
const request = (line: string, more = "") => `${line} HTTP/1.1\r\nhost: a\r\n${more}\r\n`;
/** A stream that lasts as long as its client stays. */
const watching = () => {
  const message = enveloped("{}");
  const fields = `content-type: application/connect+json\r\ncontent-length: ${message.length}\r\n`;
  return Buffer.concat([Buffer.from(request(`POST ${WATCH_HEALTH}`, fields)), message]);
};

describe("requests without a token behind a long stream on their connection", () => {
  test.each(["GET /api/Webhook", "GET /api/openapi.json"])("take no places: %s", async (line) => {
    const connections = 5;
    const behind = 9;
    for (let n = 0; n < connections; n++) {
      open().write(Buffer.concat([watching(), Buffer.from(request(line).repeat(behind))]));
    }
    await expect.poll(() => t.counters().responses).toBe(connections * (behind + 1));
    await expect.poll(() => t.counters().health).toBe(connections);
    await othersAreServed();
  });

  test("end their connection if they are too many, and each is logged", async () => {
    let received = 0;
    const count = () => {
      received += 1;
    };
    subscribe("http.server.request.start", count);
    ends.push(() => void unsubscribe("http.server.request.start", count));
    const socket = open();
    const behind = 1_000;
    socket.write(Buffer.concat([watching(), Buffer.from(request("GET /api/Webhook").repeat(behind))]));
    await expect.poll(() => socket.closed).toBe(true);
    // Those that wait for their turn still have to be logged.
    const none = { responses: 0, waiting: 0, lines: 0, token: 0, public: 0, health: 0 };
    await expect.poll(() => t.counters()).toMatchObject(none);
    expect(t.logged("request.completed").length).toBe(received);
    expect(received).toBeGreaterThan(20);
    await othersAreServed();
  });
});

test("requests of one connection are answered in their order, one after the other", async () => {
  const socket = open();
  let answers = "";
  socket.on("data", (bytes) => {
    answers += bytes;
  });
  const lines = [
    "GET /healthz",
    "GET /api/Webhook",
    "GET /nowhere",
    "DELETE /healthz",
    "GET /api/openapi.json",
  ];
  socket.write(
    lines.map((line) => request(line)).join("") + request("GET /healthz", "connection: close\r\n"),
  );
  await expect.poll(() => socket.closed).toBe(true);
  const statuses = [...answers.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status);
  expect(statuses).toEqual(["200", "401", "404", "405", "200", "200"]);
});

describe("answers that nobody takes over HTTP/2", () => {
  /** Sends as many requests over connections of their own; their answers wait for the client's window. */
  async function flood(requests: number, head: Head, body?: Buffer, isWhole = true) {
    const ofOne = 250;
    for (let left = requests; left > 0; left -= ofOne) {
      const socket = open();
      const received = countFrames(socket);
      socket.write(preface(0));
      await expect.poll(() => received(FRAME.settings)).toBeGreaterThan(0);
      const count = Math.min(left, ofOne);
      // In parts, as a server that is not flooded in one turn answers them.
      for (let n = 0; n < count; n += 10) {
        const ids = Array.from({ length: Math.min(10, count - n) }, (_, i) => 2 * (n + i) + 1);
        const frames = ids.flatMap((id) =>
          body === undefined ? [headers(id, head)] : [headers(id, head, false), data(id, body, isWhole)],
        );
        socket.write(Buffer.concat(frames));
        const answered = () => received(FRAME.headers) + received(FRAME.rstStream);
        if (isWhole) await expect.poll(answered, { interval: 5 }).toBeGreaterThanOrEqual(n + ids.length);
        else await expect.poll(() => t.counters().lines, { interval: 5 }).toBeGreaterThan(0);
      }
    }
  }

  const post = (path: string, type: string) => ({ ":method": "POST", ":path": path, "content-type": type });
  const grpc = { te: "trailers" };
  test.each<[string, Head, Buffer?]>([
    ["a list without a token", { ":method": "GET", ":path": "/api/Webhook" }],
    ["a list with a bad token", { ":method": "GET", ":path": "/api/Webhook", authorization: "Bearer x" }],
    ["a call without a token", post(INGEST, "application/json"), Buffer.from("{}")],
    ["a call over gRPC", { ...post(INGEST, "application/grpc+json"), ...grpc }, enveloped("{}")],
    ["a call over gRPC-Web", post(INGEST, "application/grpc-web+json"), enveloped("{}")],
    ["a document", { ":method": "GET", ":path": "/api/openapi.json" }],
    ["a large file", { ":method": "GET", ":path": "/assets/a.js" }],
    ["an unknown path", { ":method": "GET", ":path": "/nowhere" }],
    ["an unknown method", { ":method": "FOO", ":path": "/api/Webhook" }],
    ["an undecodable path", { ":method": "GET", ":path": "/api/%zz" }],
    ["a sign-in", post(SIGN_IN, "application/json"), Buffer.from("{}")],
    ["a sign-in over gRPC-Web", post(SIGN_IN, "application/grpc-web+json"), enveloped("{}")],
  ])("of %s keep nobody out", async (_what, head, body) => {
    await flood(5 * PLACES, head, body);
    await othersAreServed();
  });

  test.each<[string, Head, Buffer?]>([
    ["probes", { ":method": "GET", ":path": "/healthz" }],
    ["unknown methods", { ":method": "FOO", ":path": "/api/Webhook" }],
    ["undecodable paths", { ":method": "GET", ":path": "/api/%zz" }],
  ])("of %s hold a bounded part of the memory", async (_what, head) => {
    await flood(1_500, head);
    expect(t.counters().streams).toBeLessThanOrEqual(1_000);
    await othersAreServed();
  });
});

test("answers that nobody reads over HTTP/1.1 make room for others", async () => {
  for (let n = 0; n < 2 * PLACES; n++) open().pause().write(request("GET /assets/a.js"));
  await expect.poll(() => t.counters().lines + t.logged("request.completed").length).toBe(2 * PLACES);
  await othersAreServed();
});

test("sign-ins whose bodies never end make room for others", async () => {
  for (let n = 0; n < 2 * PLACES; n++) {
    open().write(request(`POST ${SIGN_IN}`, "content-type: application/json\r\ncontent-length: 9\r\n"));
  }
  await expect.poll(() => t.counters().lines + t.logged("request.completed").length).toBe(2 * PLACES);
  await othersAreServed();
});
