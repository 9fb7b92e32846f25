import { once } from "node:events";
import { createServer as createHttp2Server, constants as http2, type ServerHttp2Session } from "node:http2";
import { createServer, type Server, type Socket } from "node:net";
import { Code, ConnectError } from "@connectrpc/connect";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { EventIngestService } from "@posthaste/contracts/event_ingest";
import { afterEach, describe, expect, test } from "vitest";
import { createPosthasteClient } from "../src/index.ts";

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const eventOf = (bytes: number, idempotencyKey = "") => ({
  eventType: "invoice_sent",
  snapshot: { case: "dataJson" as const, value: "x".repeat(bytes) },
  idempotencyKey,
});
const EVENT = eventOf(2);
const MB = 1_000_000;

function clientTo(baseUrl: string, options: { attemptsMax?: number } = {}) {
  const client = createPosthasteClient({ baseUrl, token: "pht_test", protocol: "grpc", ...options });
  closing.push(client.close);
  return client;
}

const errorOf = async (call: Promise<unknown>): Promise<ConnectError> =>
  ConnectError.from(
    await call.then(
      () => new Error("the call succeeded"),
      (error: unknown) => error,
    ),
  );

async function listen(server: Server): Promise<string> {
  await once(server.listen(0, "127.0.0.1"), "listening");
  closing.push(() => server.close());
  const address = server.address();
  return `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
}

/**
 * Starts a server that accepts events of up to 2 MB.
 *
 * @param behave runs in every call before the response, with the call's idempotency key
 * @param isReset returns whether the request of this number, from 1, is reset as by a server without memory
 */
async function serve(
  behave: (key: string) => unknown = () => {},
  isReset: (number: number) => boolean = () => false,
) {
  const handler = connectNodeAdapter({
    readMaxBytes: 2 * MB,
    routes: (router) =>
      router.rpc(EventIngestService.method.ingestEvent, async ({ idempotencyKey }) => {
        await behave(idempotencyKey);
        return { eventId: idempotencyKey };
      }),
  });
  let requests = 0;
  const sessions = new Set<ServerHttp2Session>();
  const server = createHttp2Server((request, response) => {
    requests += 1;
    if (isReset(requests)) request.stream.close(http2.NGHTTP2_ENHANCE_YOUR_CALM);
    else handler(request, response);
  });
  server.on("session", (session) => sessions.add(session));
  const url = await listen(server);
  closing.push(() => {
    for (const session of sessions) session.destroy();
  });
  return { url, requests: () => requests, connections: () => sessions.size };
}

/** A promise, and the function that resolves it. */
const latch = () => Promise.withResolvers<void>();

describe("one connection carries", () => {
  test("many large events at once", async () => {
    const server = await serve();
    const { events } = clientTo(server.url);
    const calls = Array.from({ length: 30 }, (_, n) => events.ingestEvent(eventOf(MB, `${n}`)));
    expect((await Promise.all(calls)).map(({ eventId }) => eventId)).toContain("29");
    expect([server.requests(), server.connections()]).toEqual([30, 1]);
  });

  test("an event that is far too large, which the server refuses, and the next", async () => {
    const server = await serve();
    const { events } = clientTo(server.url);
    const refusal = await errorOf(events.ingestEvent(eventOf(20 * MB)));
    expect(refusal.message).toMatch(/message size 20\d+ is larger than configured readMaxBytes 2000000/);
    expect((await events.ingestEvent(eventOf(2, "next"))).eventId).toBe("next");
    expect([server.requests(), server.connections()]).toEqual([2, 1]);
  });

  test("a call after many whose messages were cut off", async () => {
    const server = await serve();
    const { events } = clientTo(server.url);
    await events.ingestEvent(EVENT);
    for (let n = 0; n < 12; n++) {
      const cut = new AbortController();
      const call = errorOf(events.ingestEvent(eventOf(1.9 * MB), { signal: cut.signal }));
      setImmediate(() => cut.abort());
      expect((await call).code).toBe(Code.Canceled);
    }
    expect((await events.ingestEvent(eventOf(2, "next"))).eventId).toBe("next");
    expect(server.connections()).toBe(1);
  });
});

describe("a connection for which the server has no memory left", () => {
  /** Starts a slow call, then one that is reset, and at once a third. */
  async function replaced() {
    const [started, answered] = [latch(), latch()];
    const behave = async (key: string) => {
      if (key !== "slow") return;
      started.resolve();
      await answered.promise;
    };
    const server = await serve(behave, (number) => number === 2);
    const client = clientTo(server.url, { attemptsMax: 1 });
    const slow = client.events.ingestEvent(eventOf(2, "slow"));
    await started.promise;
    expect((await errorOf(client.events.ingestEvent(EVENT))).message).toContain("ENHANCE_YOUR_CALM");
    expect((await client.events.ingestEvent(eventOf(2, "third"))).eventId).toBe("third");
    expect([server.requests(), server.connections()]).toEqual([3, 2]);
    return { client, slow, answer: answered.resolve };
  }

  test("is replaced, and the calls in flight on it end well", async () => {
    const { slow, answer } = await replaced();
    answer();
    expect((await slow).eventId).toBe("slow");
  });

  test("is replaced for the retry of the call that it failed", async () => {
    const server = await serve(undefined, (number) => number === 1);
    const { events } = clientTo(server.url);
    expect((await events.ingestEvent(eventOf(2, "retried"))).eventId).toBe("retried");
    expect([server.requests(), server.connections()]).toEqual([2, 2]);
  });

  test("is closed with the client, and so are the calls in flight on it", async () => {
    const { client, slow } = await replaced();
    const ended = errorOf(slow);
    await client.close();
    expect(await ended).toMatchObject({ code: Code.Canceled, rawMessage: "this client is closed" });
  });
});

describe.each(["idle", "busy"])("in a process whose event loop is %s", (load) => {
  const REFUSAL = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";

  /** Works 5 ms in each turn of the event loop. */
  function work(): void {
    let next: NodeJS.Immediate;
    const turn = () => {
      const until = performance.now() + 5;
      while (performance.now() < until);
      next = setImmediate(turn);
    };
    turn();
    closing.push(() => clearImmediate(next));
  }

  test.each<[string, (socket: Socket) => void]>([
    ["answers in HTTP/1.1", (socket) => socket.on("data", () => socket.end(REFUSAL))],
    ["answers before it is asked", (socket) => socket.end(REFUSAL)],
    ["answers in HTTP/1.1 and stays", (socket) => socket.write(REFUSAL)],
  ])("a server that %s fails the calls, and nothing else", async (_, answer) => {
    const baseUrl = await listen(createServer((socket) => answer(socket.on("error", () => {}))));
    const { events } = clientTo(baseUrl, { attemptsMax: 1 });
    if (load === "busy") work();
    // An error that nobody listens for would end this process: vitest reports it.
    for (let n = 0; n < 5; n++) {
      expect((await errorOf(events.ingestEvent(EVENT))).message).toContain("check baseUrl");
    }
  });
});
