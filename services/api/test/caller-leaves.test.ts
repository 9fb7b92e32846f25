import { constants } from "node:http2";
import type { Socket } from "node:net";
import { data, type Head, headers, preface, rawSocket, reset } from "@posthaste/testkit/http2-frames";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Bench, startBench } from "./fixture.ts";

/** Callers of each kind; each of them leaves at another moment of its call. */
const CALLERS = 20;

let t: Bench;
const sockets: Socket[] = [];
beforeEach(async () => {
  t = await startBench();
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await t.dispose();
});

const grpc = (path: string, token?: string): Head => ({
  ":method": "POST",
  ":path": path,
  "content-type": "application/grpc",
  te: "trailers",
  ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
});
/** Announces a message of 100 bytes, and holds two. */
const HALF_MESSAGE = Buffer.from([0, 0, 0, 0, 100, 1, 2]);
const EMPTY_MESSAGE = Buffer.alloc(5);

const calls: readonly (readonly [string, () => Head, Buffer])[] = [
  ["in its message", () => grpc("/posthaste.v1.EventIngestService/IngestEvent", t.token), HALF_MESSAGE],
  ["in a public call's message", () => grpc("/posthaste.v1.SessionService/OpenSession"), HALF_MESSAGE],
  [
    "in a message of a stream of its own",
    () => grpc("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"),
    HALF_MESSAGE,
  ],
  [
    "while it watches deliveries",
    () => grpc("/posthaste.v1.DeliveryService/WatchDeliveries", t.token),
    EMPTY_MESSAGE,
  ],
  ["while it watches a health status", () => grpc("/grpc.health.v1.Health/Watch"), EMPTY_MESSAGE],
  [
    "in a body of the gateway",
    () => ({ ":method": "POST", ":path": "/api/Webhook", authorization: `Bearer ${t.token}` }),
    HALF_MESSAGE,
  ],
];

describe.each(["resets its stream", "closes its connection"])("a caller that %s", (how) => {
  test.each(calls)("%s is no fault of the server", async (_when, head, message) => {
    for (let n = 0; n < CALLERS; n++) {
      const socket = rawSocket(t.url);
      sockets.push(socket);
      const call = Buffer.concat([
        preface(n % 2 === 0 ? 0 : 65_535),
        headers(1, head(), false),
        data(1, message),
      ]);
      const end = () => {
        if (how === "resets its stream") socket.write(reset(1, constants.NGHTTP2_CANCEL));
        else socket.resetAndDestroy();
      };
      socket.write(call, () => {
        // At once, or a few turns later, when the handler is at work.
        if (n % 4 < 2) end();
        else setTimeout(end, n);
      });
    }
    await expect.poll(() => t.logged("request.completed").length, { timeout: 10_000 }).toBe(CALLERS);
    expect(t.logged("request.faulted")).toEqual([]);
    expect(new Set(t.logged("request.completed").map(({ code }) => code))).not.toContain("internal");
  });
});
