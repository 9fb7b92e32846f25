import { once } from "node:events";
import { type AddressInfo, createServer, Socket } from "node:net";
import tls from "node:tls";
import { type AccountId, EGRESS_PORTS_DEFAULT, parseNetworks } from "@posthaste/domain";
import {
  certificateFor,
  type Receiver,
  refusedUrl,
  startConnectProxy,
  startReceiver,
} from "@posthaste/testkit";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { INTERIM_RESPONSES_MAX, RESPONSE_BODY_BYTES_MAX, RESPONSE_BODY_PIECES_MAX } from "./answer.ts";
import { RESPONSE_HEADERS_MAX } from "./connection.ts";
import { createEgress, type PostRequest } from "./egress.ts";

const ACCOUNT = 1 as AccountId;
/** For attempts that do not time out, however busy the machine is. */
const TIMEOUT_MS = 60_000;

let receiver: Receiver;
beforeEach(async () => {
  receiver = await startReceiver();
});
afterEach(() => receiver.stop());

const egress = createEgress({
  rules: { allow: parseNetworks("127.0.0.1"), deny: [], ports: EGRESS_PORTS_DEFAULT },
});
const REQUEST: Omit<PostRequest, "url"> = {
  headers: { "content-type": "application/json" },
  body: Buffer.from("[{}]"),
  acceptance: "OK_ONLY",
  accountId: ACCOUNT,
  timeoutMs: TIMEOUT_MS,
};
const send = (options: Partial<PostRequest> = {}) =>
  egress.post({ ...REQUEST, url: receiver.url, ...options });
/** A short timeout, for receivers that never finish. */
const SHORT_MS = 300;

describe("the receiver's behaviour becomes an outcome", () => {
  test("200 is accepted, with the response and the address that was dialled", async () => {
    receiver.answer({ kind: "status", status: 200, headers: { "X-Seen": "yes" }, body: "thanks" });
    const result = await send();
    expect(result).toMatchObject({
      outcome: "accepted",
      status: 200,
      responseTruncated: false,
      address: `127.0.0.1:${receiver.port}`,
      detail: null,
    });
    expect(Buffer.from(result.responseBody).toString()).toBe("thanks");
    expect(result.responseHeaders).toContainEqual(["x-seen", "yes"]);
  });

  test("a receiver that resets before its address can be asked for is a reset, and not blocked", async () => {
    // The system forgets the address with the connection. No real receiver can be timed so exactly.
    const peername = vi.spyOn(Socket.prototype as unknown as { _getpeername(): object }, "_getpeername");
    peername.mockReturnValue({});
    try {
      expect(await send()).toMatchObject({ outcome: "reset", detail: "ECONNRESET", status: null });
    } finally {
      peername.mockRestore();
    }
    expect(receiver.requests).toHaveLength(0);
  });

  test.each([
    [201, "status"],
    [204, "status"],
    [302, "redirect"],
    [404, "status"],
    [410, "gone"],
    [500, "status"],
  ] as const)("%i is %s if only 200 counts", async (status, outcome) => {
    receiver.answer({ kind: "status", status, headers: { location: "http://127.0.0.1:1/elsewhere" } });
    expect(await send()).toMatchObject({ outcome, status });
    expect(receiver.requests).toHaveLength(1);
  });

  test("204 is accepted if any 2xx counts, and 302 is not", async () => {
    receiver.answer({ kind: "status", status: 204 });
    expect(await send({ acceptance: "ANY_2XX" })).toMatchObject({ outcome: "accepted", status: 204 });
    receiver.answer({ kind: "status", status: 302 });
    expect(await send({ acceptance: "ANY_2XX" })).toMatchObject({ outcome: "redirect" });
  });

  test.each([
    ["that never answers", { kind: "hang" }, "timeout"],
    ["whose headers never end", { kind: "slow_headers" }, "timeout"],
    ["whose body never ends", { kind: "drip", status: 200, everyMs: 10 }, "timeout"],
    ["that closes the connection without a response", { kind: "close" }, "reset"],
    ["that resets the connection during the response", { kind: "reset" }, "reset"],
    ["that does not speak HTTP", { kind: "garbage" }, "invalid_response"],
  ] as const)("the outcome of a receiver %s (%o) is %s", async (_title, behaviour, outcome) => {
    receiver.answer(behaviour);
    const result = await send({ timeoutMs: outcome === "timeout" ? SHORT_MS : TIMEOUT_MS });
    expect(result).toMatchObject({ outcome, status: null });
    expect(result.detail).not.toBeNull();
  });

  test.each([
    ["a status of 000", "HTTP/1.1 000 Nothing\r\ncontent-length: 0\r\n\r\n"],
    ["a status of 099", "HTTP/1.1 099 Nothing\r\ncontent-length: 0\r\n\r\n"],
    [
      "a protocol switch followed by a response",
      "HTTP/1.1 101 Switching Protocols\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    ],
  ])("%s is an invalid response", async (_what, text) => {
    const server = createServer((socket) =>
      socket.on("error", () => {}).once("data", () => socket.end(text)),
    );
    await once(server.listen(0, "127.0.0.1"), "listening");
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
      expect(await send({ url })).toMatchObject({ outcome: "invalid_response", status: null });
    } finally {
      server.close();
    }
  });

  test("headers over the limit are an invalid response", async () => {
    receiver.answer({ kind: "status", status: 200, headers: { "x-large": "x".repeat(20_000) } });
    expect(await send()).toMatchObject({ outcome: "invalid_response" });
  });

  test("a refused connection is refused", async () => {
    expect(await send({ url: await refusedUrl() })).toMatchObject({ outcome: "refused", address: null });
  });

  test("a name that does not resolve is dns", async () => {
    expect(await send({ url: "http://nowhere.invalid/" })).toMatchObject({ outcome: "dns", address: null });
  });

  test("an untrusted certificate is tls, and nothing is sent", async () => {
    const secure = await startReceiver({ tls: await certificateFor("localhost") });
    try {
      expect(await send({ url: secure.url })).toMatchObject({ outcome: "tls", status: null });
      expect(secure.requests).toHaveLength(0);
    } finally {
      await secure.stop();
    }
  });

  test("TLS to a plain HTTP port is tls", async () => {
    expect(await send({ url: receiver.url.replace("http:", "https:") })).toMatchObject({ outcome: "tls" });
  });
});

describe("the cost of a response is bounded", () => {
  test("only the first 16 KiB of a huge body are read, and the response still counts", async () => {
    receiver.answer({ kind: "huge", status: 200, bytes: 10 * 1024 ** 3 });
    const result = await send();
    expect(result).toMatchObject({ outcome: "accepted", responseTruncated: true });
    expect(result.responseBody).toHaveLength(RESPONSE_BODY_BYTES_MAX);
    // When the connection closed, the kernel's buffers contained some megabytes.
    await expect.poll(() => receiver.open()).toBe(0);
    expect(receiver.sentBytes()).toBeLessThan(20 * 1024 ** 2);
  });

  const CHUNKED = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
  const floods = [
    ["interim responses", "", "HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n"],
    ["empty lines before a response", "", "\r\n"],
    ["a chunk's extensions", `${CHUNKED}1;`, "a"],
    ["the zeros of a chunk's size", CHUNKED, "0"],
    ["chunks of one byte with extensions", CHUNKED, `1;${"a".repeat(1_000)}\r\nx\r\n`],
  ] as const;

  test.each(floods)(
    "a receiver that sends %s without end is an invalid response",
    async (_what, text, repeated) => {
      receiver.answer({ kind: "flood", text, repeated });
      expect(await send()).toMatchObject({ outcome: "invalid_response", status: null });
      await expect.poll(() => receiver.open()).toBe(0);
      // What was read, and some megabytes in the kernel's buffers.
      expect(receiver.sentBytes()).toBeLessThan(20 * 1024 ** 2);
    },
  );

  test.each(["directly", "through a proxy"])("the bytes of a flood over TLS are counted, %s", async (way) => {
    const certificate = await certificateFor("localhost");
    const secure = await startReceiver({ tls: certificate });
    const proxy = await startConnectProxy();
    const { post, close } = createEgress({
      rules: { allow: parseNetworks("127.0.0.1"), deny: [], ports: EGRESS_PORTS_DEFAULT },
      lookup: async () => [{ address: "127.0.0.1", family: 4 }],
      ca: certificate.cert,
      proxy: way === "directly" ? undefined : proxy.url,
    });
    try {
      secure.answer({ kind: "flood", text: `${CHUNKED}1;`, repeated: "a" });
      const result = await post({ ...REQUEST, url: secure.url.replace("127.0.0.1", "localhost") });
      expect(result).toMatchObject({ outcome: "invalid_response", detail: "TOO_MUCH_FRAMING" });
    } finally {
      close();
      await proxy.stop();
      await secure.stop();
    }
  });

  test("a receiver that negotiates TLS again is refused", async () => {
    const certificate = await certificateFor("localhost");
    const limit = tls.CLIENT_RENEG_LIMIT;
    Object.assign(tls, { CLIENT_RENEG_LIMIT: Number.POSITIVE_INFINITY });
    const server = tls.createServer({ ...certificate, maxVersion: "TLSv1.2" }, (socket) => {
      const again = () => {
        if (!socket.destroyed) socket.renegotiate({}, () => setImmediate(again));
      };
      socket.on("error", () => socket.destroy()).once("data", again);
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    const { post, close } = createEgress({
      rules: { allow: parseNetworks("127.0.0.1"), deny: [], ports: EGRESS_PORTS_DEFAULT },
      lookup: async () => [{ address: "127.0.0.1", family: 4 }],
      ca: certificate.cert,
    });
    try {
      const { port } = server.address() as AddressInfo;
      const result = await post({ ...REQUEST, url: `https://localhost:${port}/` });
      expect(result).toMatchObject({ outcome: "tls", status: null });
    } finally {
      Object.assign(tls, { CLIENT_RENEG_LIMIT: limit });
      close();
      server.close();
    }
  });

  test("a few interim responses come before a response", async () => {
    const interim = "HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n";
    const text = `${interim.repeat(INTERIM_RESPONSES_MAX)}HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n`;
    receiver.answer({ kind: "flood", text, repeated: "ok" });
    expect(await send()).toMatchObject({ outcome: "accepted", status: 200 });
  });

  const LENGTH = "content-length: 2\r\n";
  /** Responses with so many headers, by where most of them are. */
  const manyHeaders = [
    ["the response", (headers: string) => `HTTP/1.1 200 OK\r\n${LENGTH}${headers}\r\nok`],
    [
      "an interim response",
      (headers: string) => `HTTP/1.1 103 Early Hints\r\n${headers}\r\nHTTP/1.1 200 OK\r\n${LENGTH}\r\nok`,
    ],
    ["the trailer", (headers: string) => `${CHUNKED}2\r\nok\r\n0\r\n${headers}\r\n`],
  ] as const;

  test.each(manyHeaders)("%s may have 200 headers with the other, and no more", async (_where, textOf) => {
    const answerWith = (count: number) =>
      receiver.answer({ kind: "flood", text: textOf("a:\r\n".repeat(count - 1)), repeated: "unread" });
    answerWith(RESPONSE_HEADERS_MAX);
    expect(await send()).toMatchObject({ outcome: "accepted", status: 200 });
    answerWith(RESPONSE_HEADERS_MAX + 1);
    expect(await send()).toMatchObject({ outcome: "invalid_response", detail: "TOO_MUCH_FRAMING" });
  });

  test("a header that comes in many parts counts once", async () => {
    const server = createServer((socket) => {
      const text = `HTTP/1.1 200 OK\r\n${LENGTH}${"long-name:\r\n".repeat(RESPONSE_HEADERS_MAX / 2)}\r\nok`;
      const write = (from: number) => {
        if (from < text.length) socket.write(text.slice(from, from + 1), () => setImmediate(write, from + 1));
      };
      socket.setNoDelay().once("data", () => write(0));
    });
    await once(server.listen(0, "127.0.0.1"), "listening");
    try {
      const { port } = server.address() as AddressInfo;
      expect(await send({ url: `http://127.0.0.1:${port}/` })).toMatchObject({ outcome: "accepted" });
    } finally {
      server.close();
    }
  });

  test("a body may come in 1,024 chunks", async () => {
    const bytes = RESPONSE_BODY_BYTES_MAX / RESPONSE_BODY_PIECES_MAX;
    const chunk = `${bytes.toString(16)}\r\n${"x".repeat(bytes)}\r\n`;
    const text = `${CHUNKED}${chunk.repeat(RESPONSE_BODY_PIECES_MAX)}0\r\n\r\n`;
    receiver.answer({ kind: "flood", text, repeated: "unread" });
    const result = await send();
    expect(result).toMatchObject({ outcome: "accepted", responseTruncated: false });
    expect(result.responseBody).toHaveLength(RESPONSE_BODY_BYTES_MAX);
  });

  test("only the first chunks of a body in many are read, and the response still counts", async () => {
    receiver.answer({ kind: "flood", text: CHUNKED, repeated: "1\r\nx\r\n" });
    const result = await send();
    expect(result).toMatchObject({ outcome: "accepted", responseTruncated: true });
    expect(result.responseBody).toHaveLength(RESPONSE_BODY_PIECES_MAX + 1);
    await expect.poll(() => receiver.open()).toBe(0);
  });

  test("a body of exactly 16 KiB is not truncated", async () => {
    receiver.answer({ kind: "status", status: 200, body: "x".repeat(RESPONSE_BODY_BYTES_MAX) });
    const result = await send();
    expect(result.responseBody).toHaveLength(RESPONSE_BODY_BYTES_MAX);
    expect(result.responseTruncated).toBe(false);
  });

  test("a compressed body is not decompressed", async () => {
    receiver.answer({
      kind: "status",
      status: 200,
      headers: { "content-encoding": "gzip" },
      body: "not gzip",
    });
    expect(Buffer.from((await send()).responseBody).toString()).toBe("not gzip");
  });
});

test("path and query reach the receiver unchanged", async () => {
  await send({ url: `http://127.0.0.1:${receiver.port}/a%20b?key=1&key=2` });
  expect(receiver.requests[0]).toMatchObject({ method: "POST", path: "/a%20b?key=1&key=2" });
  await send({ url: `http://127.0.0.1:${receiver.port}/a?` });
  expect(receiver.requests[1]?.path).toBe("/a?");
  await send({ url: `http://127.0.0.1:${receiver.port}` });
  expect(receiver.requests[2]?.path).toBe("/");
});
