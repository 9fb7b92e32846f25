import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { type Stack, startStack } from "@posthaste/stack";
import { afterAll, beforeAll, expect, test } from "vitest";
import { endStack } from "./end-stack.ts";

/*
 * The API's process survives whatever callers do to their connections, and checks their schemas in threads.
 * These are end-to-end tests, because an unhandled error would end the process, and because only the built
 * package shows that its threads are found.
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

/** With the bug that this test reproduces, the process always ended by the 300th connection. */
const CONNECTIONS = 400;

/**
 * Sends the text on a new connection, then closes it after the given milliseconds, or resets it at once if 0.
 */
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
  ["an RPC that needs a token", post(INGEST, 2, "{}")],
  ["an RPC that needs no token", post(HEALTH, 2, "{}")],
  ["a page of the REST gateway", "GET /api/docs HTTP/1.1\r\nhost: a\r\n\r\n"],
])("the API survives abandoned connections with an incomplete request after %s", async (_name, first) => {
  const [api] = stack.apis;
  for (let i = 0; i < CONNECTIONS && api?.running(); i++) {
    await sendAndLeave(first + post(INGEST, 1_000, "{"), i % 4);
  }
  expect(api?.running(), api?.log().slice(-2_000)).toBe(true);
  expect((await fetch(`${stack.apiUrl}/readyz`)).status).toBe(200);
});

test("the built API checks schemas in its threads", async () => {
  const create = (sampleJson: string) =>
    fetch(`${stack.apiUrl}/posthaste.v1.EventCatalogService/CreateEventType`, {
      method: "POST",
      headers: { authorization: `Bearer ${stack.token}`, "content-type": "application/json" },
      body: JSON.stringify({ code: "parcel_sent", schema: { required: ["id"] }, sampleJson }),
    });
  const refused = await create("{}");
  expect([refused.status, ((await refused.json()) as { message: string }).message]).toEqual([
    400,
    "sample_json does not match the schema: the snapshot must have required property 'id'",
  ]);
  expect((await create('{"id":1}')).status).toBe(200);
});
