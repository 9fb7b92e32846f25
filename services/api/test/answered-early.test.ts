import { once } from "node:events";
import type { Socket } from "node:net";
import { rawSocket } from "@posthaste/testkit/http2-frames";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DROPPED_BYTES_MAX } from "../src/http/limits.ts";
import { type Bench, startBench } from "./fixture.ts";

let t: Bench;
beforeAll(async () => {
  t = await startBench();
});
afterAll(() => t.dispose());

const MIB = 1_048_576;
const NEXT = "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";

const SIGN_IN = "/posthaste.v1.SessionService/OpenSession";

function head(path: string, type: string, framing: string): string {
  const fields = [
    "host: a",
    `content-type: application/${type}`,
    `authorization: Bearer ${t.token}`,
    framing,
  ];
  return `POST ${path} HTTP/1.1\r\n${fields.join("\r\n")}\r\n\r\n`;
}
const chunk = (bytes: number) => `${bytes.toString(16)}\r\n${"x".repeat(bytes)}\r\n`;
const chunked = "transfer-encoding: chunked";
const envelope = (bytes: number) => String.fromCharCode(0, 0, bytes >> 16, (bytes >> 8) & 0xff, bytes & 0xff);

/** What a connection has received, in lower case. */
function listen(socket: Socket): { answer: string } {
  const heard = { answer: "" };
  socket
    .on("error", () => {})
    .on("data", (piece) => {
      heard.answer += piece.toString("latin1").toLowerCase();
    });
  return heard;
}

describe("an answer that comes before the body's end leaves its connection usable, or says that it closes:", () => {
  test.each([
    ["a message over its limit", () => [head(SIGN_IN, "json", chunked), chunk(5_000)], "0\r\n\r\n"],
    [
      "a message over its limit over gRPC-Web",
      () => [head(SIGN_IN, "grpc-web+json", chunked), `5\r\n${envelope(5_000)}\r\n`, chunk(4_999)],
      "1\r\nx\r\n0\r\n\r\n",
    ],
    [
      "a message over its limit over Connect, as a stream",
      () => [
        head("/grpc.health.v1.Health/Watch", "connect+json", chunked),
        ...[`5\r\n${envelope(5_000)}\r\n`, chunk(4_999)],
      ],
      "1\r\nx\r\n0\r\n\r\n",
    ],
    [
      "a declared length over its limit",
      () => [head(SIGN_IN, "json", "content-length: 5000"), "x".repeat(4_999)],
      "x",
    ],
    ["an unknown path", () => [head("/nowhere", "json", chunked), chunk(5_000)], "0\r\n\r\n"],
    [
      "a REST body over its limit",
      () => [head("/api/Webhook", "json", chunked), chunk(2 * MIB)],
      "0\r\n\r\n",
    ],
    [
      "a REST body that ends soon after its limit",
      () => [head("/api/Webhook", "json", chunked), chunk(MIB + 1)],
      "0\r\n\r\n",
    ],
  ])("%s", async (_title, begin, rest) => {
    const socket = rawSocket(t.url);
    const heard = listen(socket);
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.write(begin().join(""), "latin1");
    await expect.poll(() => heard.answer).toMatch(/^http\/1.1 (200|4\d\d) /);
    const { answer } = heard;
    socket.write(`${rest}${NEXT}`);
    if (answer.includes("connection: close")) await closed;
    else await expect.poll(() => heard.answer.slice(answer.length)).toContain("http/1.1 200 ok");
    socket.destroy();
  });
});

describe("the rest of the body of an answered request", () => {
  test.each([
    ["that was read in part", SIGN_IN],
    ["that was not read", "/nowhere"],
  ])("%s is dropped up to the size of the largest that is accepted", async (_title, path) => {
    const socket = rawSocket(t.url);
    const heard = listen(socket);
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.write(head(path, "json", chunked) + chunk(5_000));
    await expect.poll(() => heard.answer).toMatch(/^http\/1.1 4/);
    expect(heard.answer).not.toContain("connection: close");
    const piece = chunk(MIB);
    const sending = setInterval(() => socket.writableNeedDrain || socket.write(piece), 1);
    await closed;
    clearInterval(sending);
    expect(socket.bytesWritten).toBeGreaterThan(DROPPED_BYTES_MAX);
    await expect.poll(() => t.counters().http1).toBe(0);
  });

  test("closes its connection if it is known to be longer; the client gets the answer while it sends", async () => {
    const socket = rawSocket(t.url);
    const heard = listen(socket);
    socket.write(head(SIGN_IN, "json", `content-length: ${DROPPED_BYTES_MAX + 1}`));
    socket.write("x".repeat(MIB));
    await once(socket, "end");
    expect(heard.answer).toMatch(/^http\/1.1 400 .*connection: close.*message_too_large/s);
    socket.destroy();
  });
});
