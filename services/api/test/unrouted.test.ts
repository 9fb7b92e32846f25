import { once } from "node:events";
import { type IncomingMessage, METHODS, request } from "node:http";
import { connect as connectHttp2 } from "node:http2";
import { connect } from "node:net";
import { json } from "node:stream/consumers";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { type Bench, startBench } from "./fixture.ts";

let t: Bench;
beforeAll(async () => {
  t = await startBench();
});
afterAll(() => t.dispose());

/** Sends a request with any method that Node knows. `fetch` refuses some. */
async function send(method: string, path: string): Promise<IncomingMessage> {
  const headers = { "content-type": "text/plain", authorization: `Bearer ${t.token}` };
  const [answer] = (await once(request(`${t.url}${path}`, { method, headers }).end(), "response")) as [
    IncomingMessage,
  ];
  answer.resume();
  return answer;
}

const PATHS: [path: string, allow: string][] = [
  ["/api/Webhook", "GET, HEAD, POST, DELETE, OPTIONS"],
  ["/API/webhook/", "GET, HEAD, POST, DELETE, OPTIONS"],
  ["/api/Webhook/7", "GET, HEAD, DELETE, OPTIONS"],
  ["/api/openapi.json", "GET, HEAD, OPTIONS"],
  ["/api/docs/", "GET, HEAD, OPTIONS"],
  ["/healthz", "GET, HEAD, OPTIONS"],
  ["/inbox/abc", "POST, OPTIONS"],
];

test.each(PATHS)("every other method on %s is answered 405, with what it takes: %s", async (path, allow) => {
  // CONNECT names no path.
  for (const method of METHODS.filter((one) => ![...allow.split(", "), "CONNECT"].includes(one))) {
    const { statusCode, headers } = await send(method, path);
    expect([method, statusCode, headers.allow]).toEqual([method, 405, allow]);
  }
  const { statusCode, headers } = await send("OPTIONS", path);
  expect([statusCode, headers.allow]).toEqual([204, allow]);
});

const RPCS: [rpc: string, allow: string][] = [
  ["posthaste.v1.EventIngestService/IngestEvent", "POST"],
  ["posthaste.v1.DeliveryService/ListDeliveries", "GET, POST"],
  ["grpc.health.v1.Health/Watch", "POST"],
];

test.each(RPCS)(
  "every other method on the RPC %s is answered 405, with what it takes: %s",
  async (rpc, allow) => {
    for (const method of METHODS.filter(
      (one) => ![...allow.split(", "), "HEAD", "OPTIONS", "CONNECT"].includes(one),
    )) {
      const { statusCode, headers } = await send(method, `/${rpc}`);
      expect([method, statusCode]).toEqual([method, 405]);
      for (const one of allow.split(", ")) expect(headers.allow?.split(", ")).toContain(one);
      expect(headers.allow?.split(", ")).not.toContain(method);
    }
  },
);

test.each(["BREW", "get", "PRI", "__proto__"])(
  "a method that is none of HTTP's is answered over HTTP/2 like one that no route takes: %s",
  async (method) => {
    const session = connectHttp2(t.url);
    onTestFinished(() => session.destroy());
    const ask = async (path: string) => {
      const request = session.request({ ":method": method, ":path": path }).end();
      const [{ ":status": status, allow }] = await once(request, "response");
      return { status, allow, problem: (await json(request)) as object };
    };
    for (const [path, allow] of PATHS) {
      const problem = { status: 405, reason: "METHOD_NOT_ALLOWED" };
      expect(await ask(path)).toMatchObject({ status: 405, allow, problem });
    }
    for (const [rpc] of RPCS) expect(await ask(`/${rpc}`)).toMatchObject({ status: 405 });
    const problem = { status: 404, reason: "ROUTE_UNKNOWN" };
    expect(await ask("/nowhere")).toMatchObject({ status: 404, problem });
  },
);

test.each(["/nowhere", "/posthaste.v1.EventIngestService/Nothing", "/api/Webhook/1/2"])(
  "%s is answered 404, whatever its method and media type, and before its body arrives",
  async (path) => {
    expect((await send("QUERY" in METHODS ? "QUERY" : "PUT", path)).statusCode).toBe(404);
    const socket = connect(Number(new URL(t.url).port), "127.0.0.1");
    socket.write(`POST ${path} HTTP/1.1\r\nhost: a\r\ncontent-type: x/y\r\ncontent-length: 1000\r\n\r\n{`);
    const [answer] = await once(socket, "data");
    socket.destroy();
    expect(String(answer)).toMatch(/^HTTP\/1\.1 404 /);
    expect(String(answer)).toContain(`no route matches ${path}`);
  },
);

const INGEST = "posthaste.v1.EventIngestService/IngestEvent";
test.each([
  ["an RPC with a slip", "posthaste.v1.EventIngestService/IngestEvnt", `did you mean /${INGEST}?`],
  ["a service with a slip", "posthaste.v1.EventIngestServic/IngestEvent", `did you mean /${INGEST}?`],
  ["an RPC without its package", "EventIngestService/IngestEvent", `did you mean /${INGEST}?`],
  [
    "an RPC that resembles none",
    "posthaste.v1.EventIngestService/Send",
    "posthaste.v1.EventIngestService has IngestEvent, IngestEvents",
  ],
  [
    "a service that resembles none",
    "posthaste.v1.Events/Send",
    "posthaste.v1 has SubscriptionService, EventIngestService, ",
  ],
  ["a path that is no RPC's", "api/Webhooks", "see /api/docs"],
])("the answer to %s names what there is", async (_what, name, instead) => {
  const { status, body } = await t.rest("POST", `/${name}`, { json: {} });
  expect(status).toBe(404);
  expect(body.detail).toContain(`no route matches /${name}; ${instead}`);
});
