import { once } from "node:events";
import { enveloped } from "@posthaste/testkit/http2-frames";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Limits } from "../src/http/limits.ts";
import { type Bench, startBench } from "./fixture.ts";
import { openSocket } from "./open-socket.ts";

let t: Bench;
/** Lets the slow requests be answered. */
let release: () => void;
const start = async (limits: Partial<Limits> = {}) => {
  const released = new Promise<undefined>((resolve) => {
    release = () => resolve(undefined);
  });
  t = await startBench({ limits, whyTemporalAway: () => released });
};
beforeEach(() => start());
afterEach(async () => {
  release();
  await t.dispose();
});

/** A request that is answered after `release`. */
const SLOW = "GET /readyz HTTP/1.1\r\nhost: a\r\n\r\n";
const NEXT = "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
const chunkedTo = (path: string) =>
  `POST ${path} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-type: application/json\r\nauthorization: Bearer ${t.token}\r\n\r\n`;
/** The start of a stream, and a message that never arrives whole. */
const GARBAGE = "HELLO\r\n\r\n";
const LONG = `GET / HTTP/1.1\r\nx: ${"x".repeat(20_000)}\r\n\r\n`;

const statusesOf = (answers: string) =>
  [...answers.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status);
const problemsOf = (answers: string) => answers.match(/"reason":"MESSAGE_UNREADABLE"/g)?.length ?? 0;
/** What requests take. Their connections close a moment after them. */
const openRequests = () => {
  const { responses, lines, admitted, bytes, public: open, token } = t.counters();
  return { responses, lines, admitted, bytes, open, token };
};
const NOTHING = { responses: 0, lines: 0, admitted: 0, bytes: 0, open: 0, token: 0 };

describe("a message that cannot be read", () => {
  test.each([
    ["is no HTTP", GARBAGE, "400"],
    ["has too many headers", LONG, "431"],
    ["begins like HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400"],
  ])("is answered in its turn if it %s and follows a slow request", async (_what, message, status) => {
    const { socket, closed } = openSocket(t.url);
    socket.write(SLOW + message);
    await expect.poll(() => t.unreadable).toEqual([Number(status)]);
    expect(t.counters().responses).toBe(1);
    release();
    const answers = await closed;
    expect(statusesOf(answers)).toEqual(["200", status]);
    expect(answers).toMatch(/"temporal":"ok"}HTTP/);
    expect(problemsOf(answers)).toBe(1);
    expect(openRequests()).toEqual(NOTHING);
  });

  test("is answered after all requests before it", async () => {
    const { socket, closed } = openSocket(t.url);
    socket.write(SLOW + NEXT + SLOW + GARBAGE);
    await expect.poll(() => t.unreadable).toEqual([400]);
    release();
    expect(statusesOf(await closed)).toEqual(["200", "200", "200", "400"]);
  });

  test("is answered 408 in its turn if it comes too slowly behind a slow request", async () => {
    await t.dispose();
    await start({ headersTimeoutMs: 100 });
    const { socket, closed } = openSocket(t.url);
    socket.write(`${SLOW}GET /healthz HTTP/1.1\r\n`);
    await expect.poll(() => t.unreadable).toEqual([408]);
    // Too late: nothing that follows is answered.
    socket.write("host: a\r\n\r\n");
    release();
    expect(statusesOf(await closed)).toEqual(["200", "408"]);
    await expect.poll(openRequests).toEqual(NOTHING);
  });

  test("leaves a stream before it as it is, and is answered when that ends", async () => {
    const { socket, closed } = openSocket(t.url);
    const [head, body] = ["POST /grpc.health.v1.Health/Watch HTTP/1.1", enveloped("{}").toString("latin1")];
    const fields = ["host: a", "content-type: application/connect+json", `content-length: ${body.length}`];
    socket.write(`${head}\r\n${fields.join("\r\n")}\r\n\r\n${body}${GARBAGE}`);
    await expect.poll(() => t.unreadable).toEqual([400]);
    await expect.poll(() => t.counters().health).toBe(1);
    await t.stop();
    const answers = await closed;
    expect(statusesOf(answers)).toEqual(["200", "400"]);
    // The last chunk of the stream.
    expect(answers).toContain("\r\n0\r\n\r\nHTTP/1.1 400");
  });

  test.each([
    ["another request", NEXT],
    ["no HTTP", GARBAGE],
  ])("is none if its connection ends with the answer before it: %s", async (_what, message) => {
    const last = SLOW.replace("host: a", "host: a\r\nconnection: close");
    const { socket, closed } = openSocket(t.url);
    socket.write(last + message);
    await expect.poll(() => t.counters().responses).toBe(1);
    release();
    await once(socket, "data");
    socket.write(message);
    expect(statusesOf(await closed)).toEqual(["200"]);
    expect(t.unreadable).toEqual([]);
  });

  test("is answered, and the rest that follows is not", async () => {
    const { socket, closed } = openSocket(t.url);
    socket.write(GARBAGE);
    await once(socket, "data");
    socket.write(GARBAGE + NEXT);
    const answers = await closed;
    expect([statusesOf(answers), problemsOf(answers)]).toEqual([["400"], 1]);
    expect(t.unreadable).toEqual([400]);
  });

  test("is answered to a client that still sends", async () => {
    const { socket, closed } = openSocket(t.url);
    const sending = setInterval(() => socket.writableNeedDrain || socket.write("x".repeat(1_000)), 1);
    socket.write(LONG.trimEnd());
    await once(socket, "end");
    clearInterval(sending);
    socket.end();
    expect(statusesOf(await closed)).toEqual(["431"]);
  });

  test.each([
    ["in the middle of a head", "GET /healthz HTTP/1.1\r\n", []],
    ["after a head that came too slowly", "GET /healthz HTTP/1.1\r\n", [408]],
    ["in the middle of a body", "POST /nowhere HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n", []],
    ["after what is no HTTP", GARBAGE, [400]],
  ])("keeps nothing open once its client has ended its half, %s", async (_when, message, unreadable) => {
    await t.dispose();
    await start({ headersTimeoutMs: unreadable[0] === 408 ? 100 : 10_000 });
    const { socket, closed } = openSocket(t.url);
    socket.write(SLOW + message);
    await expect.poll(() => t.counters().http1).toBe(1);
    await expect.poll(() => t.unreadable).toEqual(unreadable);
    socket.end();
    expect(await closed).toBe("");
    await expect.poll(openRequests).toEqual(NOTHING);
  });

  test("is not waited for if its client leaves", async () => {
    const { socket } = openSocket(t.url);
    socket.write(SLOW + GARBAGE);
    await expect.poll(() => t.unreadable).toEqual([400]);
    socket.destroy();
    await expect.poll(() => t.counters().http1).toBe(0);
    expect(openRequests()).toEqual(NOTHING);
  });
});

describe("a body that cannot be read", () => {
  const broken = () => `${chunkedTo("/api/Webhook")}zz\r\n`;

  test("is answered 400, and its request has one line", async () => {
    const { socket, closed } = openSocket(t.url);
    socket.write(broken());
    const answers = await closed;
    expect([statusesOf(answers), problemsOf(answers)]).toEqual([["400"], 1]);
    await expect.poll(() => t.logged("request.completed")).toMatchObject([{ code: 400 }]);
    // It was a request, which is counted as such.
    expect(t.unreadable).toEqual([]);
    expect(openRequests()).toEqual(NOTHING);
  });

  test("is answered in its request's turn, and its request has one line", async () => {
    const { socket, closed } = openSocket(t.url);
    socket.write(SLOW + broken());
    await expect.poll(() => t.counters().responses).toBe(2);
    release();
    expect(statusesOf(await closed)).toEqual(["200", "400"]);
    await expect.poll(() => t.logged("request.completed")).toMatchObject([{ code: 400 }]);
    expect(openRequests()).toEqual(NOTHING);
  });

  test("is answered 408 if it comes too slowly", async () => {
    await t.dispose();
    await start({ requestTimeoutMs: 150, headersTimeoutMs: 100 });
    const { socket, closed } = openSocket(t.url);
    socket.write(`${chunkedTo("/api/Webhook")}1\r\n`);
    expect(statusesOf(await closed)).toEqual(["408"]);
    await expect.poll(() => t.logged("request.completed")).toMatchObject([{ code: 408 }]);
  });

  test("is not answered once more if its request has its answer", async () => {
    const { socket, closed } = openSocket(t.url);
    socket.write(chunkedTo("/nowhere"));
    await once(socket, "data");
    socket.write("zz\r\n");
    expect(statusesOf(await closed)).toEqual(["404"]);
  });

  test("is not answered once more if it comes too slowly after its request's answer", async () => {
    await t.dispose();
    await start({ requestTimeoutMs: 150, headersTimeoutMs: 100 });
    const { socket, closed } = openSocket(t.url);
    socket.write(`${chunkedTo("/nowhere")}1\r\n`);
    expect(statusesOf(await closed)).toEqual(["404"]);
  });
});
