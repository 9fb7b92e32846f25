import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { constants, Http2ServerResponse } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { readConfig } from "@posthaste/runtime";
import { headers, preface, rawSocket, reset } from "@posthaste/testkit/http2-frames";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { LIMIT_SETTINGS, limitsFrom } from "../src/http/limits.ts";
import { createOnePort, type OnePort } from "../src/http/one-port.ts";
import { isOver, whenOver } from "../src/http/when-over.ts";

type Response = ServerResponse | Http2ServerResponse;

const { NGHTTP2_CANCEL: CANCEL } = constants;
const MORE_THAN_FITS_BYTES = 64 * 1_048_576;
let port: OnePort;
let url: string;
/** The test's request handler; nothing is answered unless the test does so. */
let handle: (response: Response) => void;
const leave: (() => void)[] = [];
beforeEach(async () => {
  port = createOnePort({
    limits: limitsFrom(readConfig(LIMIT_SETTINGS, {})),
    handler: (_request, response) => handle(response),
  });
  await once(port.server.listen(0, "127.0.0.1"), "listening");
  url = `http://127.0.0.1:${(port.server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  for (const end of leave.splice(0)) end();
  port.destroy();
  await new Promise((resolve) => port.server.close(resolve));
});

const open = (): Socket => {
  const socket = rawSocket(url);
  leave.push(() => socket.destroy());
  return socket;
};
const head = (method: string) => ({ ":method": method, ":path": "/" });
/** Counts the server's open connections. */
const connections = () => new Promise<number>((resolve) => port.server.getConnections((_, n) => resolve(n)));
/** The response object of the next request. */
const nextRequest = () => new Promise<Response>((resolve) => (handle = resolve));

describe("whenOver calls back exactly once", () => {
  test("immediately, if the stream was reset before the request was emitted", async () => {
    const over = vi.fn();
    const isCalledAtOnce = new Promise<boolean>((resolve) => {
      handle = (response) => {
        whenOver(response, over);
        resolve(over.mock.calls.length === 1);
      };
    });
    const socket = open();
    socket.write(Buffer.concat([preface(), headers(1, head("GET")), reset(1, CANCEL)]));
    expect(await isCalledAtOnce).toBe(true);
    socket.destroy();
    await expect.poll(connections).toBe(0);
    expect(over).toHaveBeenCalledTimes(1);
  });

  test("immediately, if the stream is already destroyed", async () => {
    const request = nextRequest();
    open().write(Buffer.concat([preface(), headers(1, head("GET")), reset(1, CANCEL)]));
    const response = await request;
    if (!(response instanceof Http2ServerResponse)) throw new Error("this was sent over HTTP/2");
    await expect.poll(() => response.stream.destroyed).toBe(true);
    const over = vi.fn();
    whenOver(response, over);
    expect(over).toHaveBeenCalledTimes(1);
  });

  test("when a HEAD request is reset before it is answered", async () => {
    const request = nextRequest();
    const socket = open();
    socket.write(Buffer.concat([preface(), headers(1, head("HEAD"))]));
    const over = vi.fn();
    whenOver(await request, over);
    socket.write(reset(1, CANCEL));
    await expect.poll(() => over.mock.calls.length).toBe(1);
  });

  test.each<[string, (socket: Socket) => void]>([
    ["HTTP/1.1", (socket) => socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")],
    ["HTTP/2", (socket) => socket.write(Buffer.concat([preface(), headers(1, head("GET"))]))],
  ])("when the request is answered, or its connection breaks, over %s", async (_protocol, send) => {
    for (const isAnswered of [true, false]) {
      const request = nextRequest();
      const socket = open();
      send(socket);
      const response = await request;
      const over = vi.fn();
      whenOver(response, over);
      expect(isOver(response)).toBe(false);
      if (isAnswered) response.end();
      else socket.resetAndDestroy();
      await expect.poll(() => over.mock.calls.length).toBe(1);
      expect(isOver(response)).toBe(true);
      socket.destroy();
      await expect.poll(connections).toBe(0);
      expect(over).toHaveBeenCalledTimes(1);
    }
  });

  test("when the connection of pipelined requests breaks, for each of them", async () => {
    const responses: Response[] = [];
    const overs: ReturnType<typeof vi.fn>[] = [];
    handle = (response) => {
      const over = vi.fn();
      whenOver(response, over);
      responses.push(response);
      overs.push(over);
    };
    const socket = open();
    socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n".repeat(4));
    const calls = () => overs.map((over) => over.mock.calls.length);
    await expect.poll(calls).toEqual([0]);
    responses[0]?.end();
    // The second one's turn has come; the others wait for it.
    await expect.poll(calls).toEqual([1, 0]);
    socket.resetAndDestroy();
    await expect.poll(calls).toEqual([1, 1, 1, 1]);
  });
});

test.each<[string, (socket: Socket) => void]>([
  ["HTTP/1.1", (socket) => socket.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n")],
  ["HTTP/2", (socket) => socket.write(Buffer.concat([preface(), headers(1, head("GET"))]))],
])("a handler that waits for drain is woken when the client leaves, over %s", async (_protocol, send) => {
  const request = nextRequest();
  const socket = open();
  socket.pause();
  send(socket);
  const response = await request;
  const body = response as ServerResponse;
  body.writeHead(200);
  // More than all buffers on the path hold.
  expect(body.write(Buffer.alloc(MORE_THAN_FITS_BYTES))).toBe(false);
  // Since Node 26, Node itself may emit a `drain` before it sees the reset.
  const wasOver: boolean[] = [];
  body.on("drain", () => wasOver.push(isOver(response)));
  socket.resetAndDestroy();
  await expect.poll(() => wasOver).toContain(true);
});
