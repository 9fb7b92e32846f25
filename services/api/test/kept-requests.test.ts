import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { constants } from "node:http2";
import type { Socket } from "node:net";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { type Head, headers, preface, rawSocket, reset } from "@posthaste/testkit/http2-frames";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Bench, startBench } from "./fixture.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;
/** Less than any time limit of a request, after which it would be collected anyway. */
const PATIENCE = { timeout: 8_000 };

let t: Bench;
/** The requests that Node has read. */
let received: WeakRef<object>[];
const note = (message: unknown) => {
  const { stream, request } = message as { stream?: object; request?: object };
  received.push(new WeakRef(stream ?? request ?? {}));
};
const CHANNELS = ["http.server.request.start", "http2.server.stream.created"];
beforeEach(async () => {
  received = [];
  t = await startBench();
  // The limit of a token's rate keeps the request that begins its window, and only that.
  await t.rpc("DeliveryService/ListDeliveries", {});
  for (const channel of CHANNELS) subscribe(channel, note);
});
afterEach(async () => {
  for (const channel of CHANNELS) unsubscribe(channel, note);
  await t.dispose();
});

/** Counts the requests that are still in memory. */
function kept(): number {
  collectGarbage();
  return received.filter((request) => request.deref() !== undefined).length;
}

const grpc = (path: string): Head => ({
  ...{ ":method": "POST", ":path": path, "content-type": "application/grpc" },
  authorization: `Bearer ${t.token}`,
});
const heads = (): readonly Head[] => [
  { ":method": "GET", ":path": "/api/docs" },
  { ":method": "GET", ":path": "/nowhere" },
  grpc("/grpc.health.v1.Health/Watch"),
  grpc("/posthaste.v1.SessionService/OpenSession"),
  grpc("/posthaste.v1.EventIngestService/IngestEvent"),
  grpc("/posthaste.v1.DeliveryService/WatchDeliveries"),
];

const { NGHTTP2_NO_ERROR, NGHTTP2_CANCEL } = constants;

test.each(Object.entries({ NGHTTP2_NO_ERROR, NGHTTP2_CANCEL }))(
  "no request stays in memory that its client resets with %s in the same write",
  async (_name, code) => {
    const frames = heads().flatMap((head, i) =>
      [true, false].flatMap((isWhole, j) => {
        const id = 4 * i + 2 * j + 1;
        return [headers(id, head, isWhole), reset(id, code)];
      }),
    );
    const socket = rawSocket(t.url);
    socket.write(Buffer.concat([preface(), ...frames]));
    await expect.poll(() => received.length).toBe(frames.length / 2);
    socket.destroy();
    await expect.poll(kept, PATIENCE).toBe(0);
  },
);

test("no request over HTTP/2 stays in memory whose connection breaks", async () => {
  const frames = heads().map((head, i) => headers(2 * i + 1, head, false));
  const socket = rawSocket(t.url);
  socket.write(Buffer.concat([preface(), ...frames]));
  await expect.poll(() => received.length).toBe(frames.length);
  socket.resetAndDestroy();
  await expect.poll(kept, PATIENCE).toBe(0);
});

test("no request stays in memory that is answered before its body has arrived, which never does", async () => {
  const type = "content-type: application/json";
  const length = "content-length: 900000";
  const socket = rawSocket(t.url);
  const path = "/posthaste.v1.SessionService/OpenSession";
  socket.write(`POST ${path} HTTP/1.1\r\nhost: a\r\n${type}\r\n${length}\r\n\r\n${"{".repeat(10_000)}`);
  await expect.poll(() => socket.bytesRead).toBeGreaterThan(0);
  socket.resetAndDestroy();
  await expect.poll(kept, PATIENCE).toBe(0);
});

const GET = "GET /api/docs HTTP/1.1\r\nhost: a\r\n\r\n";
const HALF = "POST /api/Webhook HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{";

test.each<[string, (socket: Socket) => void]>([
  ["ends its half", (socket) => socket.end()],
  ["resets it", (socket) => socket.resetAndDestroy()],
])("no request stays in memory whose client sends many or half of one and %s", async (_how, leave) => {
  for (const sent of [GET.repeat(5), HALF]) {
    const socket = rawSocket(t.url);
    socket.write(sent, () => leave(socket));
    await expect.poll(() => received.length).toBeGreaterThan(0);
    await expect.poll(kept, PATIENCE).toBe(0);
    received = [];
  }
});
