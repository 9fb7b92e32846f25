import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "vitest";
import { dropRest, keepRest } from "../src/http/body-rest.ts";
import { openSocket } from "./open-socket.ts";

/** Handles the next request. */
let handle: (request: IncomingMessage, response: ServerResponse) => void;
const server = createServer((request, response) => {
  keepRest(request);
  handle(request, response);
});
let url: string;
beforeEach(async () => {
  await once(server.listen(0, "127.0.0.1"), "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  server.closeAllConnections();
  await once(server.close(), "close");
});

test.each<[reader: string, read: (request: IncomingMessage) => Promise<unknown>]>([
  ["iterates over it", (request) => buffer(request)],
  [
    "listens to its pieces",
    (request) =>
      new Promise((resolve, reject) => {
        request.on("data", () => {}).once("end", resolve);
        request.once("close", () => reject(new Error("closed before its end")));
      }),
  ],
])(
  "whoever still reads a body when its rest is dropped does not take what it has for all of it: %s",
  async (_how, read) => {
    const { socket } = openSocket(url);
    const reading = new Promise<unknown>((resolve, reject) => {
      handle = (request, response) => {
        const { socket: connection } = request;
        read(request).then(resolve, reject);
        response.once("finish", () => dropRest(request, connection)).end("early");
      };
    });
    socket.write("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n");
    await once(socket, "data");
    socket.write("1\r\nx\r\n0\r\n\r\n");
    await expect(reading).rejects.toThrow(/before its (body had arrived|end)$/);
    socket.destroy();
  },
);
