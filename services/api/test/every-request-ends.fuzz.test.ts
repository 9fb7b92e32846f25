import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { constants } from "node:http2";
import type { Socket } from "node:net";
import { setImmediate as nextTurn } from "node:timers/promises";
import { fuzzing } from "@posthaste/testkit";
import {
  data,
  enveloped,
  goaway,
  headers,
  preface,
  rawSocket,
  reset,
  windowUpdate,
} from "@posthaste/testkit/http2-frames";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { Counters } from "../src/counters.ts";
import { type Bench, startBench } from "./fixture.ts";

/** Connections that are open at once. */
const CONNECTIONS_MAX = 100;
/** Far more than an answer and two passes over ended streams take. */
const OVER_WITHIN_MS = 4_000;
/** More than all answers on one connection, so that no answer waits for its client to read. */
const WINDOW_BYTES = 2 ** 24;
/** All runs take seconds; the smallest failing case is looked for until then. */
const SHRINKS_WITHIN_MS = 120_000;

let t: Bench;
let inbox: { id: string; path: string };
/** The requests that Node has read, by its own count. */
let received = 0;
const count = () => {
  received += 1;
};
const CHANNELS = ["http.server.request.start", "http2.server.stream.created"];
beforeAll(async () => {
  for (const channel of CHANNELS) subscribe(channel, count);
  const many = 10_000;
  t = await startBench({
    limits: {
      ...{ requestsMax: many, accountRequestsMax: many, publicRequestsMax: many, publicStreamsMax: many },
      ...{ watchesMax: many, accountWatchesMax: many, ratePerSecond: 1_000_000 },
    },
  });
  const created = await t.client.inboxes.createInbox({});
  if (created.inbox === undefined) throw new Error("no inbox");
  inbox = created.inbox;
  // Its connection would be counted.
  await t.client.close();
  await vi.waitFor(() => expect(t.counters().http1).toBe(0));
});
afterAll(async () => {
  for (const channel of CHANNELS) unsubscribe(channel, count);
  await t.dispose();
});

type Target = {
  readonly method: string;
  readonly path: () => string;
  readonly needsToken?: true;
  /** A call of this type; default: a request with a JSON body. */
  readonly type?: string;
  readonly body?: () => Buffer;
  /** When it is answered: at once, when its body has arrived, or only while the client stays. */
  readonly answered: "at once" | "at its end" | "endlessly";
};

const message = () => enveloped("{}");
const rpc = (method: string, type: string, more: Partial<Target> = {}): Target => ({
  ...{ method: "POST", path: () => `/${method}`, answered: "at its end" },
  type: `application/${type}`,
  body: type === "json" ? () => Buffer.from("{}") : message,
  ...more,
});
const needsToken = true;
const endless = { answered: "endlessly" } as const;
const INGEST = "posthaste.v1.EventIngestService/IngestEvent";
const SIGN_IN = "posthaste.v1.SessionService/OpenSession";
const REFLECTION = "grpc.reflection.v1.ServerReflection/ServerReflectionInfo";

const TARGETS: Readonly<Record<string, Target>> = {
  document: { method: "GET", path: () => "/api/openapi.json", answered: "at once" },
  "document's head": { method: "HEAD", path: () => "/api/openapi.json", answered: "at once" },
  "unknown path": { method: "POST", path: () => "/nowhere", answered: "at once" },
  // Over HTTP/1.1, this is no request: its connection ends.
  "unknown method": { method: "FOO", path: () => "/api/Webhook", answered: "at once" },
  "undecodable path": { method: "GET", path: () => "/api/%zz", answered: "at once" },
  list: { method: "GET", path: () => "/api/Webhook", needsToken, answered: "at once" },
  subscribe: { method: "POST", path: () => "/api/Webhook", needsToken, answered: "at its end" },
  unsubscribe: { method: "DELETE", path: () => "/api/Webhook/1", needsToken, answered: "at once" },
  "inbox's address": { method: "POST", path: () => inbox.path, answered: "at its end" },
  "sign in": rpc(SIGN_IN, "json"),
  "sign in at length": rpc(SIGN_IN, "json", { body: () => Buffer.alloc(5_000, "x"), answered: "at once" }),
  "sign in at length over gRPC": rpc(SIGN_IN, "grpc+json", {
    body: () => enveloped("x".repeat(5_000)),
    answered: "at once",
  }),
  health: rpc("grpc.health.v1.Health/Watch", "connect+json", endless),
  "health over gRPC": rpc("grpc.health.v1.Health/Watch", "grpc+json", endless),
  reflection: rpc(REFLECTION, "grpc+json", endless),
  ingest: rpc(INGEST, "json", { needsToken }),
  "ingest over gRPC": rpc(INGEST, "grpc+json", { needsToken }),
  "ingest over gRPC-Web": rpc(INGEST, "grpc-web+json", { needsToken }),
  deliveries: rpc("posthaste.v1.DeliveryService/WatchDeliveries", "connect+json", {
    ...{ needsToken, ...endless },
  }),
  "deliveries over gRPC": rpc("posthaste.v1.DeliveryService/WatchDeliveries", "grpc+json", {
    ...{ needsToken, ...endless },
  }),
  inbox: rpc("posthaste.v1.InboxService/WatchInbox", "connect+json", {
    ...{ needsToken, ...endless },
    body: () => enveloped(JSON.stringify({ inboxId: inbox.id })),
  }),
};

const anyRequest = fc.record({
  target: fc.constantFrom(...Object.keys(TARGETS)),
  token: fc.constantFrom("good", "bad", "none"),
  expect: fc.constantFrom(undefined, undefined, undefined, "100-continue", "something else"),
  isWhole: fc.boolean(),
});
type AnyRequest = typeof anyRequest extends fc.Arbitrary<infer R> ? R : never;

/** What follows the requests on their connection. Not all of it is a request. */
const BEHIND: Readonly<Record<string, readonly [http1: string, http2: () => Buffer]>> = {
  nothing: ["", () => Buffer.alloc(0)],
  "no HTTP": ["HELLO\r\n\r\n", () => Buffer.from("HELLO there, no frame is this")],
  // Over HTTP/2, it would make the frames that end a script a part of its own.
  "a part of a head": ["GET /healthz HTT", () => Buffer.alloc(0)],
  "a long header": [
    `GET / HTTP/1.1\r\nx: ${"x".repeat(20_000)}\r\n\r\n`,
    () => headers(LAST_STREAM, { ":method": "GET", ":path": "/", ...numbered(140) }),
  ],
  "many headers": [
    `GET /nowhere HTTP/1.1\r\nhost: a\r\n${"x:\r\n".repeat(2_000)}\r\n`,
    () => headers(LAST_STREAM, { ":method": "GET", ":path": "/nowhere", ...numbered(100) }),
  ],
  "no host": ["GET /nowhere HTTP/1.1\r\n\r\n", () => headers(LAST_STREAM, { ":method": "GET" })],
  "two hosts": [
    "GET /nowhere HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
    () => headers(LAST_STREAM, { ":method": "GET", ":path": "/nowhere", host: "b" }),
  ],
  CONNECT: [
    "CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\nHELLO",
    () => headers(LAST_STREAM, { ":method": "CONNECT" }, false),
  ],
  "an upgrade": [
    "GET /nowhere HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
    () => headers(LAST_STREAM, { ":method": "GET", ":path": "/nowhere", connection: "upgrade" }),
  ],
  "a broken body": [
    "POST /nowhere HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nno chunk\r\n",
    () => headers(LAST_STREAM, { ":method": "POST", ":path": "/nowhere", "content-length": "no" }),
  ],
};
const LAST_STREAM = 99;
const numbered = (count: number) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`x${i}`, "x".repeat(100)]));

const ENDS = ["stay", "leave", "reset the connection", "cancel", "reset with NO_ERROR", "go away"] as const;
const anyScript = fc.record({
  http: fc.constantFrom(1, 2),
  requests: fc.array(anyRequest, { minLength: 1, maxLength: 3 }),
  behind: fc.constantFrom("nothing", "nothing", ...Object.keys(BEHIND)),
  /** The part of the bytes that is sent before the end. */
  sent: fc.oneof(fc.constant(1), fc.double({ min: 0, max: 1, noNaN: true })),
  pieces: fc.integer({ min: 1, max: 4 }),
  /** Turns of the event loop, which the server shares, after each piece. */
  turns: fc.constantFrom(0, 1, 2, 5, 20),
  end: fc.constantFrom(...ENDS),
});
type Script = typeof anyScript extends fc.Arbitrary<infer S> ? S : never;

const targetOf = ({ target }: AnyRequest) => TARGETS[target] as Target;
const bodyOf = (target: Target) =>
  target.method === "POST" ? (target.body?.() ?? Buffer.from("{}")) : Buffer.alloc(0);

/** Whether the request is answered to its end even if its client only waits. */
function isAnswered(request: AnyRequest): boolean {
  const { needsToken, answered } = targetOf(request);
  if (needsToken === true && request.token !== "good") return true;
  return answered === "at once" || (answered === "at its end" && request.isWhole);
}

function headOf(request: AnyRequest): Record<string, string> {
  const { type = "application/json", method } = targetOf(request);
  const { token, expect: expected } = request;
  return {
    ...(method === "POST" ? { "content-type": type } : {}),
    ...(type.startsWith("application/grpc+") ? { te: "trailers" } : {}),
    ...(token === "none" ? {} : { authorization: `Bearer ${token === "good" ? t.token : "bad"}` }),
    ...(expected === undefined ? {} : { expect: expected }),
  };
}

function overHttp1(requests: readonly AnyRequest[]): Buffer {
  const parts = requests.map((request, i) => {
    const target = targetOf(request);
    const body = bodyOf(target);
    const fields = Object.entries({ host: "a", ...headOf(request), "content-length": String(body.length) });
    const head = [`${target.method} ${target.path()} HTTP/1.1`, ...fields.map((field) => field.join(": "))];
    // The bytes of the next request would be this one's.
    const isWhole = request.isWhole || i < requests.length - 1;
    return Buffer.concat([
      Buffer.from(`${head.join("\r\n")}\r\n\r\n`),
      body.subarray(0, isWhole ? undefined : -1),
    ]);
  });
  return Buffer.concat(parts);
}

const idOf = (i: number) => 2 * i + 1;
function overHttp2(requests: readonly AnyRequest[]): Buffer {
  const frames = requests.flatMap((request, i) => {
    const target = targetOf(request);
    const head = { ":method": target.method, ":path": target.path(), ...headOf(request) };
    return [headers(idOf(i), head, false), data(idOf(i), bodyOf(target), request.isWhole)];
  });
  return Buffer.concat([preface(WINDOW_BYTES), windowUpdate(WINDOW_BYTES), ...frames]);
}

/** Plays a script, and returns its connection. */
async function play({ http, requests, behind, sent, pieces, turns, end }: Script): Promise<Socket> {
  const [overOne, overTwo] = BEHIND[behind] ?? ["", () => Buffer.alloc(0)];
  const all =
    http === 1
      ? Buffer.concat([overHttp1(requests), Buffer.from(overOne)])
      : Buffer.concat([overHttp2(requests), overTwo()]);
  const isWaiting = end === "stay" && sent === 1 && requests.every(isAnswered);
  const bytes = all.subarray(0, Math.ceil(sent * all.length));
  const socket = rawSocket(t.url);
  const step = Math.ceil(bytes.length / pieces);
  for (let from = 0; from < bytes.length; from += step) {
    socket.write(bytes.subarray(from, from + step));
    for (let turn = 0; turn < turns; turn += 1) await nextTurn();
  }
  const codes = { cancel: constants.NGHTTP2_CANCEL, "reset with NO_ERROR": constants.NGHTTP2_NO_ERROR };
  if (isWaiting) return socket;
  if (end === "reset the connection") socket.resetAndDestroy();
  else if (http === 2 && sent === 1 && (end === "cancel" || end === "reset with NO_ERROR")) {
    socket.write(Buffer.concat(requests.map((_, i) => reset(idOf(i), codes[end]))));
  } else if (http === 2 && end === "go away") socket.end(goaway());
  else socket.end();
  return socket;
}

/** What is open beside what was at first: after a failure, what it left over. */
function openSince(atFirst: Counters, kinds: (kind: string) => boolean): object {
  const now = Object.entries(t.counters()).filter(([kind]) => kinds(kind));
  const changes = now.map(([kind, n]) => [kind, n - atFirst[kind as keyof Counters]] as const);
  // Fewer: a connection that its client had left was accepted only after the run before.
  return Object.fromEntries(changes.filter(([, n]) => n > 0));
}
/** Returns what is open once that is nothing, or at the latest after {@link OVER_WITHIN_MS}. */
async function atLast(open: () => object): Promise<object> {
  const isNothing = () => Object.keys(open()).length === 0;
  await vi.waitUntil(isNothing, { timeout: OVER_WITHIN_MS, interval: 20 }).catch(() => {});
  return open();
}
const unlogged = () => received - t.logged("request.completed").length;
const CONNECTIONS: ReadonlySet<string> = new Set(["undecided", "http1", "http2", "sessions"]);
const anyScripts = fc.array(anyScript, { minLength: 1, maxLength: CONNECTIONS_MAX, size: "max" });

test("whatever was sent, every request ends, gives back what it took, and is logged", async () => {
  const property = fc.asyncProperty(anyScripts, async (scripts) => {
    const atFirst = t.counters();
    const unloggedAtFirst = unlogged();
    const sockets = await Promise.all(scripts.map(play));
    // Connections whose requests are answered or reset are still open.
    const ofRequests = await atLast(() => openSince(atFirst, (kind) => !CONNECTIONS.has(kind)));
    for (const socket of sockets) socket.destroy();
    const ofClients = await atLast(() => openSince(atFirst, () => true));
    const left = { ofRequests, ofClients, unlogged: unlogged() - unloggedAtFirst };
    expect(left).toEqual({ ofRequests: {}, ofClients: {}, unlogged: 0 });
  });
  const { numRuns, ...seed } = fuzzing();
  await fc.assert(property, {
    ...seed,
    numRuns: Math.ceil(numRuns / CONNECTIONS_MAX),
    interruptAfterTimeLimit: SHRINKS_WITHIN_MS * Math.max(1, numRuns / 1_000),
    markInterruptAsFailure: true,
  });
}, 0);
