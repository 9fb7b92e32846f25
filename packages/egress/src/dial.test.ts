import { type ChildProcess, spawn } from "node:child_process";
import dns, { type LookupAddress } from "node:dns";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import {
  type AddressInfo,
  connect,
  getDefaultAutoSelectFamilyAttemptTimeout,
  Socket,
  setDefaultAutoSelectFamilyAttemptTimeout,
} from "node:net";
import type { Duplex } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { type AccountId, EGRESS_PORTS_DEFAULT, parseNetworks } from "@posthaste/domain";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { connectToOne } from "./dial.ts";
import { createEgress } from "./egress.ts";

const PATIENCE = { timeout: 20_000, interval: 10 };
/** Connections that are made to the host, and those of them for which its queue has room. */
const [FILLING, QUEUED] = [8, 2];

let host: ChildProcess;
let port: number;
const queued: Socket[] = [];

/** A host that answers no SYN until it goes on: it is stopped, and its queue is full. */
beforeEach(async () => {
  const answer = JSON.stringify("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
  const receive = `(s) => s.on("error", () => {}).on("data", () => s.write(${answer}))`;
  const listen = '{ port: 0, host: "127.0.0.1", backlog: 1 }';
  const script = `const s = require("net").createServer(${receive}).listen(${listen}, () => console.log(s.address().port))`;
  host = spawn(process.execPath, ["-e", script], { stdio: ["ignore", "pipe", "inherit"] });
  if (host.stdout === null) throw new Error("the host has no output");
  const [line] = await once(host.stdout, "data");
  port = Number(line);
  host.kill("SIGSTOP");
  for (let i = 0; i < FILLING; i++) queued.push(connect(port, "127.0.0.1").on("error", () => {}));
  await vi.waitFor(() => expect(dialling()).toBe(FILLING - QUEUED), PATIENCE);
});
afterEach(() => {
  for (const socket of queued.splice(0)) socket.destroy();
  host.kill("SIGKILL");
});

/** The connections of this process that are being made. */
const dialling = () => process.getActiveResourcesInfo().filter((kind) => kind === "ConnectWrap").length;

test.each([
  ["to a receiver over http", "http", false],
  ["to a receiver over https", "https", false],
  ["to the outbound proxy", "http", true],
])("the dial %s ends with its attempt", async (_which, scheme, isByProxy) => {
  const egress = createEgress({
    rules: { deny: [], ports: EGRESS_PORTS_DEFAULT, allow: parseNetworks("127.0.0.0/8,203.0.113.0/24") },
    lookup: async () => [{ address: isByProxy ? "203.0.113.1" : "127.0.0.1", family: 4 }],
    ...(isByProxy ? { proxy: new URL(`http://127.0.0.1:${port}`) } : {}),
  });
  const attempt = egress.post({
    url: `${scheme}://yoursite.example:${port}/`,
    headers: {},
    body: Buffer.from("[{}]"),
    acceptance: "OK_ONLY",
    accountId: 1 as AccountId,
    timeoutMs: 1_000,
  });
  const isOver = attempt.catch(() => {});
  await expect.poll(dialling).toBe(FILLING - QUEUED + 1);
  await isOver;
  // The system closes the socket within a turn or two of the event loop.
  for (let turn = 0; turn < 10; turn++) await setImmediate();
  expect(dialling()).toBe(FILLING - QUEUED);
  egress.close();
});

test("a receiver that is far away is reached although another of its addresses refuses at once", async () => {
  const egress = createEgress({
    rules: { deny: [], ports: EGRESS_PORTS_DEFAULT, allow: parseNetworks("127.0.0.0/8") },
    lookup: async () => ["127.0.0.1", "127.0.0.2"].map((address) => ({ address, family: 4 })),
  });
  const attempt = egress.post({
    url: `http://yoursite.example:${port}/`,
    headers: {},
    body: Buffer.from("[{}]"),
    acceptance: "OK_ONLY",
    accountId: 1 as AccountId,
    timeoutMs: 60_000,
  });
  await expect.poll(dialling).toBe(FILLING - QUEUED + 1);
  // The system repeats a SYN that was not answered after a second, when Node's own way would have given up.
  host.kill("SIGCONT");
  expect(await attempt).toMatchObject({ outcome: "accepted", address: `127.0.0.1:${port}` });
  egress.close();
});

describe("a proxy with a name", () => {
  const REQUEST = {
    ...{ url: "http://yoursite.example/", headers: {}, body: Buffer.from("[{}]"), timeoutMs: 60_000 },
    ...{ acceptance: "OK_ONLY" as const, accountId: 1 as AccountId },
  };
  const tunnels: Duplex[] = [];
  let proxy: Server;
  type Answer = (error: Error | null, found?: readonly LookupAddress[]) => void;
  /** Answers the look-ups of its name. */
  const named = (answer: (reply: Answer, nth: number) => void) => {
    let asked = 0;
    const lookup = (...args: unknown[]) => answer(args.at(-1) as Answer, ++asked);
    vi.spyOn(dns, "lookup").mockImplementation(lookup as typeof dns.lookup);
  };
  const egressBy = (proxyPort: number, addresses: number) =>
    createEgress({
      rules: { deny: [], ports: EGRESS_PORTS_DEFAULT, allow: parseNetworks("203.0.113.0/24") },
      lookup: async () =>
        Array.from({ length: addresses }, (_, n) => ({ address: `203.0.113.${n + 1}`, family: 4 })),
      proxy: new URL(`http://proxy.example:${proxyPort}`),
    });
  const openTunnel = (socket: Duplex | undefined) => {
    socket?.write("HTTP/1.1 200 OK\r\n\r\n");
    socket?.once("data", () => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"));
  };

  beforeEach(() => {
    tunnels.splice(0);
    proxy = createServer().on("connect", (_request, socket) => tunnels.push(socket));
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    for (const socket of tunnels) socket.destroy();
    await new Promise((resolve) => proxy.close(resolve));
  });

  test("that is silent at its first address is reached at the second, also in a short attempt", async () => {
    proxy.on("connect", (_request, socket) => openTunnel(socket));
    await once(proxy.listen(port, "127.0.0.2"), "listening");
    named((reply) =>
      reply(
        null,
        ["127.0.0.1", "127.0.0.2"].map((address) => ({ address, family: 4 })),
      ),
    );
    const before = getDefaultAutoSelectFamilyAttemptTimeout();
    // A process of Posthaste has another default than Node, for its other partners.
    setDefaultAutoSelectFamilyAttemptTimeout(30_000);
    const egress = egressBy(port, 1);
    try {
      expect(await egress.post({ ...REQUEST, timeoutMs: 20_000 })).toMatchObject({ outcome: "accepted" });
    } finally {
      setDefaultAutoSelectFamilyAttemptTimeout(before);
      egress.close();
    }
  });

  test("for which a descriptor is lacking is a fault, although another tunnel hangs", async () => {
    await once(proxy.listen(0, "127.0.0.1"), "listening");
    const lacking = Promise.withResolvers<void>();
    named((reply, nth) => {
      if (nth === 1) return reply(null, [{ address: "127.0.0.1", family: 4 }]);
      reply(Object.assign(new Error("too many open files"), { code: "EMFILE" }));
      lacking.resolve();
    });
    const egress = egressBy((proxy.address() as AddressInfo).port, 2);
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    try {
      const posted = egress.post(REQUEST);
      posted.catch(() => {});
      await once(proxy, "connect");
      vi.advanceTimersByTime(2_000);
      await lacking.promise;
      // By then, what failed has been noticed.
      for (let n = 0; n < 10; n++) await setImmediate();
      vi.advanceTimersByTime(REQUEST.timeoutMs);
      await expect(posted).rejects.toMatchObject({ cause: { code: "EMFILE" } });
    } finally {
      vi.useRealTimers();
      egress.close();
    }
  });

  test("that cannot be reached for another tunnel does not end the one that it is opening", async () => {
    await once(proxy.listen(0, "127.0.0.1"), "listening");
    named((reply, nth) => {
      if (nth === 1) return reply(null, [{ address: "127.0.0.1", family: 4 }]);
      reply(new Error("no such name"));
      // By then, what failed has been noticed.
      setTimeout(() => openTunnel(tunnels[0]), 1);
    });
    const egress = egressBy((proxy.address() as AddressInfo).port, 2);
    expect(await egress.post(REQUEST)).toMatchObject({ outcome: "accepted" });
    egress.close();
  });
});

describe("of several addresses", () => {
  const [A, B, C, D] = ["192.0.2.1", "192.0.2.2", "2606:4700::1", "2606:4700::2"] as const;
  const at = (...addresses: string[]) =>
    addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 }));
  const opened = new Map<string, { signal: AbortSignal } & PromiseWithResolvers<Socket>>();
  const open = (address: string, signal: AbortSignal) => {
    const opening = { ...Promise.withResolvers<Socket>(), signal };
    opened.set(address, opening);
    return opening.promise;
  };
  const signal = () => new AbortController().signal;
  const settled = async () => await vi.advanceTimersByTimeAsync(0);
  const aborted = () => [...opened.values()].map(({ signal }) => signal.aborted);

  beforeEach(() => {
    opened.clear();
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test("one after the other joins, families in turn, and those before it go on", async () => {
    const connected = connectToOne(at(C, D, A), open, { signal: signal() });
    expect([...opened.keys()]).toEqual([C]);
    await vi.advanceTimersByTimeAsync(249);
    expect([...opened.keys()]).toEqual([C]);
    await vi.advanceTimersByTimeAsync(1);
    expect([...opened.keys()]).toEqual([C, A]);
    await vi.advanceTimersByTimeAsync(60_000);
    expect([...opened.keys()]).toEqual([C, A, D]);
    expect(aborted()).toEqual([false, false, false]);
    const socket = new Socket();
    opened.get(C)?.resolve(socket);
    expect(await connected).toEqual({ socket, address: C });
    expect(aborted()).toEqual([false, true, true]);
  });

  test("three are tried at once, and those that wait replace the oldest one after the other", async () => {
    const connected = connectToOne(at(A, C, B, D), open, { signal: signal() });
    await vi.advanceTimersByTimeAsync(500);
    expect([...opened.keys()]).toEqual([A, C, B]);
    await vi.advanceTimersByTimeAsync(1_999);
    expect([...opened.keys()]).toEqual([A, C, B]);
    await vi.advanceTimersByTimeAsync(1);
    expect([...opened.keys()]).toEqual([A, C, B, D]);
    expect(aborted()).toEqual([true, false, false, false]);
    const [late, socket] = [new Socket(), new Socket()];
    opened.get(A)?.resolve(late);
    opened.get(D)?.resolve(socket);
    expect(await connected).toEqual({ socket, address: D });
    expect(late.destroyed).toBe(true);
  });

  test("all of eight are tried in the time of an attempt, also if none answers", async () => {
    const attempt = new AbortController();
    const eight = at(...Array.from({ length: 8 }, (_, i) => `192.0.2.${i}`));
    const connected = connectToOne(eight, open, { signal: attempt.signal });
    connected.catch(() => {});
    await vi.advanceTimersByTimeAsync(11_000);
    expect(opened.size).toBe(8);
    expect(aborted().filter((isAborted) => !isAborted)).toHaveLength(3);
    attempt.abort();
  });

  test("one that was replaced has failed with the time that it took", async () => {
    const connected = connectToOne(at(A, C, B, D), open, { signal: signal() });
    connected.catch(() => {});
    await vi.advanceTimersByTimeAsync(2_500);
    for (const { signal, reject } of opened.values()) reject(signal.reason ?? new Error("refused"));
    await settled();
    for (const { signal, reject } of opened.values()) reject(signal.reason ?? new Error("refused"));
    await expect(connected).rejects.toMatchObject({ errors: [{ code: "ETIMEDOUT" }, {}, {}, {}] });
  });

  test("what cannot even begin has failed", async () => {
    const cannot = () => {
      throw new Error("no such port");
    };
    await expect(connectToOne(at(A, B), cannot, { signal: signal() })).rejects.toMatchObject({
      errors: [new Error("no such port"), new Error("no such port")],
    });
    expect(vi.getTimerCount()).toBe(0);
  });

  test("the next joins at once if one fails, and a connection that comes late is closed", async () => {
    const connected = connectToOne(at(A, B), open, { signal: signal() });
    opened.get(A)?.reject(new Error("refused"));
    await settled();
    const [early, late] = [new Socket(), new Socket()];
    opened.get(B)?.resolve(early);
    expect(await connected).toEqual({ socket: early, address: B });
    const again = connectToOne(at(A, B), open, { signal: signal() });
    await vi.advanceTimersByTimeAsync(250);
    opened.get(A)?.resolve(early);
    opened.get(B)?.resolve(late);
    expect(await again).toEqual({ socket: early, address: A });
    await settled();
    expect(late.destroyed).toBe(true);
  });

  test("all have failed if each has, in the order of the addresses", async () => {
    const connected = connectToOne(at(A, B), open, { signal: signal() });
    connected.catch(() => {});
    await vi.advanceTimersByTimeAsync(250);
    opened.get(B)?.reject(new Error("second"));
    opened.get(A)?.reject(new Error("first"));
    await expect(connected).rejects.toMatchObject({ errors: [new Error("first"), new Error("second")] });
  });

  const emfile = Object.assign(new Error("too many open files"), { code: "EMFILE" });
  const isLack = (error: unknown) => error === emfile;

  test("no other joins once a descriptor is lacking, and the one that is far away goes on", async () => {
    const connected = connectToOne(at(A, B, C), open, { signal: signal(), isLack });
    await vi.advanceTimersByTimeAsync(250);
    opened.get(C)?.reject(emfile);
    await vi.advanceTimersByTimeAsync(60_000);
    expect([...opened.keys()]).toEqual([A, C]);
    const socket = new Socket();
    opened.get(A)?.resolve(socket);
    expect(await connected).toEqual({ socket, address: A });
  });

  test.each([
    ["the others fail", async () => opened.get(A)?.reject(new Error("refused"))],
    ["the attempt ends", async (attempt: AbortController) => attempt.abort()],
  ])("a lack of descriptors is what is thrown if %s", async (_what, end) => {
    const attempt = new AbortController();
    const connected = connectToOne(at(A, B, C), open, { signal: attempt.signal, isLack });
    connected.catch(() => {});
    await vi.advanceTimersByTimeAsync(250);
    opened.get(C)?.reject(emfile);
    await settled();
    await end(attempt);
    await expect(connected).rejects.toBe(emfile);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("a name with fifty has eight tried, and the end of the attempt ends them all", async () => {
    const attempt = new AbortController();
    const fifty = at(...Array.from({ length: 50 }, (_, i) => `192.0.2.${i}`));
    const connected = connectToOne(fifty, open, { signal: attempt.signal });
    connected.catch(() => {});
    await vi.advanceTimersByTimeAsync(60_000);
    expect(opened.size).toBe(8);
    attempt.abort();
    await expect(connected).rejects.toBe(attempt.signal.reason);
    expect([...opened.values()].every(({ signal }) => signal.aborted)).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });
});
