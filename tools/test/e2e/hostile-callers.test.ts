import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type Stack, startStack } from "@posthaste/stack";
import { afterAll, beforeAll, expect, test } from "vitest";
import { endStack } from "./end-stack.ts";

/*
 * What callers without a token can do to a connection, and the API's process goes on. Here and not among the
 * API's own tests, since an error that nobody listens for ends a process.
 */

let stack: Stack;
beforeAll(async () => {
  stack = await startStack();
});
afterAll(() => endStack(stack));

const INGEST = "/posthaste.v1.EventIngestService/IngestEvent";
const HEALTH = "/grpc.health.v1.Health/Check";
const post = (path: string, length: number, body: string) =>
  `POST ${path} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n${body}`;

/** How many connections: with the fault, the process had ended by the 300th on every run. */
const CONNECTIONS = 400;

/** Sends all of it on a new connection, and leaves: by a reset, or after so many milliseconds. */
async function sendAndLeave(text: string, afterMs: number): Promise<void> {
  const socket = connect(Number(new URL(stack.apiUrl).port), "127.0.0.1");
  socket.on("error", () => {}).resume();
  await Promise.race([once(socket, "connect"), once(socket, "close")]);
  socket.write(text);
  if (afterMs === 0) socket.resetAndDestroy();
  else await sleep(afterMs);
  socket.destroy();
}

test.each([
  ["an RPC that wants a token", post(INGEST, 2, "{}")],
  ["one that wants none", post(HEALTH, 2, "{}")],
  ["a page of the REST gateway", "GET /api/docs HTTP/1.1\r\nhost: a\r\n\r\n"],
])("a request whose body does not come, behind %s, on connections that are left", async (_what, first) => {
  const [api] = stack.apis;
  for (let i = 0; i < CONNECTIONS && api?.running(); i++) {
    await sendAndLeave(first + post(INGEST, 1_000, "{"), i % 4);
  }
  expect(api?.running(), api?.log().slice(-2_000)).toBe(true);
  expect((await fetch(`${stack.apiUrl}/readyz`)).status).toBe(200);
});
