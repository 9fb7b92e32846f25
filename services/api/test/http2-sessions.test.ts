import { once } from "node:events";
import { connect, createServer, type Http2Server } from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { goaway, headers, preface, rawSocket } from "@posthaste/testkit/http2-frames";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createHttp2Sessions, type Http2Sessions } from "../src/http/http2-sessions.ts";

const PATIENCE = { timeout: 20_000, interval: 10 };
const PING_MS = 50;

let server: Http2Server;
let sessions: Http2Sessions;
let url: string;
let answer: () => void;
/** The server's open sessions. */
let open: Set<object>;
let requests: number;
beforeEach(async () => {
  open = new Set();
  requests = 0;
  sessions = createHttp2Sessions({ firstStreamMs: 60_000, pingEveryMs: PING_MS });
  const answered = new Promise<void>((resolve) => {
    answer = resolve;
  });
  server = createServer((request, response) => {
    requests += 1;
    if (request.url === "/quick") return void response.end("quick");
    void answered.then(() => response.end("late"));
  });
  server.on("sessionError", () => {});
  let socket: Socket | undefined;
  server.prependListener("connection", (connection: Socket) => {
    socket = connection;
  });
  server.on("session", (session) => {
    if (socket === undefined) throw new Error("a session without a connection");
    open.add(session);
    session.once("close", () => open.delete(session));
    sessions.add(session, socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  answer();
  sessions.end();
  await new Promise((resolve) => server.close(resolve));
});

const quick = { ":method": "GET", ":path": "/quick" };

async function ask(path: string): Promise<string> {
  const client = connect(url);
  const request = client.request({ ":path": path });
  let body = "";
  for await (const chunk of request.setEncoding("utf8")) body += chunk;
  client.close();
  return body;
}

test("streams that begin after a client's GOAWAY do no harm, in one write or in several", async () => {
  const streams = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, i) => headers(2 * (from + i) + 1, quick));
  const plans = [
    [[preface(), goaway(), ...streams(0, 10)]],
    [[preface(), ...streams(0, 3)], [goaway()], streams(3, 10)],
    [[preface(), ...streams(0, 3), goaway(), ...streams(3, 10), goaway()]],
  ];
  for (let n = 0; n < 600; n += 30) {
    await Promise.all(
      Array.from({ length: 30 }, async (_, i) => {
        const socket = rawSocket(url);
        await once(socket, "connect");
        for (const write of plans[i % plans.length] ?? []) {
          socket.write(Buffer.concat(write));
          await new Promise(setImmediate);
        }
        socket.destroy();
      }),
    );
  }
  await vi.waitFor(() => expect(open.size).toBe(0), PATIENCE);
  expect(await ask("/quick")).toBe("quick");
});

test("after a client's GOAWAY its open requests are answered, and the session ends with the last", async () => {
  const client = connect(url);
  const request = client.request({ ":path": "/slow" });
  await vi.waitFor(() => expect(requests).toBe(1), PATIENCE);
  client.close();
  let body = "";
  request.setEncoding("utf8").on("data", (text) => {
    body += text;
  });
  answer();
  await once(request, "close");
  expect(body).toBe("late");
  await vi.waitFor(() => expect(open.size).toBe(0), PATIENCE);
});

test("a stopping server sends GOAWAY, answers the requests in flight and ends the session", async () => {
  const client = connect(url);
  const goodbye = once(client, "goaway");
  const request = client.request({ ":path": "/slow" });
  await vi.waitFor(() => expect(requests).toBe(1), PATIENCE);
  sessions.end();
  await goodbye;
  answer();
  let body = "";
  for await (const chunk of request.setEncoding("utf8")) body += chunk;
  expect(body).toBe("late");
  await vi.waitFor(() => expect(open.size).toBe(0), PATIENCE);
});

test("a client that does not answer pings is disconnected; a client that does stays connected", async () => {
  const client = connect(url);
  await once(client, "connect");
  const silent = rawSocket(url);
  silent.write(Buffer.concat([preface(), headers(1, { ":method": "GET", ":path": "/slow" })]));
  await vi.waitFor(() => expect(open.size).toBe(2), PATIENCE);
  await once(silent, "close");
  await vi.waitFor(() => expect(open.size).toBe(1), PATIENCE);
  expect(client.destroyed).toBe(false);
  const request = client.request({ ":path": "/quick" });
  expect((await once(request, "response"))[0]).toMatchObject({ ":status": 200 });
  client.close();
});
