import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { createServer as createNetServer, type Socket } from "node:net";
import { type AccountId, EGRESS_PORTS_DEFAULT, parseNetworks } from "@posthaste/domain";
import { certificateFor, startConnectProxy } from "@posthaste/testkit";
import { afterEach, describe, expect, test, vi } from "vitest";
import { RESPONSE_BODY_BYTES_MAX } from "./answer.ts";
import { Connection, RESPONSE_BYTES_MAX, RESPONSE_HEADERS_MAX } from "./connection.ts";
import { createEgress, type EgressOptions } from "./egress.ts";
import { EGRESS_LIMITS } from "./limits.ts";
import type { TlsTurns } from "./tls-turns.ts";

const ACCOUNT = 1 as AccountId;
const RULES = { allow: parseNetworks("127.0.0.0/8"), deny: [], ports: EGRESS_PORTS_DEFAULT };
/** For attempts that do not time out, however busy the machine is. */
const TIMEOUT_MS = 60_000;
/** The timeout of attempts that time out, by a clock that the test moves once the request has arrived. */
const SHORT_MS = 300;

/** Handles one request; `nth` is its number on its connection, from 1. */
type Serve = (at: { nth: number; path: string; response: ServerResponse; socket: Socket }) => void;
const ok: Serve = ({ response, path }) => void response.end(path);

const stops: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const stop of stops.splice(0).reverse()) await stop();
});

/** Starts a receiver that keeps its connections open and numbers them. */
async function keepingReceiver(
  serve: Serve = ok,
  tls?: { key: string; cert: string },
  at: { host: string; port: number } = { host: "127.0.0.1", port: 0 },
) {
  const requests: { path: string; host: string | undefined; connection: number }[] = [];
  const sockets: Socket[] = [];
  const served = new Map<Socket, number>();
  const server = tls === undefined ? createServer() : createTlsServer(tls);
  server.keepAliveTimeout = 0;
  server.on(tls === undefined ? "connection" : "secureConnection", (socket: Socket) => {
    sockets.push(socket);
    socket.on("error", () => socket.destroy());
  });
  server.on("request", (request, response) => {
    const { socket, url: path = "" } = request;
    request.resume().once("end", () => {
      const nth = (served.get(socket) ?? 0) + 1;
      served.set(socket, nth);
      requests.push({ path, host: request.headers.host, connection: sockets.indexOf(socket) + 1 });
      serve({ nth, path, response, socket });
    });
  });
  server.listen(at.port, at.host);
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const stop = () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  };
  stops.push(stop);
  return {
    stop,
    port,
    url: `${tls === undefined ? "http" : "https"}://${at.host}:${port}/`,
    requests,
    sockets,
    /** For each request, the number of the connection that it came over. */
    connections: () => requests.map(({ connection }) => connection),
    open: () => sockets.filter(({ destroyed }) => !destroyed).length,
  };
}

/** Creates an egress whose clock the test moves. */
function setup(options: Partial<EgressOptions> = {}) {
  let nowMs = 0;
  const egress = createEgress({
    rules: RULES,
    lookup: async () => [{ address: "127.0.0.1", family: 4 }],
    now: () => nowMs,
    ...options,
  });
  stops.push(egress.close);
  return {
    post: (url: string, timeoutMs = TIMEOUT_MS, body = Buffer.from("[{}]")) =>
      egress.post({ url, headers: {}, body, acceptance: "OK_ONLY", accountId: ACCOUNT, timeoutMs }),
    close: egress.close,
    pass: (ms: number) => {
      nowMs += ms;
    },
  };
}

describe("a connection is reused by later attempts", () => {
  test.each(["http", "https"])("to any path of the same origin, over %s", async (scheme) => {
    const certificate = await certificateFor("yoursite.example");
    const receiver = await keepingReceiver(ok, scheme === "https" ? certificate : undefined);
    const { post } = setup({ ca: certificate.cert });
    for (const path of ["/a", "/b?key=1", "/a"]) {
      const result = await post(`${scheme}://yoursite.example:${receiver.port}${path}`);
      expect(result).toMatchObject({ outcome: "accepted", address: `127.0.0.1:${receiver.port}` });
      expect(Buffer.from(result.responseBody).toString()).toBe(path);
    }
    expect(receiver.connections()).toEqual([1, 1, 1]);
  });

  test("only to the same origin: another host name or scheme at the same address gets its own", async () => {
    const certificate = await certificateFor("one.example");
    const receiver = await keepingReceiver(ok, certificate);
    const { post } = setup({ ca: certificate.cert });
    expect(await post(`https://one.example:${receiver.port}/`)).toMatchObject({ outcome: "accepted" });
    expect(await post(`https://other.example:${receiver.port}/`)).toMatchObject({ outcome: "tls" });
    expect(await post(`https://one.example:${receiver.port}/`)).toMatchObject({ outcome: "accepted" });
    expect(receiver.requests.map(({ host }) => host)).toEqual([
      `one.example:${receiver.port}`,
      `one.example:${receiver.port}`,
    ]);
    const plain = await keepingReceiver();
    await post(`http://one.example:${plain.port}/`);
    await post(`http://other.example:${plain.port}/`);
    expect(plain.connections()).toEqual([1, 2]);
  });

  test("one at a time: concurrent attempts use separate connections and do not wait", async () => {
    const hanging: ServerResponse[] = [];
    const receiver = await keepingReceiver(({ path, response }) => {
      if (path === "/hang") hanging.push(response);
      else setImmediate(() => response.end(path));
    });
    const { post } = setup();
    await Promise.all(Array.from({ length: 30 }, () => post(receiver.url)));
    const hung = Array.from({ length: 30 }, () => post(`${receiver.url}hang`));
    const bodies = await Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        const seen: string[] = [];
        for (let n = 0; n < 10; n += 1) {
          seen.push(Buffer.from((await post(`${receiver.url}${i}/${n}`)).responseBody).toString());
        }
        return seen.every((body, n) => body === `/${i}/${n}`);
      }),
    );
    expect(bodies.every(Boolean)).toBe(true);
    expect(receiver.sockets).toHaveLength(50);
    for (const response of hanging) response.end();
    await Promise.all(hung);
  });

  test("even if TLS says a turn late that the request has been written", async () => {
    const receiver = await keepingReceiver();
    const { post } = setup();
    const isFree = vi.spyOn(Connection.prototype, "isFree", "get").mockReturnValue(false);
    await post(receiver.url);
    isFree.mockRestore();
    await new Promise((resolve) => setImmediate(resolve));
    await post(receiver.url);
    expect(receiver.connections()).toEqual([1, 1]);
  });

  test("through a proxy, where the tunnel is reused", async () => {
    const receiver = await keepingReceiver();
    const proxy = await startConnectProxy();
    stops.push(() => proxy.stop());
    const { post, close } = setup({ proxy: proxy.url });
    await post(receiver.url);
    expect(await post(receiver.url)).toMatchObject({ address: `127.0.0.1:${receiver.port}` });
    expect(proxy.authorities).toHaveLength(1);
    expect(receiver.connections()).toEqual([1, 1]);
    close();
    await expect.poll(receiver.open).toBe(0);
  });
});

describe("the idle connections are bounded", () => {
  test("by their age", async () => {
    const receiver = await keepingReceiver();
    const { post, pass } = setup();
    await post(receiver.url);
    pass(EGRESS_LIMITS.lifetimeMs - 1);
    await post(receiver.url);
    pass(1);
    await post(receiver.url);
    expect(receiver.connections()).toEqual([1, 1, 2]);
    await expect.poll(receiver.open).toBe(1);
  });

  test("by their idle time", async () => {
    const receiver = await keepingReceiver();
    const { post } = setup({ limits: { idleMs: 50 } });
    await post(receiver.url);
    await expect.poll(receiver.open).toBe(0);
    expect(await post(receiver.url)).toMatchObject({ outcome: "accepted" });
  });

  test("by the receiver's keep-alive timeout, if it is shorter", async () => {
    const receiver = await keepingReceiver(({ response }) => {
      response.setHeader("keep-alive", "timeout=1").end();
    });
    const { post } = setup();
    await post(receiver.url);
    await expect.poll(receiver.open).toBe(0);
  });

  test("in number per origin", async () => {
    const receiver = await keepingReceiver();
    const { post } = setup({ limits: { idlePerOriginMax: 2 } });
    await Promise.all(Array.from({ length: 6 }, () => post(receiver.url)));
    expect(receiver.sockets).toHaveLength(6);
    await expect.poll(receiver.open).toBe(2);
  });

  test("in total number, and the connection that has been idle for longest closes first", async () => {
    const receiver = await keepingReceiver();
    const { post } = setup({ limits: { idleMax: 2 } });
    const to = (host: string) => post(`http://${host}.example:${receiver.port}/`);
    for (const host of ["a", "b", "a", "c"]) await to(host);
    await expect.poll(receiver.open).toBe(2);
    await to("a");
    await to("b");
    expect(receiver.connections()).toEqual([1, 2, 1, 3, 1, 4]);
  });

  test("to none after the egress is closed, including connections in use", async () => {
    const receiver = await keepingReceiver();
    const { post, close } = setup();
    await post(receiver.url);
    const inFlight = Promise.all([post(receiver.url), post(receiver.url)]);
    close();
    expect(await inFlight).toMatchObject([{ outcome: "accepted" }, { outcome: "accepted" }]);
    await expect.poll(receiver.open).toBe(0);
  });
});

describe("a connection is reused only if its exchange is complete:", () => {
  const twice = async (serve: Serve) => {
    const receiver = await keepingReceiver(serve);
    const { post } = setup();
    const results = [await post(receiver.url), await post(receiver.url)];
    return { results, receiver };
  };

  test("after a body of 16 KiB", async () => {
    const { receiver } = await twice(({ response }) => response.end("x".repeat(RESPONSE_BODY_BYTES_MAX)));
    expect(receiver.connections()).toEqual([1, 1]);
  });

  test("not after a longer body, whose rest is not read", async () => {
    const { receiver, results } = await twice(({ response }) =>
      response.end("x".repeat(RESPONSE_BODY_BYTES_MAX + 1)),
    );
    expect(results).toMatchObject([{ responseTruncated: true }, { responseTruncated: true }]);
    expect(receiver.connections()).toEqual([1, 2]);
  });

  test("not if the receiver sends connection: close", async () => {
    const { receiver } = await twice(({ response }) => response.setHeader("connection", "close").end());
    expect(receiver.connections()).toEqual([1, 2]);
  });

  test("not after a timeout, because the late response would answer the next request", async () => {
    let late: ServerResponse | undefined;
    const receiver = await keepingReceiver(({ path, response }) => {
      if (path === "/late") late = response;
      else response.end(path);
    });
    const { post } = setup();
    await post(receiver.url);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const timedOut = post(`${receiver.url}late`, SHORT_MS);
    await expect.poll(() => late).toBeDefined();
    await vi.advanceTimersByTimeAsync(SHORT_MS);
    expect(await timedOut).toMatchObject({ outcome: "timeout" });
    late?.end("late");
    expect(Buffer.from((await post(`${receiver.url}next`)).responseBody).toString()).toBe("/next");
    expect(receiver.connections()).toEqual([1, 1, 2]);
  });

  test("not if the response came before the whole request was sent, which would delay the next one", async () => {
    let connections = 0;
    const hasty = createNetServer((socket) => {
      connections += 1;
      stops.push(() => void socket.destroy());
      socket.once("data", () => {
        socket.pause();
        socket.write("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
      });
    }).listen(0, "127.0.0.1");
    await once(hasty, "listening");
    stops.push(() => void hasty.close());
    const address = hasty.address();
    const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}/`;
    const { post } = setup();
    // More than the kernel's buffers can hold.
    const body = Buffer.alloc(16 * 1024 ** 2, " ");
    expect(await post(url, TIMEOUT_MS, body)).toMatchObject({ outcome: "accepted" });
    expect(await post(url)).toMatchObject({ outcome: "accepted" });
    expect(connections).toBe(2);
  });

  test("not after many unsolicited empty lines, which a parser skips", async () => {
    const receiver = await keepingReceiver();
    // They count, although the connection may be idle for long.
    const { post } = setup({ limits: { idleMs: 600_000 } });
    await post(receiver.url);
    receiver.sockets[0]?.write("\r\n".repeat(1024 ** 2));
    await expect.poll(receiver.open).toBe(0);
    expect(await post(receiver.url)).toMatchObject({ outcome: "accepted" });
  });

  test("however many bytes its earlier responses had", async () => {
    const receiver = await keepingReceiver(({ response }) =>
      response.end("x".repeat(RESPONSE_BODY_BYTES_MAX)),
    );
    const { post } = setup();
    const bytes = 2 * RESPONSE_BYTES_MAX;
    for (let read = 0; read < bytes; read += RESPONSE_BODY_BYTES_MAX) {
      expect(await post(receiver.url)).toMatchObject({ outcome: "accepted", responseTruncated: false });
    }
    expect(receiver.sockets).toHaveLength(1);
  });

  test("however many headers its earlier responses had", async () => {
    const many = Array.from({ length: RESPONSE_HEADERS_MAX / 2 }, () => ["x-many", ""]).flat();
    const receiver = await keepingReceiver(({ response }) => response.writeHead(200, many).end());
    const { post } = setup();
    for (let n = 0; n < 3; n++) expect(await post(receiver.url)).toMatchObject({ outcome: "accepted" });
    expect(receiver.sockets).toHaveLength(1);
  });

  test("not after an unsolicited response", async () => {
    const receiver = await keepingReceiver();
    const { post } = setup();
    await post(receiver.url);
    receiver.sockets[0]?.write("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged");
    await expect.poll(receiver.open).toBe(0);
    expect(Buffer.from((await post(`${receiver.url}next`)).responseBody).toString()).toBe("/next");
  });
});

describe("a connection on which something waits for the turn of an account that rests", () => {
  test.each([
    ["closed", (socket: Socket) => socket.end()],
    ["sent a response to no request", (socket: Socket) => socket.write("HTTP/1.1 408 Timeout\r\n\r\n")],
  ])("is not used for another account: the receiver has %s", async (_how, act) => {
    const certificate = await certificateFor("yoursite.example");
    const receiver = await keepingReceiver(({ response }) => response.end("x".repeat(3_000)), certificate);
    let isResting = false;
    let waiting = 0;
    const turns: TlsTurns = {
      wait(_reads, read) {
        if (isResting) waiting += 1;
        else setImmediate(read);
        return () => {};
      },
    };
    const { post } = setup({ ca: certificate.cert, turns });
    const url = `https://yoursite.example:${receiver.port}/`;
    await post(url);
    isResting = true;
    const [socket] = receiver.sockets;
    if (socket !== undefined) act(socket);
    await expect.poll(() => waiting).toBe(1);
    isResting = false;
    expect(await post(url)).toMatchObject({ outcome: "accepted" });
    expect(receiver.connections()).toEqual([1, 2]);
  });
});

describe("a connection that went stale", () => {
  const endings: readonly (readonly [string, (socket: Socket) => void])[] = [
    ["closed", (socket) => socket.destroy()],
    ["reset", (socket) => socket.resetAndDestroy()],
  ];

  test.each(endings)("%s while it was idle is not used again", async (_how, end) => {
    const receiver = await keepingReceiver();
    const { post } = setup();
    await post(receiver.url);
    if (receiver.sockets[0] !== undefined) end(receiver.sockets[0]);
    expect(await post(receiver.url)).toMatchObject({ outcome: "accepted" });
    expect(receiver.connections()).toEqual([1, 2]);
  });

  test.each(endings)(
    "%s as the request arrives: the request is sent again at once over a new connection",
    async (_how, end) => {
      const receiver = await keepingReceiver(({ nth, response, socket }) => {
        if (nth === 1) response.end();
        else end(socket);
      });
      const { post } = setup();
      await post(receiver.url);
      expect(await post(receiver.url)).toMatchObject({ outcome: "accepted" });
      expect(receiver.connections()).toEqual([1, 1, 2]);
    },
  );

  test("closed as the request arrives over TLS: the request is sent again over a new connection", async () => {
    const certificate = await certificateFor("yoursite.example");
    const receiver = await keepingReceiver(({ nth, response, socket }) => {
      if (nth === 1) response.end();
      else socket.destroy();
    }, certificate);
    const { post } = setup({ ca: certificate.cert });
    const url = `https://yoursite.example:${receiver.port}/`;
    await post(url);
    expect(await post(url)).toMatchObject({ outcome: "accepted" });
    expect(receiver.connections()).toEqual([1, 1, 2]);
  });

  test.each([408, 421])(
    "an answer of %d over it counts as its end: the request is sent again over a new connection",
    async (status) => {
      const receiver = await keepingReceiver(({ nth, path, response }) => {
        if (nth === 2) response.statusCode = status;
        response.end(path);
      });
      const { post } = setup();
      await post(receiver.url);
      expect(await post(receiver.url)).toMatchObject({ outcome: "accepted" });
      expect(receiver.connections()).toEqual([1, 1, 2]);
    },
  );

  test.each([408, 421])("an answer of %d over a new connection counts", async (status) => {
    const receiver = await keepingReceiver(({ path, response }) => {
      response.statusCode = status;
      response.end(path);
    });
    expect(await setup().post(receiver.url)).toMatchObject({ outcome: "status", status });
    expect(receiver.requests).toHaveLength(1);
  });

  test("a request is sent again only once, however many connections are idle", async () => {
    let isUp = true;
    const receiver = await keepingReceiver(({ response, socket }) => {
      if (isUp) response.end();
      else socket.destroy();
    });
    const { post } = setup();
    await Promise.all([post(receiver.url), post(receiver.url), post(receiver.url)]);
    isUp = false;
    expect(await post(receiver.url)).toMatchObject({ outcome: "reset", status: null });
    expect(receiver.requests).toHaveLength(5);
  });

  test("a request over a new connection is not sent again", async () => {
    const receiver = await keepingReceiver(({ socket }) => socket.destroy());
    const { post } = setup();
    expect(await post(receiver.url)).toMatchObject({ outcome: "reset" });
    expect(receiver.requests).toHaveLength(1);
  });

  test("a request is not sent again after any part of its response has arrived", async () => {
    const receiver = await keepingReceiver(({ nth, response, socket }) => {
      if (nth === 1) response.end();
      else socket.end("HTTP/1.1 200 OK\r\n");
    });
    const { post } = setup();
    await post(receiver.url);
    expect((await post(receiver.url)).status).toBeNull();
    expect(receiver.connections()).toEqual([1, 1]);
  });

  test("both requests share one deadline", async () => {
    const receiver = await keepingReceiver(({ nth, path, response, socket }) => {
      if (path === "/first") response.end();
      else if (nth === 2) socket.destroy();
    });
    const { post } = setup();
    await post(`${receiver.url}first`);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const result = post(receiver.url, SHORT_MS);
    await expect.poll(receiver.connections).toEqual([1, 1, 2]);
    await vi.advanceTimersByTimeAsync(SHORT_MS);
    expect(await result).toMatchObject({ outcome: "timeout" });
  });
});

describe("each attempt checks its target, despite caches and idle connections", () => {
  test("a connection to an address that the name no longer has is closed", async () => {
    const answers = ["127.0.0.1", "127.0.0.2"];
    const lookup = async () => [{ address: answers.shift() ?? "", family: 4 }];
    const receiver = await keepingReceiver();
    const { post, pass } = setup({ lookup });
    const url = `http://moving.example:${receiver.port}/`;
    await post(url);
    pass(EGRESS_LIMITS.answerMs);
    expect(await post(url)).toMatchObject({ outcome: "refused" });
    await expect.poll(receiver.open).toBe(0);
  });

  test("a replacement for a closed connection does not dial an address that the name no longer has", async () => {
    const before = await keepingReceiver(ok, undefined, { host: "127.0.0.2", port: 0 });
    const { port } = before;
    const gone = await keepingReceiver(ok, undefined, { host: "127.0.0.3", port });
    const answers = [["127.0.0.2", "127.0.0.3"], ["127.0.0.2"]];
    const lookup = async () => (answers.shift() ?? []).map((address) => ({ address, family: 4 }));
    const { post, pass } = setup({ lookup });
    const url = `http://moving.example:${port}/`;
    expect(await post(url)).toMatchObject({ address: `127.0.0.2:${port}` });
    pass(EGRESS_LIMITS.answerMs);
    // Stopped at this moment, the receiver's close is noticed after the connection is taken but before
    // anything is sent.
    await new Promise((resolve) => setImmediate(resolve));
    before.stop();
    expect(await post(url)).toMatchObject({ outcome: "refused" });
    expect(gone.requests).toHaveLength(0);
  });

  test("a name that now has a private address is blocked, although a connection is open", async () => {
    const answers = [["127.0.0.1"], ["127.0.0.1", "10.0.0.5"]];
    const lookup = async () => (answers.shift() ?? []).map((address) => ({ address, family: 4 }));
    const receiver = await keepingReceiver();
    const { post, pass } = setup({ lookup });
    const url = `http://rebinding.example:${receiver.port}/`;
    await post(url);
    await post(url);
    pass(EGRESS_LIMITS.answerMs);
    expect(await post(url)).toMatchObject({ outcome: "blocked", address: null });
    expect(receiver.requests).toHaveLength(2);
  });

  test("a target that the rules no longer allow is blocked, despite an idle connection", async () => {
    const rules = { ...RULES, allow: [...RULES.allow] };
    const receiver = await keepingReceiver();
    const { post } = setup({ rules });
    await post(`http://yoursite.example:${receiver.port}/`);
    await post(receiver.url);
    rules.allow.length = 0;
    expect(await post(`http://yoursite.example:${receiver.port}/`)).toMatchObject({ outcome: "blocked" });
    expect(await post(receiver.url)).toMatchObject({ outcome: "blocked" });
    expect(receiver.requests).toHaveLength(2);
  });
});
